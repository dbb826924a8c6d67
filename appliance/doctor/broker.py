"""The broker: is it there, does it let us in, and how long is its certificate good?"""

import os
import socket
import ssl
import time
from typing import Final

from appliance.config import Mqtt
from appliance.doctor.findings import Finding, Level, ok, told, warning, warnings_of
from appliance.doctor.greeting import MQTT_3_1_1, MQTT_5, greet
from appliance.errors import ConfigError
from appliance.mqtt.broker_access import (
    PROTOCOL_ERROR,
    VERSION_REFUSED,
    BrokerAccess,
    read_access,
    why_cut,
    why_not,
    why_refused,
)
from appliance.mqtt.client import DIAL_WAIT_S

EXPIRES_SOON_DAYS: Final = 14

_DAY_S: Final = 86_400

_CREDENTIALS: Final = "/run/credentials/"
"""Where systemd puts what it gives to a service and nobody else."""


def broker(settings: Mqtt, device_id: str, *, now_s: float) -> list[Finding]:
    """Connect as the appliance would, under another client id, and leave again.

    Args:
        settings: the broker's, with the places of its files made absolute.
        device_id: of this appliance.
        now_s: seconds since 1970, to tell how long a certificate is still good.
    """
    if not settings.host:
        return [ok("broker", "none is configured")]
    if settings.password_file.startswith(_CREDENTIALS) and not os.access(settings.password_file, os.R_OK):
        found = f"{settings.host}:{settings.port}: not tried, for only the service may read {settings.password_file}"
        return [warning("broker", found, "see `appliance status`, or try it as root while the service runs")]
    with warnings_of("broker") as findings:
        try:
            access = read_access(settings)
        except ConfigError as error:
            return [*findings, told(Level.PROBLEM, "broker", error)]
    try:
        return findings + _greeted(access, f"voice-{device_id}-doctor", now_s)
    except (OSError, ValueError) as error:
        return [*findings, told(Level.PROBLEM, "broker", why_not(error, access.address))]


def _greeted(access: BrokerAccess, client_id: str, now_s: float) -> list[Finding]:
    """Raises OSError and ValueError, which `why_not` explains."""
    began_s = time.monotonic()
    version = MQTT_5
    code, secured, until_s = _met(access, client_id, version)
    if code == VERSION_REFUSED:
        version = MQTT_3_1_1
        code, secured, until_s = _met(access, client_id, version)
    if code == PROTOCOL_ERROR:
        return [told(Level.PROBLEM, "broker", why_cut(code, access.address, was_accepted=False))]
    if code:
        return [told(Level.PROBLEM, "broker", why_refused(code, access.address))]
    took_ms = (time.monotonic() - began_s) * 1000
    spoken = "MQTT 5" if version == MQTT_5 else "MQTT 3.1.1"
    found = f"{access.address} accepts us: {spoken}, {secured}, {took_ms:.0f} ms"
    return [ok("broker", found), *([] if until_s is None else [_certificate(access.address, until_s, now_s)])]


def _met(access: BrokerAccess, client_id: str, version: int) -> tuple[int, str, float | None]:
    """The broker's answer, how the connection is encrypted, and until when its certificate is good."""
    with _dialled(access) as connection:
        return greet(connection, access, client_id, version), *_security(connection)


def _dialled(access: BrokerAccess) -> socket.socket:
    connection = socket.create_connection((access.host, access.port), timeout=DIAL_WAIT_S)
    if access.tls is None:
        return connection
    try:
        return access.tls.wrap_socket(connection, server_hostname=access.host)
    except (OSError, ValueError):
        connection.close()
        raise


def _security(connection: socket.socket) -> tuple[str, float | None]:
    """How it is encrypted, and until when the broker's certificate is good, in seconds since 1970."""
    if not isinstance(connection, ssl.SSLSocket):
        return "not encrypted", None
    certificate = connection.getpeercert()
    assert certificate, "an unverified one is not accepted"
    return str(connection.version()), ssl.cert_time_to_seconds(str(certificate["notAfter"]))


def _certificate(address: str, until_s: float, now_s: float) -> Finding:
    days = int((until_s - now_s) // _DAY_S)
    found = f"that of broker {address} is good for {days} days"
    if days < EXPIRES_SOON_DAYS:
        return warning("certificate", found, "renew it on the broker, or it will not be accepted any more")
    return ok("certificate", found)
