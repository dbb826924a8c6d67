"""Other wake words, thresholds, sentences and limits while the appliance runs: by a command, or from a changed file.

What is new is loaded on a worker of its own, whatever goes on, and taken over by the loop between two turns, so nobody
is interrupted, and no frame or action waits; timers, the session and what mutes it stay. What cannot be exchanged so is
named: it needs a restart.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance import config_files, garbage, learned_devices
from appliance.assembly import Surroundings, build_renewal
from appliance.brains import Brains, reload_brains
from appliance.config import Config
from appliance.config_files import LoadedConfig
from appliance.errors import ApplianceError
from appliance.events import DevicesLearned, SettingsChanged
from appliance.facts import Fact, StageFailed
from appliance.home.announced import Thing
from appliance.inbox import one_line
from appliance.loop import FrameLoop, Renewal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is to be otherwise."""

    file: Path | None = None
    """Everything, as this configuration says; the others come after it."""

    words: tuple[str, ...] | None = None
    threshold: float | None = None
    things: tuple[Thing, ...] | None = None
    """What the house announces; None: as before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """Loaded, and to be taken over."""

    brains: Brains
    renewal: Renewal
    restart_needed: tuple[str, ...]
    learned: int | None
    """How many learned devices there are, where the house announced something else."""


class Renewing:
    """Owned by the frame loop; `step` is called once for each frame."""

    def __init__(self, brains: Brains, around: Surroundings, loop: FrameLoop) -> None:
        self._brains = brains
        self._around = around
        self._loop = loop
        self._wish = _Wish()
        self._loading = False
        self._ready: _Ready | None = None
        self._restart_needed: tuple[str, ...] = ()
        self._told = self.settings()

    @property
    def brains(self) -> Brains:
        """Those in use."""
        return self._brains

    def change_words(self, words: tuple[str, ...], frame: int) -> Fact | None:
        """Listen for other words until the next reload or restart. Returns why it cannot be."""
        return self._want(dataclasses.replace(self._wish, words=words), frame)

    def change_threshold(self, score: float, frame: int) -> Fact | None:
        """Wake at another score, 0 for each model's own, until the next reload or restart."""
        return self._want(dataclasses.replace(self._wish, threshold=score), frame)

    def reload(self, file: Path, frame: int) -> Fact | None:
        """Take over what a configuration file says now."""
        return self._want(_Wish(file=file, things=self._wish.things), frame)

    def learn(self, things: tuple[Thing, ...], frame: int) -> Fact | None:
        """Take over, and keep, what the house announces."""
        return self._want(dataclasses.replace(self._wish, things=things), frame)

    def step(self, frame: int) -> SettingsChanged | None:
        """Take over what is ready, while nothing goes on. Returns what changed, as seen from outside."""
        if self._ready is not None and self._loop.rests:
            self._take_over(self._ready, frame)
        settings = self.settings()
        if settings == self._told:
            return None
        self._told = settings
        return msgspec.structs.replace(settings, frame=frame)

    def settings(self) -> SettingsChanged:
        """As they are now; which frame that is, is left open."""
        return SettingsChanged(
            frame=0,
            wake_words=tuple(word.name for word in self._brains.words),
            threshold=self._brains.loaded.config.wake.threshold,
            volume=self._loop.volume,
            stop_word=self._brains.stop_word.name if self._brains.stop_word else None,
            restart_needed=self._restart_needed,
        )

    def _want(self, wish: _Wish, frame: int) -> Fact | None:
        self._wish = wish
        if self._ready is not None:
            self._ready.renewal.spotter.close()
            self._ready = None
        return None if self._loading else self._load(frame)

    def _load(self, frame: int) -> Fact | None:
        wish, old = self._wish, self._brains

        def job() -> None:
            ready, problem = None, "a defect, see the log"
            try:
                with garbage.put_off():
                    ready = self._made(wish, old)
            except ApplianceError as error:
                problem = one_line(error)
            finally:
                self._around.inbox.post(lambda at: self._loaded(wish, ready, problem, at))

        self._loading = self._around.workers.loading.submit(job)
        return None if self._loading else self._failed("it ends just now; try again", frame)

    def _made(self, wish: _Wish, old: Brains) -> _Ready:
        """On the worker. Raises ConfigError, ModelError, StageError."""
        if wish.things is not None and old.loaded.state is not None:
            learned_devices.write(old.loaded.state, wish.things)
        loaded, restart_needed = old.loaded, self._restart_needed
        if wish.file is not None:
            loaded, restart_needed = _read(wish.file, loaded)
        wake = loaded.config.wake
        wake = msgspec.structs.replace(
            wake,
            words=wake.words if wish.words is None else list(wish.words),
            threshold=wake.threshold if wish.threshold is None else wish.threshold,
        )
        brains = reload_brains(_with(loaded, msgspec.structs.replace(loaded.config, wake=wake)), old)
        return _Ready(
            brains=brains,
            renewal=build_renewal(brains, self._around),
            restart_needed=restart_needed,
            learned=len(learned_devices.load_home(brains.loaded).taken) if wish.things is not None else None,
        )

    def _loaded(self, wish: _Wish, ready: _Ready | None, problem: str, frame: int) -> Fact | None:
        """Back in the loop."""
        self._loading = False
        if wish is not self._wish:  # something else was asked for meanwhile
            if ready is not None:
                ready.renewal.spotter.close()
            return self._load(frame)
        self._ready = ready
        return None if ready is not None else self._failed(problem, frame)

    def _failed(self, problem: str, frame: int) -> Fact:
        self._wish = _Wish()
        return StageFailed(frame=frame, stage="reload", error=f"{problem}; the settings stay as they were")

    def _take_over(self, ready: _Ready, frame: int) -> None:
        volume = ready.brains.loaded.config.audio.volume
        if volume != self._brains.loaded.config.audio.volume:
            self._loop.set_volume(volume)
        self._loop.renew(ready.renewal)
        self._brains, self._restart_needed = ready.brains, ready.restart_needed
        if ready.learned is not None:
            self._loop.emit(DevicesLearned(frame=frame, devices=ready.learned))
        self._ready, self._wish = None, _Wish()


def _read(path: Path, old: LoadedConfig) -> tuple[LoadedConfig, tuple[str, ...]]:
    """What of a file can be taken over, and the keys that need a restart. Raises ConfigError."""
    new, before = config_files.load(path).config, old.config
    replace = msgspec.structs.replace
    config = replace(
        before,
        device=replace(before.device, area=new.device.area),
        audio=replace(before.audio, volume=new.audio.volume),
        wake=new.wake,
        listening=new.listening,
        # Recognizer and voice speak that language, and the broker was asked for announcements or not.
        home=replace(new.home, language=before.home.language, learn=before.home.learn),
    )
    return _with(old, config), _differences(config, new)


def _differences(one: Config, other: Config) -> tuple[str, ...]:
    """Keys whose values differ: `mqtt.host`."""
    sections = ((name, getattr(one, name), getattr(other, name)) for name in Config.__struct_fields__)
    return tuple(
        f"{name}.{key}"
        for name, section, new in sections
        for key in section.__struct_fields__
        if getattr(section, key) != getattr(new, key)
    )


def _with(loaded: LoadedConfig, config: Config) -> LoadedConfig:
    return dataclasses.replace(loaded, config=config)
