"""From clips to what examples are made of: where the word is in each recording, and streams of everything else."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from tools.quantize.alter import Word
from tools.quantize.clips import SYNTHETIC, Clip, read_pcm
from tools.quantize.examples import Kind, Material
from tools.quantize.noises import Sounds
from tools.quantize.speech_span import Span, find_speech

LONGEST_WORD_S = 1.2
"""What is louder for longer is not the word alone: noise, or more words."""
LATEST_END_S = 0.15
"""An estimate of the span and the level may differ by so much."""
_GAP = np.zeros(round(0.3 * SAMPLE_RATE_HZ), np.int16)
_KINDS = {"negative:confusable": Kind.CONFUSABLE, "negative:text": Kind.TEXT}


def material(
    words: Iterable[Clip], others: Iterable[Clip], spans: Mapping[str, Span]
) -> tuple[Material, list[Clip], list[Clip]]:
    """Read the clips. Also: in which clips of the words the word was found, in which not; those are left out.

    words: recordings of the word alone.
    others: recordings without it; those labelled `negative:noise` and `negative:music` also disturb.
    spans: where the word is in clips in which level does not tell, by path.
    """
    known, clear, unclear = [], [], []
    for clip in words:
        span = spans.get(str(clip.path))
        word = find_word(clip, read_pcm(clip)) if span is None else Word(read_pcm(clip), *span, is_recorded(clip))
        if word is None:
            unclear.append(clip)
        else:
            known.append(word)
            clear.append(clip)
    groups: dict[tuple[str, str], list[Pcm]] = defaultdict(list)
    for clip in others:
        groups[clip.label, clip.source].append(read_pcm(clip))
    noises = _of(groups, "negative:noise")
    music = _of(groups, "negative:music")
    streams: dict[Kind, list[Pcm]] = defaultdict(list)
    for (label, _), group in sorted(groups.items()):
        if label not in ("negative:noise", "negative:music"):
            streams[_KINDS.get(label, Kind.SPEECH)].append(joined(group))
    speech = (*streams.get(Kind.SPEECH, ()), *streams.get(Kind.TEXT, ()))
    everything = {kind: tuple(group) for kind, group in streams.items()}
    sounds = Sounds(speech=speech, noises=tuple(noises), music=tuple(music))
    return Material(tuple(known), everything, sounds), clear, unclear


def find_word(clip: Clip, pcm: Pcm) -> Word | None:
    """Where the word is, by what the manifest tells and by level; None where that is no single short sound."""
    span = find_speech(pcm)
    if span is None:
        return None
    start, end = span
    if clip.speech is not None:
        margin = round(LATEST_END_S * SAMPLE_RATE_HZ)
        start, end = max(start, clip.speech[0] - margin), min(end, clip.speech[1] + margin)
    return Word(pcm, start, end, is_recorded(clip)) if 0 < end - start <= LONGEST_WORD_S * SAMPLE_RATE_HZ else None


def is_recorded(clip: Clip) -> bool:
    """Whether a person says it, and no program."""
    return not clip.source.startswith(SYNTHETIC)


def joined(pieces: Iterable[Pcm]) -> Pcm:
    """One stream, with 0.3 s of silence after each piece."""
    stream: npt.NDArray[np.int16] = np.concatenate([part for piece in pieces for part in (piece, _GAP)])
    return stream


def _of(groups: dict[tuple[str, str], list[Pcm]], label: str) -> list[Pcm]:
    return [pcm for (name, _), group in sorted(groups.items()) if name == label for pcm in group]
