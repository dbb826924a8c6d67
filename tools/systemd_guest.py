"""Runs inside the machine that `tools.check_systemd` boots: installs the package, and asks what the service promises.

Plain Python 3.11 without packages, as root, once; writes a line for each check into /check/report and powers off.
"""

import json
import os
import pwd
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

CHECK = Path("/check")
UNIT = "appliance.service"
CONFIG = Path("/etc/appliance/appliance.toml")
CREDENTIAL = "/run/credentials/appliance.service/appliance.mqtt-password"
VENV = "/opt/appliance/current/.venv/bin/python"

HANG = """\
import signal, time
def hang(number, frame):
    while True:
        time.sleep(1)
signal.signal(signal.SIGUSR1, hang)
"""
"""A module for the appliance's environment: SIGUSR1 then hangs the main thread, and no other."""


def run(*command: str, check: bool = True) -> str:
    """What a command says. Raises RuntimeError."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def show(name: str, unit: str = UNIT) -> str:
    """A property of the service."""
    return run("systemctl", "show", "--value", "-p", name, unit).strip()


def journal(since: str = "") -> str:
    """What it logged, of the present boot or since a cursor."""
    return run("journalctl", "-q", "-o", "cat", "-u", UNIT, *([f"--after-cursor={since}"] if since else []))


def cursor() -> str:
    """Where the journal ends now."""
    return run("journalctl", "-q", "-n", "0", "--show-cursor").partition("cursor: ")[2].strip()


def until(what: Callable[[], object], seconds: float, why: str) -> float:
    """Wait; seconds that it took. Raises RuntimeError."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise RuntimeError(f"not within {seconds:.0f} s: {why}\n{run('systemctl', 'status', UNIT, check=False)}")
        time.sleep(0.05)
    return time.monotonic() - began


def is_up() -> bool:
    """It said READY."""
    return show("ActiveState") == "active"


def started_after(moment: float, limit_s: float) -> float:
    """Seconds from a moment of the monotonic clock to the next READY."""

    def ready_s() -> float:
        return int(show("ActiveEnterTimestampMonotonic") or 0) / 1e6

    until(lambda: is_up() and ready_s() > moment, limit_s, "a new start")
    return ready_s() - moment


def installs_and_starts() -> str:
    """dpkg -i: user, owner's files, service, READY; the doctor has no problem with what was installed."""
    began = time.monotonic()
    said = run("dpkg", "-i", str(next(CHECK.glob("*.deb"))))
    (CHECK / "dpkg.log").write_text(said)
    took = time.monotonic() - began
    until(is_up, 180, "READY")
    assert pwd.getpwnam("appliance").pw_shell.endswith("nologin")
    assert CONFIG.is_file()
    assert Path("/etc/appliance/home.yaml").is_file()
    assert show("UnitFileState") == "enabled"
    return f"{took:.1f} s, the doctor included"


def hears_acts_and_speaks() -> str:
    """Microphone, wake word (XNNPACK), recognizer (Kaldi) and voice (Piper, ONNX Runtime) under the sandbox."""
    since = cursor()
    (CHECK / "speak").touch()
    wanted = ("wake_detected", "intent_recognized", "action_done", "speaking_ended", "turn_finished")
    try:
        until(lambda: all(word in journal(since) for word in wanted), 120, "a whole turn")
    except RuntimeError as error:
        raise RuntimeError(f"{error}\n{journal(since)}") from None
    said = journal(since)
    assert "reason=done" in said.partition("speaking_ended")[2].splitlines()[0], said
    return " ".join(re.findall(r"intent=\S+", said)[:1])


def is_sandboxed() -> str:
    """The rights of the running process, and its threads' priorities."""
    pid = show("MainPID")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert [status[name] for name in ("NoNewPrivs", "Seccomp")] == ["1", "2"], status
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, status
    assert int(status["Uid"].split()[0]) == pwd.getpwnam("appliance").pw_uid
    threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    fast = {thread for thread in threads if os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR}
    if int(pid) not in fast:  # a machine may keep its containers from it
        assert "not permitted" in run("prlimit", "--rtprio=20:20", "true", check=False)
    assert len(fast) <= 2, fast  # frame loop and capture
    return f"{len(fast)} of {len(threads)} threads have real-time priority; {exposure()}"


def exposure() -> str:
    """What systemd says of the running service."""
    return run("systemd-analyze", "--no-pager", "security", UNIT).strip().splitlines()[-1].lstrip("→ ")


def has_its_credential() -> str:
    """The password is there for the service, and for nobody else."""
    secret = Path("/etc/credstore/appliance.mqtt-password")
    secret.write_text("canary-4711\n")
    secret.chmod(0o600)
    CONFIG.write_text(
        CONFIG.read_text()
        .replace('host = ""', 'host = "127.0.0.9"')
        .replace('username = ""', 'username = "kitchen"')
        .replace('password_file = ""', f'password_file = "{CREDENTIAL}"')
    )
    before = time.monotonic()
    run("systemctl", "restart", UNIT)
    took = time.monotonic() - before
    until(is_up, 180, "READY")
    read = run("nsenter", "-t", show("MainPID"), "-m", "cat", CREDENTIAL)
    assert read == "canary-4711\n", read
    others = run("runuser", "-u", "nobody", "--", "cat", CREDENTIAL, check=False)
    assert "Permission denied" in others or "No such file" in others, others
    environment = Path(f"/proc/{show('MainPID')}/environ").read_bytes()
    assert b"canary" not in environment
    assert "canary" not in journal()
    return f"restart by command to READY: {took:.1f} s"


def reaches_its_broker_only() -> str:
    """The addresses that it may reach; whether the kernel here keeps to that is told."""
    allowed = show("IPAddressAllow")
    assert allowed == "127.0.0.9/32", allowed
    assert show("IPAddressDeny") == "::/0 0.0.0.0/0" or "0.0.0.0/0" in show("IPAddressDeny")
    verdicts = []
    for address in ("127.0.0.9", "127.0.0.8"):
        program = f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('{address}', 9))"
        limits = ("-p", "IPAddressDeny=any", "-p", "IPAddressAllow=127.0.0.9")
        said = run("systemd-run", "-q", "--wait", "--pipe", *limits, VENV, "-c", program, check=False)
        verdicts.append("refused" if "not permitted" in said else "sent")
    return f"to the broker {verdicts[0]}, to another address {verdicts[1]}"


def comes_back_after_a_kill() -> str:
    """SIGKILL: listening again."""
    moment = time.monotonic()
    run("systemctl", "kill", "-s", "KILL", "--kill-who=main", UNIT)
    took = started_after(moment, 180)
    cpu = Path(f"/proc/{show('MainPID')}/stat").read_text().rpartition(")")[2].split()
    return f"{took:.1f} s, {(int(cpu[11]) + int(cpu[12])) / os.sysconf('SC_CLK_TCK'):.1f} s of processor time"


def is_watched() -> str:
    """A frame loop that hangs while all other threads live: killed, told where, and listening again."""
    run("systemctl", "reset-failed", UNIT)  # starts by hand count as well
    since = cursor()
    moment = time.monotonic()
    run("systemctl", "kill", "-s", "USR1", "--kill-who=main", UNIT)
    took = started_after(moment, 180)
    said = journal(since)
    for word in ("Watchdog timeout", "Fatal Python error: Aborted", "in hang"):
        assert word in said, said
    assert show("NRestarts") == "1"
    return f"{took:.1f} s from the hang to listening, with WatchdogSec=10"


def reloads() -> str:
    """SIGHUP: a wrong file is told and changes nothing; a right one is taken over; the process stays."""
    pid, right = show("MainPID"), CONFIG.read_text()
    since = cursor()
    CONFIG.write_text(right.replace("volume = 70", "volume = 700"))
    run("systemctl", "reload", UNIT)
    until(lambda: "the settings stay as they were" in journal(since), 30, "the refusal")
    since = cursor()
    CONFIG.write_text(right.replace("volume = 70", "volume = 30"))
    run("systemctl", "reload", UNIT)
    until(lambda: "volume=30" in journal(since), 30, "the new volume")
    assert show("MainPID") == pid
    return "a wrong file was refused, a right one taken over"


def has_a_safe_mode() -> str:
    """A wrong configuration, and repeated crashes: it hears nonetheless, and says what is wrong."""
    run("systemctl", "reset-failed", UNIT)
    right = CONFIG.read_text()
    CONFIG.write_text(right + "\n[nonsense]\n")
    since = cursor()
    run("systemctl", "restart", UNIT, check=False)
    until(lambda: is_up() and "safe mode" in journal(since), 180, "safe mode")
    assert "nonsense" in run("appliance", "status", check=False)
    CONFIG.write_text(right)
    run("systemctl", "restart", UNIT)
    assert "safe mode" not in run("appliance", "status", check=False)
    run("systemctl", "reset-failed", UNIT)
    since, kills = cursor(), 0
    while "safe mode" not in journal(since):
        assert kills < 10
        kills += 1
        moment = time.monotonic()
        run("systemctl", "kill", "-s", "KILL", "--kill-who=main", UNIT)
        started_after(moment, 180)
    run("systemctl", "restart", UNIT)
    assert not Path("/run/appliance-mode").exists()
    return f"after a wrong file, and after {kills} kills"


def stops_cleanly() -> str:
    """SIGTERM."""
    since = cursor()
    began = time.monotonic()
    run("systemctl", "stop", UNIT)
    took = time.monotonic() - began
    assert [show("Result"), show("ExecMainStatus")] == ["success", "0"], run("systemctl", "status", UNIT, check=False)
    assert "SIGKILL" not in journal(since)
    assert took < 5, took
    run("systemctl", "start", UNIT)
    return f"{took:.1f} s"


def upgrades() -> str:
    """The same package once more: the owner's files and memory stay, the service runs anew."""
    before, pid = CONFIG.read_text(), show("MainPID")
    own = Path("/opt/appliance/current/models/my-word")
    own.mkdir()
    run("dpkg", "-i", str(next(CHECK.glob("*.deb"))))
    until(lambda: is_up() and show("MainPID") != pid, 180, "the new version")
    assert CONFIG.read_text() == before
    assert own.is_dir()
    return "configuration and own models stayed"


def goes_without_a_trace() -> str:
    """Removed, the owner's files stay; purged, nothing does."""
    run("dpkg", "-r", "appliance")
    assert CONFIG.is_file()
    assert show("LoadState") == "not-found"
    run("dpkg", "-P", "appliance")
    left = run("find", "/", "-xdev", "-name", "*appliance*", "-not", "-path", "/check/*", "-not", "-path", "/proc/*")
    left = "\n".join(line for line in left.splitlines() if not line.startswith(("/sys/", "/var/lib/dpkg/info/")))
    assert not left, left
    assert "appliance" not in Path("/etc/passwd").read_text()
    return "nothing is left"


CHECKS = (
    installs_and_starts,
    hears_acts_and_speaks,
    is_sandboxed,
    has_its_credential,
    reaches_its_broker_only,
    comes_back_after_a_kill,
    is_watched,
    reloads,
    has_a_safe_mode,
    stops_cleanly,
    upgrades,
    goes_without_a_trace,
)


def main() -> None:
    """Every check, in this order; a report line each."""
    with (CHECK / "report").open("w", encoding="utf-8") as report:
        for check in CHECKS:
            try:
                said, good = check(), True
            except Exception:
                said, good = traceback.format_exc(), False
            print(json.dumps({"check": check.__name__, "good": good, "said": said}), file=report, flush=True)
            if check is installs_and_starts:
                if not good:
                    break
                site = next(Path("/opt/appliance/current/.venv/lib").glob("python*/site-packages"))
                (site / "check_hang.py").write_text(HANG)
                (site / "check_hang.pth").write_text("import check_hang\n")
                run("systemctl", "restart", UNIT, check=False)
    (CHECK / "journal").write_text(run("journalctl", "-q", "-o", "short-monotonic", "--no-pager", check=False))


if __name__ == "__main__":
    try:
        main()
    finally:
        sys.stdout.flush()
        subprocess.run(["systemctl", "--no-block", "poweroff"], check=False)
