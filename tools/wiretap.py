"""Every byte that leaves a network namespace's sockets, as the kernel sees it, and what may not be among them.

The namespace has a loopback, and a way out that leads nowhere: whoever wants to reach another machine sends into it
and is heard. A packet socket takes all of it. `python -m tools.overhear` puts a live appliance there.
"""

import re
import socket
import struct
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import ApplianceError

ETH_P_ALL: Final = 3
ETH_P_IP: Final = 0x0800
ETH_P_IPV6: Final = 0x86DD
SOL_PACKET: Final = 263
PACKET_STATISTICS: Final = 6
PACKET_OUTGOING: Final = 4
"""linux/if_packet.h and if_ether.h. On the loopback a packet is seen twice, once of them as outgoing."""

BUFFER_BYTES: Final = 32 << 20
LARGEST_BYTES: Final = 1 << 18
ENDING_S: Final = 0.2

WAYS: Final = (
    "ip link set lo up",
    "ip link add out type veth peer name nowhere",
    "ip link set dev out addrgenmode none arp off up",
    "ip link set dev nowhere addrgenmode none arp off up",
    "ip address add 192.0.2.1/24 dev out",
    "ip route add default dev out",
    "ip -6 address add 2001:db8::1/64 dev out nodad",
    "ip -6 route add default dev out",
)
"""Addresses for documentation (RFC 5737, RFC 3849); `arp off`: packets go out although nobody answers."""

TCP: Final = "tcp"
UDP: Final = "udp"
OTHER: Final = "other"
_PROTOCOLS: Final = {6: TCP, 17: UDP}
_ICMPV6: Final = 58
"""The kernel's own housekeeping where there is IPv6; no program sends it."""


class Flow(NamedTuple):
    """One direction of a connection."""

    protocol: str
    source: str
    source_port: int
    target: str
    target_port: int


def open_ways() -> None:
    """In a namespace that is as new: a loopback, and a way out. Raises ApplianceError where that is not allowed."""
    for way in WAYS:
        done = subprocess.run(way.split(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise ApplianceError(f"wiretap: {way}: {done.stderr.strip()}")


class Wiretap:
    """Takes what is sent, from `with` to its end."""

    def __init__(self) -> None:
        """Raises OSError where packets may not be seen."""
        self.flows: dict[Flow, bytes] = {}
        """What went each way, in its order."""
        self.missed = 0
        """Packets that the kernel had no room for."""
        self._pieces: dict[Flow, dict[int, bytes]] = defaultdict(dict)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._socket.settimeout(ENDING_S)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="wiretap")

    def __enter__(self) -> "Wiretap":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        counted = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self.missed = struct.unpack("II", counted)[1]
        self._socket.close()
        self.flows = {flow: b"".join(pieces[at] for at in sorted(pieces)) for flow, pieces in self._pieces.items()}

    def _listen(self) -> None:
        while True:
            try:
                packet, (_, kind, direction, *_) = self._socket.recvfrom(LARGEST_BYTES)
            except TimeoutError:
                if self._ending.is_set():
                    return
                continue
            if direction == PACKET_OUTGOING:
                self._take(packet, kind)

    def _take(self, packet: bytes, kind: int) -> None:
        if kind == ETH_P_IP:
            length, protocol = (packet[0] & 15) * 4, packet[9]
            source, target = (socket.inet_ntop(socket.AF_INET, packet[at : at + 4]) for at in (12, 16))
            body = packet[length : int.from_bytes(packet[2:4]) or len(packet)]
        elif kind == ETH_P_IPV6:
            protocol = packet[6]
            source, target = (socket.inet_ntop(socket.AF_INET6, packet[at : at + 16]) for at in (8, 24))
            body = packet[40:]
            if protocol == _ICMPV6 or protocol == 0:  # 0: with an option before it, as the kernel's reports have
                return
        else:
            return
        name = _PROTOCOLS.get(protocol, OTHER)
        ports = struct.unpack("!HH", body[:4]) if name != OTHER else (0, 0)
        pieces = self._pieces[Flow(name, source, ports[0], target, ports[1])]
        if name == TCP:
            at, said = int.from_bytes(body[4:8]), body[(body[12] >> 4) * 4 :]
            if said or at not in pieces:
                pieces[at] = max(pieces.get(at, b""), said, key=len)
        else:
            pieces[len(pieces)] = body[8:] if name == UDP else body


@dataclass(frozen=True, slots=True)
class Rule:
    """What sound would look like."""

    name: str
    pattern: re.Pattern[bytes]


RULES: Final = (
    Rule("bytes that are no text", re.compile(rb"(?:[^\t\n\r -~]|[\t\n\r -~]{1,3}(?=[^\t\n\r -~])){48,}")),
    Rule("base64 or hexadecimal digits", re.compile(rb"[A-Za-z0-9+/=_-]{160,}")),
    Rule("numbers in a row", re.compile(rb"(?:-?\d+(?:\.\d+)?(?:e-?\d+)?[,;\s]\s*){40,}")),
)
"""What an appliance sends is text between heads of a few bytes, and its longest word is a topic. As sound, 48 bytes
would be 1.5 ms, 160 digits 4 ms and 40 numbers 2.5 ms; compressed speech has 40 bytes and more for 20 ms."""


def sounds_in(said: bytes) -> list[str]:
    """What in these bytes may be sound, in any form: a line each."""
    return [
        f"{rule.name}, {match.end() - match.start()} bytes: {match.group()[:40]!r}"
        for rule in RULES
        for match in rule.pattern.finditer(said)
    ]


def mqtt_packets(said: bytes) -> Iterator[bytes]:
    """The packets of one direction of an MQTT connection, each behind its length; what is no MQTT comes as one."""
    at = 0
    while at < len(said):
        length, begin = 0, at + 1
        for place in range(4):
            byte = said[begin] if begin < len(said) else 0
            length |= (byte & 127) << (7 * place)
            begin += 1
            if byte < 128:
                break
        yield said[begin : begin + length]
        at = begin + length


def texts_in(said: bytes, texts: Sequence[str], words: int = 3) -> list[str]:
    """Which pieces of `words` words of these texts stand in the bytes, whatever the case."""
    heard = said.decode("utf-8", errors="replace").lower()
    found = set[str]()
    for text in texts:
        parts = re.findall(r"[\w']+", text.lower())
        pieces = {" ".join(parts[at : at + words]) for at in range(max(1, len(parts) - words + 1))}
        found |= {piece for piece in pieces if piece and piece in heard}
    return sorted(found)


def listeners() -> set[tuple[str, str, int]]:
    """Who waits for others in this namespace: protocol, address, port."""
    found = set[tuple[str, str, int]]()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, port = local.split(":")
            if state == "0A" or name.startswith("udp"):
                found.add((name, address, int(port, 16)))
    return found
