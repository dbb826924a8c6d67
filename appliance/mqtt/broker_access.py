"""How the broker is reached, and why it is not, in words an owner can act on."""

import contextlib
import logging
import socket
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from appliance.config import Mqtt
from appliance.errors import ConfigError

LONGEST_PAUSE_S: Final = 60.0

VERSION_REFUSED: Final = 0x84
"""MQTT 5's code for an unsupported protocol version; paho turns the 1 of MQTT 3 into it."""

PROTOCOL_ERROR: Final = 0x82
"""Its code for a protocol error; paho gives it for whatever it cannot read."""

_REASONS: Final = {
    0x85: "it does not accept our client id; choose another device.id",
    0x86: "it does not accept the user or password; check mqtt.username and mqtt.password_file",
    0x87: "it does not authorize us; check mqtt.username, mqtt.password_file and the broker's access list",
    0x88: "it says that it is unavailable; wait, or look at its log",
    0x89: "it says that it is busy; wait, or look at its log",
    0x8A: "it has banned us; look at its log",
    0x8B: "it is shutting down; start it again",
    0x8E: "another client took our place; give every appliance a device.id of its own",
}
"""Reason codes of CONNACK and DISCONNECT (MQTT 5, sections 3.2.2.2 and 3.14.2.1)."""

_CHECK_TIME: Final = "check this machine's clock, and renew it on the broker"
_CHECK_NAME: Final = "set mqtt.host to a name or address that is in it, or put this one into it"
_CHECK_AUTHORITY: Final = "name the authority that signed it in mqtt.ca_file"
_HOW_TO_TRUST: Final = {
    **dict.fromkeys((9, 10), _CHECK_TIME),
    **dict.fromkeys((18, 19, 20, 21), _CHECK_AUTHORITY),
    **dict.fromkeys((62, 64), _CHECK_NAME),
}
"""What to do about a certificate that is not accepted, by the X509_V_ERR_... of OpenSSL's x509_vfy.h. All others say
how it was made: Python 3.13 and newer want more of it (RFC 5280) than those before."""

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccess:
    """All that is needed to connect; files are read and checked."""

    host: str
    port: int
    keepalive_s: int
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None

    @property
    def address(self) -> str:
        """host:port, for messages."""
        return f"{self.host}:{self.port}"


def read_access(settings: Mqtt) -> BrokerAccess:
    """Read the password and the certificates. Raises ConfigError."""
    if settings.password_file and not settings.username:
        raise ConfigError("mqtt.password_file is set and mqtt.username is empty; name the user, or empty both")
    if settings.key_file and not settings.cert_file:
        raise ConfigError("mqtt.key_file is set and mqtt.cert_file is empty; name the certificate, or empty both")
    if settings.cert_file and not settings.tls:
        raise ConfigError("mqtt.cert_file is set and mqtt.tls is false; set mqtt.tls = true, or empty it")
    return BrokerAccess(
        host=settings.host,
        port=settings.port,
        keepalive_s=settings.keepalive_s,
        username=settings.username or None,
        password=_read_password(Path(settings.password_file)) if settings.password_file else None,
        tls=_tls_context(settings) if settings.tls else None,
    )


def reconnect_pause_s(failures: int, share: float) -> float:
    """Pause before the next attempt, 1..60 s: doubles with each failure, drawn from its upper half.

    `failures`: attempts in a row that failed before this one, from 0. `share`: a random number in 0..1, so that the
    appliances of a house do not come back in step.
    """
    longest_s = min(LONGEST_PAUSE_S, 2.0 ** min(failures + 1, 6))
    return longest_s / 2 * (1.0 + share)


def why_not(error: Exception, address: str) -> str:
    """Why a connection could not be made, and what to do."""
    match error:
        case ssl.SSLCertVerificationError():
            code = getattr(error, "verify_code", 0)
            remedy = _HOW_TO_TRUST.get(code, "check mqtt.ca_file, and see what openssl verify -x509_strict says of it")
            reason = f"its certificate is not accepted ({error}); {remedy}"
        case ssl.SSLError():
            reason = f"no TLS connection ({error}); check that mqtt.port is its port for TLS 1.2 or newer"
        case socket.gaierror():
            reason = "its name cannot be resolved; check mqtt.host and the network"
        case ConnectionRefusedError():
            reason = "nothing listens there; check that it runs, and mqtt.port"
        case ConnectionResetError() | BrokenPipeError():
            reason = "it hung up without an answer; check mqtt.port and mqtt.tls"
        case TimeoutError():
            reason = "it does not answer; check mqtt.host and the network"
        case OSError():
            reason = f"{error.strerror or error}; check mqtt.host and the network"
        case _:
            reason = f"that is no address to connect to ({error}); check mqtt.host"
    return f"broker {address}: {reason}"


def why_refused(code: int, address: str) -> str:
    """Why the broker refused us or sent us away; `code` is a reason code of MQTT 5."""
    reason = _REASONS.get(code, f"it ended the connection with reason 0x{code:02x}; look at its log")
    return f"broker {address}: {reason}"


def why_cut(code: int, address: str, *, was_accepted: bool) -> str:
    """Why a connection ended of which the broker took no leave; `code` is paho's guess."""
    if code == PROTOCOL_ERROR:
        reason = "it speaks neither MQTT 5 nor 3.1.1; check mqtt.port, or use another broker"
    elif was_accepted:
        reason = "the connection broke; check that it runs, the network, and that no other appliance has this device.id"
    else:
        reason = "it hung up without an answer; check mqtt.port and mqtt.tls"
    return f"broker {address}: {reason}"


def _read_password(path: Path) -> str:
    try:
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"mqtt.password_file {path} cannot be read ({reason}); check path and permissions") from None
    if not password:
        raise ConfigError(f"mqtt.password_file {path} is empty; write the password into it, or empty the key")
    _warn_of_readers(path, "mqtt.password_file")
    return password


def _warn_of_readers(path: Path, key: str) -> None:
    """A secret that every user of this machine can read is told."""
    with contextlib.suppress(OSError):  # who needs it says so
        if path.stat().st_mode & stat.S_IROTH:
            _LOGGER.warning("%s %s can be read by every user; run: chmod o-r %s", key, path, path)


def _show_ours(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    """The certificate by which the broker knows us."""
    _warn_of_readers(Path(key_file), "mqtt.key_file" if key_file != cert_file else "mqtt.cert_file")
    try:
        context.load_cert_chain(cert_file, key_file, password="")  # nobody is there to type a pass phrase
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or error
        raise ConfigError(
            f"mqtt.cert_file {cert_file} and key_file {key_file} hold no certificate and its key in PEM, without a "
            f"pass phrase ({reason}); check the paths"
        ) from None


def _tls_context(settings: Mqtt) -> ssl.SSLContext:
    """Certificates and host names are verified; there is no way to turn that off."""
    ca_file = settings.ca_file
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or error
        raise ConfigError(f"mqtt.ca_file {ca_file} holds no certificates in PEM ({reason}); check the path") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert_file:
        _show_ours(context, settings.cert_file, settings.key_file or settings.cert_file)
    return context
