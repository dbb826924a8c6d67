"""The doctor at a real broker: each way in which it cannot be reached is named with its remedy."""

import contextlib
import datetime
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.config import Mqtt
from appliance.doctor.broker import broker
from appliance.doctor.findings import Finding, Level
from tests.broker import Broker, Subscriber, free_port

pytestmark = pytest.mark.broker

DAY_S = 86_400

_STRICT = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
"""Python 3.13 and newer refuse a certificate without them, and an authority that does not say that it may sign."""


def looked_at(port: int, *, in_days: float = 0.0, **settings: Any) -> list[Finding]:
    """What the doctor says, in so many days."""
    now_s = time.time() + in_days * DAY_S
    return broker(Mqtt(**{"host": "127.0.0.1", "port": port} | settings), "kitchen", now_s=now_s)


class Authority:
    """Makes certificates in a folder, by openssl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = self._signed_by_itself("authority", "CA:TRUE", "")

    def certificate(self, name: str, *, host: str = "IP:127.0.0.1", days: int = 30, ended: bool = False) -> Path:
        """A certificate of this authority for a host, whose key is in the `.key` beside it."""
        cert, key, request = (self.folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        self._openssl("req", "-new", *self._key(key), "-subj", f"/CN={name}", "-out", str(request))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\n{_STRICT}")
        signing = ["-CA", str(self.ca), "-CAkey", str(self.ca.with_suffix(".key")), "-extfile", str(extensions)]
        # Before version 3.4 openssl x509 takes no dates; a negative number of days ends before it begins.
        self._openssl(
            "x509", "-req", "-in", str(request), *signing, "-days", str(-1 if ended else days), "-out", str(cert)
        )
        return cert

    def signed_by_itself(self, name: str) -> Path:
        """A certificate that nobody else vouches for."""
        return self._signed_by_itself(name, "CA:FALSE", "IP:127.0.0.1")

    def _signed_by_itself(self, name: str, constraint: str, host: str) -> Path:
        cert = self.folder / f"{name}.pem"
        extensions = ["-addext", f"basicConstraints=critical,{constraint}"]
        extensions += ["-addext", f"subjectAltName={host}" if host else "keyUsage=critical,keyCertSign"]
        key = self._key(cert.with_suffix(".key"))
        self._openssl("req", "-x509", *key, "-subj", f"/CN={name}", "-days", "30", *extensions, "-out", str(cert))
        return cert

    def _key(self, path: Path) -> list[str]:
        path.touch(mode=0o644)
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path)]

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@contextlib.contextmanager
def tls_broker(folder: Path, cert: Path) -> Iterator[Broker]:
    listener = (f"certfile {cert}", f"keyfile {cert.with_suffix('.key')}")
    with Broker(folder, "allow_anonymous true", listener=listener) as found:
        yield found


@contextlib.contextmanager
def server(behave: Callable[[socket.socket], object]) -> Iterator[int]:
    """Something that listens, and does this with whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_broker_that_lets_us_in(tmp_path: Path) -> None:
    with Broker(tmp_path) as found:
        (finding,) = looked_at(found.port)
    assert finding.level is Level.OK
    assert f"127.0.0.1:{found.port} accepts us: MQTT 5, not encrypted" in finding.found


def test_nothing_is_published_and_nobodys_place_is_taken(tmp_path: Path) -> None:
    with Broker(tmp_path, "allow_anonymous true", "log_type all", f"log_dest file {tmp_path}/log") as found:
        with Subscriber(found.port) as subscriber:
            looked_at(found.port)
            subscriber.send("voice/end", "")
            assert [message.topic for message in subscriber.until("voice/end")] == ["voice/end"]
        log = (tmp_path / "log").read_text()
    assert "voice-kitchen-doctor" in log
    assert "Received DISCONNECT from voice-kitchen-doctor" in log


def test_a_broker_of_the_older_version(tmp_path: Path) -> None:
    versions: list[int] = []

    def old(connection: socket.socket) -> None:
        greeting = connection.recv(1000)
        versions.append(greeting[8])
        connection.sendall(bytes([0x20, 2, 0, 0 if greeting[8] == 4 else 1]))
        connection.recv(1000)

    with server(old) as port:
        (finding,) = looked_at(port)
    assert versions == [5, 4]
    assert finding.level is Level.OK
    assert "accepts us: MQTT 3.1.1" in finding.found


def test_a_certificate_that_is_good_for_long_and_one_that_is_not(tmp_path: Path, authority: Authority) -> None:
    cert = authority.certificate("right", days=30)
    with tls_broker(tmp_path, cert) as found:
        access, certificate = looked_at(found.port, tls=True, ca_file=str(authority.ca))
        assert (access.level, certificate.level) == (Level.OK, Level.OK)
        assert "TLSv1.3" in access.found
        assert "is good for 29 days" in certificate.found
        _, warned = looked_at(found.port, tls=True, ca_file=str(authority.ca), in_days=16.5)
    assert (warned.level, warned.remedy.partition(",")[0]) == (Level.WARNING, "renew it on the broker")
    assert "is good for 13 days" in warned.found


@pytest.mark.parametrize(
    ("make", "found", "remedy"),
    [
        (lambda a: a.certificate("ended", ended=True), "certificate has expired", "this machine's clock"),
        (lambda a: a.certificate("elsewhere", host="IP:10.1.1.1"), "IP address mismatch", "mqtt.host"),
        (lambda a: a.signed_by_itself("stranger"), "self-signed certificate", "mqtt.ca_file"),
    ],
    ids=["expired", "wrong host", "unknown authority"],
)
def test_a_certificate_that_is_not_accepted(
    make: Callable[[Authority], Path], found: str, remedy: str, tmp_path: Path, authority: Authority
) -> None:
    with tls_broker(tmp_path, make(authority)) as reached:
        (finding,) = looked_at(reached.port, tls=True, ca_file=str(authority.ca))
    assert finding.level is Level.PROBLEM
    assert found in finding.found
    assert remedy in finding.remedy


def test_tls_on_a_port_without_it_and_the_other_way_round(tmp_path: Path, authority: Authority) -> None:
    with Broker(tmp_path) as plain:
        (finding,) = looked_at(plain.port, tls=True, ca_file=str(authority.ca))
    assert finding.level is Level.PROBLEM
    assert "mqtt.port" in finding.remedy
    with tls_broker(tmp_path, authority.certificate("other")) as secured:
        (finding,) = looked_at(secured.port)
    assert "hung up without an answer" in finding.found
    assert finding.remedy == "check mqtt.port and mqtt.tls"


def test_passwords(tmp_path: Path) -> None:
    passwords, secret, wrong = tmp_path / "passwords", tmp_path / "secret", tmp_path / "wrong"
    secret.write_text("right\n")
    secret.chmod(0o600)
    wrong.write_text("guessed\n")
    wrong.chmod(0o644)
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "kitchen", "right"], check=True, capture_output=True
    )
    passwords.chmod(0o644)
    with Broker(tmp_path, "allow_anonymous false", f"password_file {passwords}") as found:
        (well,) = looked_at(found.port, username="kitchen", password_file=str(secret))
        open_to_all, refused = looked_at(found.port, username="kitchen", password_file=str(wrong))
        (nameless,) = looked_at(found.port)
        (absent,) = looked_at(found.port, username="kitchen", password_file=str(tmp_path / "absent"))
    assert well.level is Level.OK
    assert open_to_all.level is Level.WARNING
    assert "can be read by every user" in open_to_all.found
    assert open_to_all.remedy == f"run: chmod o-r {wrong}"
    for finding in (refused, nameless):
        assert finding.level is Level.PROBLEM
        assert "mqtt.username" in finding.remedy
        assert "mqtt.password_file" in finding.remedy
    assert (absent.level, absent.remedy) == (Level.PROBLEM, "check path and permissions")
    assert not any("guessed" in str(finding) or "right" in finding.found for finding in (refused, well))


@pytest.mark.parametrize(
    ("behave", "found", "remedy"),
    [
        (lambda connection: connection.recv(1000), "hung up without an answer", "check mqtt.port and mqtt.tls"),
        (
            lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
            *("it speaks neither MQTT 5 nor 3.1.1", "check mqtt.port, or use another broker"),
        ),
        (lambda connection: connection.sendall(bytes([0x20, 3, 0, 0x8A, 0])), "it has banned us", "look at its log"),
    ],
    ids=["hangs up", "no MQTT", "bans us"],
)
def test_what_listens_there_is_no_broker_for_us(behave: Callable[[Any], Any], found: str, remedy: str) -> None:
    with server(behave) as port:
        (finding,) = looked_at(port)
    assert finding.level is Level.PROBLEM
    assert found in finding.found
    assert finding.remedy == remedy


@pytest.mark.parametrize(
    ("settings", "found", "remedy"),
    [
        ({}, "nothing listens there", "check that it runs, and mqtt.port"),
        ({"host": "broker.invalid"}, "its name cannot be resolved", "check mqtt.host and the network"),
        ({"host": "a" * 70}, "", "check mqtt.host"),
        ({"tls": True, "ca_file": "/absent.pem"}, "mqtt.ca_file /absent.pem holds no certificates", "check the path"),
    ],
    ids=["nobody", "no such name", "no name", "no authority"],
)
def test_nobody_is_reached(settings: dict[str, Any], found: str, remedy: str) -> None:
    (finding,) = looked_at(free_port(), **settings)
    assert finding.level is Level.PROBLEM
    assert found in finding.found
    assert remedy in finding.remedy


def test_a_password_that_systemd_gives_to_the_service_alone_is_no_fault() -> None:
    secret = "/run/credentials/absent.service/mqtt-password"
    (finding,) = looked_at(1883, username="kitchen", password_file=secret)
    assert finding.level is Level.WARNING
    assert f"only the service may read {secret}" in finding.found
    assert "appliance status" in finding.remedy


def test_no_broker_is_configured() -> None:
    (finding,) = looked_at(1883, host="")
    assert (finding.level, finding.found) == (Level.OK, "none is configured")


def test_openssl_made_what_the_names_say(authority: Authority) -> None:
    """That `-days -1` gives a certificate that has ended, whatever the version of openssl."""
    cert = authority.certificate("ended", ended=True)
    told = subprocess.run(["openssl", "x509", "-in", str(cert), "-noout", "-enddate"], capture_output=True, text=True)
    ends = datetime.datetime.strptime(told.stdout.strip(), "notAfter=%b %d %H:%M:%S %Y GMT")
    assert ends.replace(tzinfo=datetime.UTC) < datetime.datetime.now(datetime.UTC)
