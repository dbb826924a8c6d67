"""The appliance that runs on this machine, if one does."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from appliance.doctor.findings import Finding, Level, ok, problem, told
from appliance.status import Status
from appliance.status_socket import StatusError, ask_daemon


def daemon(sockets: Sequence[Path]) -> list[Finding]:
    """Ask it how it is; `sockets`: where it may listen."""
    if not any(path.exists() for path in sockets):
        return [ok("daemon", "none runs")]
    try:
        status = msgspec.json.decode(ask_daemon(sockets), type=Status)
    except StatusError as error:
        is_forbidden = "you may not ask" in str(error)
        return [told(Level.WARNING if is_forbidden else Level.PROBLEM, "daemon", error)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return [problem("daemon", f"it talks nonsense ({error})", "start it again: systemctl restart appliance")]
    who = f"process {status.pid}, version {status.version}, up for {status.uptime_s} s"
    if status.problems:
        return [told(Level.PROBLEM, "daemon", f"{who}: {what}") for what in status.problems]
    return [ok("daemon", f"{who}, {status.now.state if status.now else 'busy'}")]
