"""The appliance's part in the house: the devices that it learns, the other appliances at the broker, and Hermes."""

import time
from uuid import uuid4

import msgspec

from appliance import learned_devices
from appliance.arbitration import Arbiter, Bid
from appliance.config_files import LoadedConfig
from appliance.errors import BrokerError
from appliance.events import Event
from appliance.home.announced import Thing
from appliance.home.effects import Publish
from appliance.inbox import Post
from appliance.learning import Learn, Learning
from appliance.mqtt.announced_devices import AnnouncedDevices
from appliance.mqtt.ear import Ear
from appliance.mqtt.hermes import Hermes
from appliance.mqtt.peers import Peers
from appliance.mqtt.topics import Topics
from appliance.understanding.language_folder import LanguageFolder


class Household:
    """Made before the broker's client, which gets its `ears`; what they hear comes to the frame loop by its inbox."""

    def __init__(self, loaded: LoadedConfig, post: Post, publish: Publish, learn: Learn) -> None:
        """`post`: into the loop's inbox. `publish`: to the broker. `learn` takes devices over; called by `step`."""
        config = loaded.config
        self._post = post
        self._publish = publish
        self._topic = Topics(config.device.id).wake
        self._learning = Learning(learned_devices.read(loaded), learn)
        self.arbiter = Arbiter(config.device.id, self._send) if config.wake.one_answers else None
        """For the frame loop; None: it answers in any case."""

        ears: list[Ear] = []
        if config.home.learn and loaded.state is not None:
            ears.append(AnnouncedDevices(config.home_assistant.prefix, self._announced, time.monotonic).ear)
        if self.arbiter is not None:
            ears.append(_peers(self.arbiter, post))
        self._hermes = None
        if config.hermes.enabled:
            language = LanguageFolder.of(loaded.language).settings.code
            site = (config.hermes.site_id, language)
            self._hermes = Hermes(site, uuid4().hex[:8], self._at_once, post, time.monotonic)
            ears.append(self._hermes.ear)
        self.ears = tuple(ears)
        """What it listens to at the broker."""

    def step(self, frame: int) -> None:
        """Once a frame, in the loop's thread."""
        if (problem := self._learning.step(frame)) is not None:
            self._post(lambda _at: problem)

    def take(self, event: Event) -> None:
        """Every event, in the loop's thread."""
        if self._hermes is not None:
            self._hermes.take(event)

    def _announced(self, topic: str, things: tuple[Thing, ...]) -> None:
        self._post(lambda frame: self._learning.heard(topic, things, frame))

    def _send(self, bid: Bid) -> bool:
        return self._at_once(self._topic, msgspec.json.encode(bid))

    def _at_once(self, topic: str, payload: bytes) -> bool:
        """Publish now; False: that cannot be."""
        try:
            self._publish(topic, payload.decode(), 0, False)
        except BrokerError:
            return False
        return True


def _peers(arbiter: Arbiter, post: Post) -> Ear:
    def present(device_id: str, online: bool) -> None:
        post(lambda _frame: arbiter.present(device_id, online))

    def heard(device_id: str, bid: Bid) -> None:
        post(lambda frame: arbiter.heard(device_id, bid, frame))

    return Peers(present, heard, time.monotonic).ear
