"""The broker's configuration that we ship, with the real mosquitto: who may do what, and who must fail."""

import queue
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.commands import Volume
from appliance.home.announced import Thing
from appliance.mqtt.announced_devices import AnnouncedDevices
from tests.broker import WAIT_S, Broker, wait_until
from tests.test_doctor_broker import Authority
from tests.test_mqtt_broker import AT, BASE, Kitchen, wake

pytestmark = [
    pytest.mark.broker,
    # paho drops the socket of a failed hand-shake without closing it.
    pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]

SHIPPED = Path(__file__).parents[1] / "firmware_config" / "mosquitto"
USERS = ("kitchen", "bath", "homeassistant", "stranger")


def shipped(folder: Path) -> list[str]:
    """The lines of voice.conf, with this folder in place of the system's."""
    lines = (SHIPPED / "voice.conf").read_text().splitlines()
    settings = [line for line in lines if line and not line.startswith(("#", "listener"))]
    for place in ("/etc/mosquitto/certs", "/etc/mosquitto"):
        settings = [line.replace(place, str(folder)) for line in settings]
    return settings


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    authority = Authority(tmp_path)
    cert = authority.certificate("broker")
    for name, path in (("ca.crt", authority.ca), ("broker.crt", cert), ("broker.key", cert.with_suffix(".key"))):
        (tmp_path / name).write_bytes(path.read_bytes())
    passwords = tmp_path / "voice.passwd"
    passwords.write_text("".join(f"{user}:of {user}\n" for user in USERS))
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True, capture_output=True)
    (tmp_path / "voice.acl").write_text((SHIPPED / "voice.acl").read_text())
    with Broker(tmp_path, *shipped(tmp_path)) as broker:
        yield broker


class Client:
    """Somebody who is no appliance."""

    def __init__(self, broker: Broker, folder: Path, user: str, *filters: str) -> None:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: list[Any] = []
        self.granted: list[int] = []
        self.refused: list[int] = []
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.tls_set_context(ssl.create_default_context(cafile=str(folder / "ca.crt")))
        client.username_pw_set(user, f"of {user}")
        client.on_connect = lambda client, *_: [client.subscribe(one, qos=1) for one in filters]
        client.on_subscribe = lambda _c, _u, _m, reasons, _p: self.granted.extend(r.value for r in reasons)
        client.on_message = lambda _c, _u, message: self.heard.append(message)
        client.on_publish = lambda _c, _u, _m, reason, _p: self.refused.extend([reason.value] * (reason.value >= 128))
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        self._client = client
        wait_until(lambda: len(self.granted) == len(filters) and client.is_connected(), f"{user} is let in")

    def publish(self, topic: str, payload: str) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def kitchen_of(broker: Broker, folder: Path, user: str = "kitchen", **settings: Any) -> Kitchen:
    password = folder / f"{user}.txt"
    password.write_text(f"of {user}\n")
    password.chmod(0o600)
    access = {"username": user, "password_file": str(password), "tls": True, "ca_file": str(folder / "ca.crt")}
    return Kitchen(broker.port, discovery="device", prefix="homeassistant", **access | settings)


def test_an_appliance_writes_its_own_topics_and_hears_its_own_commands(tmp_path: Path, broker: Broker) -> None:
    with (
        closing(Client(broker, tmp_path, "homeassistant", "voice/#")) as home,
        closing(kitchen_of(broker, tmp_path)) as kitchen,
    ):
        kitchen.connected()
        kitchen.tell(wake(1))
        wait_until(lambda: any(m.topic == f"{BASE}/event/wake_detected" for m in home.heard), "the event arrives")
        home.publish(f"{BASE}/command/volume", "30")
        assert kitchen.commands.get(timeout=WAIT_S) == Volume(percent=30)
        wait_until(lambda: not kitchen.client.waiting_events, "all is confirmed")
        assert "access list" not in kitchen.client.status


def test_an_appliance_hears_what_devices_announce(tmp_path: Path, broker: Broker) -> None:
    heard: queue.Queue[tuple[Thing, ...]] = queue.Queue()
    ear = AnnouncedDevices("homeassistant", lambda topic, things: heard.put(things), time.monotonic).ear
    with (
        closing(Client(broker, tmp_path, "homeassistant")) as home,
        closing(kitchen_of(broker, tmp_path, ears=[ear])) as kitchen,
    ):
        kitchen.connected()
        home.publish("homeassistant/switch/fan/config", '{"name": "Fan", "command_topic": "fan/set"}')
        [fan] = heard.get(timeout=WAIT_S)
        assert (fan.entity, fan.device.topic) == ("Fan", "fan/set")


def test_one_appliance_can_neither_speak_for_another_nor_command_it(tmp_path: Path, broker: Broker) -> None:
    with (
        closing(Client(broker, tmp_path, "homeassistant", "voice/#")) as home,
        closing(kitchen_of(broker, tmp_path)) as kitchen,
        closing(Client(broker, tmp_path, "bath", "voice/kitchen/#", "voice/bath/command/+")) as bath,
    ):
        kitchen.connected()
        bath.publish(f"{BASE}/event/wake_detected", "forged")
        bath.publish(f"{BASE}/command/mute", "on")
        bath.publish("homeassistant/device/kitchen/config", "{}")
        assert len(bath.refused) == 3
        home.publish(f"{BASE}/command/volume", "30")
        assert kitchen.commands.get(timeout=WAIT_S) == Volume(percent=30), "the first that arrives is no stranger's"
        assert not any(message.payload == b"forged" for message in home.heard)
        assert {message.topic for message in bath.heard} <= {f"{BASE}/availability"}, "that it is there, and no more"


@pytest.mark.parametrize("user", ["stranger", "homeassistant"])
def test_who_has_no_line_in_the_access_list_or_another_one_can_not_pose_as_an_appliance(
    tmp_path: Path, broker: Broker, user: str
) -> None:
    with closing(kitchen_of(broker, tmp_path, user)) as posing:
        posing.tell(wake(1))
        wait_until(lambda: "access list" in posing.client.status, "it is told")


def test_nobody_anonymous_nobody_unencrypted(tmp_path: Path, broker: Broker) -> None:
    with closing(kitchen_of(broker, tmp_path, username="", password_file="")) as nobody:
        wait_until(lambda: "authorize" in nobody.client.status or "password" in nobody.client.status, "it is refused")
    with closing(kitchen_of(broker, tmp_path, tls=False, ca_file="")) as plain:
        wait_until(lambda: "mqtt.tls" in plain.client.status, "there is no answer in clear")


def test_an_appliance_may_show_a_certificate_instead_of_a_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    broker_cert, ours = authority.certificate("broker"), authority.certificate("kitchen")
    key = ours.with_suffix(".key")
    key.chmod(0o600)
    listener = (f"cafile {authority.ca}", f"certfile {broker_cert}", f"keyfile {broker_cert.with_suffix('.key')}")
    lines = ("require_certificate true", "use_identity_as_username true", f"acl_file {SHIPPED / 'voice.acl'}")
    tls = {"tls": True, "ca_file": str(authority.ca)}
    with Broker(tmp_path, *lines, listener=listener) as broker:
        with closing(Kitchen(broker.port, cert_file=str(ours), key_file=str(key), **tls)) as kitchen:
            kitchen.connected()
            kitchen.tell(wake(1))
            wait_until(lambda: not kitchen.client.waiting_events, "all is confirmed")
            assert "access list" not in kitchen.client.status
        with closing(Kitchen(broker.port, **tls)) as nobody:
            wait_until(lambda: "not connected yet" not in nobody.client.status, "it is refused")
            assert "connected (" not in nobody.client.status


def printed_by_example(port: int, awaited: str) -> str:
    """The first line of the example subscriber that holds this, or nothing."""
    script = SHIPPED.parent / "examples" / "subscriber.py"
    command = [sys.executable, str(script), f"127.0.0.1:{port}", "kitchen"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        end = threading.Timer(WAIT_S, running.kill)
        end.start()
        assert running.stdout is not None
        line = next((line for line in running.stdout if awaited in line), "")
        end.cancel()
        running.kill()
    return line


def test_the_example_subscriber_prints_what_happened_while_it_was_away(tmp_path: Path) -> None:
    with Broker(tmp_path) as broker, closing(Kitchen(broker.port)) as kitchen:
        kitchen.connected()
        with ThreadPoolExecutor() as pool:
            first = pool.submit(printed_by_example, broker.port, "wake_detected")
            while not first.done():  # it subscribes in its own time
                kitchen.tell(wake(1))
                threading.Event().wait(0.2)
        assert first.result() == f"{AT} kitchen wake_detected alexa\n"
        kitchen.client.publish_event(wake(2), "2026-01-01T13:00:00.000Z", "while-away")
        wait_until(lambda: not kitchen.client.waiting_events, "the broker has it")
        assert printed_by_example(broker.port, "13:00:00") == "2026-01-01T13:00:00.000Z kitchen wake_detected alexa\n"
