"""A greeting to an MQTT broker, written by hand: CONNECT, the answer, DISCONNECT.

The client of the appliance would publish that it is online and take the place of one that runs.
"""

import socket
from typing import Final

from appliance.mqtt.broker_access import PROTOCOL_ERROR, VERSION_REFUSED, BrokerAccess

MQTT_5: Final = 5
MQTT_3_1_1: Final = 4

_CONNECT, _CONNACK, _DISCONNECT = 0x10, 0x20, b"\xe0\x00"
_CLEAN, _HAS_PASSWORD, _HAS_USER = 0x02, 0x40, 0x80

_OLD_CODES: Final = {1: VERSION_REFUSED, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""Return codes of MQTT 3.1.1 (section 3.2.2.3) as those of MQTT 5."""


def greet(connection: socket.socket, access: BrokerAccess, client_id: str, version: int) -> int:
    """Say who we are; the reason code of MQTT 5 with which the broker accepts (0) or refuses.

    Raises:
        OSError: the broker hung up, or does not answer.
    """
    connection.sendall(_connect(access, client_id, version))
    if _exactly(connection, 1)[0] != _CONNACK:
        return PROTOCOL_ERROR
    _skip_length(connection)
    _, code = _exactly(connection, 2)
    if code == 0:
        connection.sendall(_DISCONNECT)
    return _OLD_CODES.get(code, code)


def _connect(access: BrokerAccess, client_id: str, version: int) -> bytes:
    """MQTT 5, section 3.1; 3.1.1 is the same without properties."""
    flags, payload = _CLEAN, _string(client_id)
    if access.username is not None:
        flags |= _HAS_USER
        payload += _string(access.username)
    if access.password is not None:
        flags |= _HAS_PASSWORD
        payload += _string(access.password)
    no_properties = b"\x00" if version == MQTT_5 else b""
    body = _string("MQTT") + bytes([version, flags]) + access.keepalive_s.to_bytes(2) + no_properties + payload
    return bytes([_CONNECT]) + _as_length(len(body)) + body


def _string(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data


def _as_length(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    low, rest = number % 128, number // 128
    return bytes([low | 0x80]) + _as_length(rest) if rest else bytes([low])


def _skip_length(connection: socket.socket) -> None:
    """Of the rest, which has the reason code in its second byte: at most four bytes, all but the last with bit 7."""
    for _ in range(4):
        if _exactly(connection, 1)[0] < 0x80:
            return


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data
