"""Runs inside the machine that `tools.check_systemd` boots: installs the package, and asks what the service promises.

Plain Python 3.11 without packages, as root, once; writes a line for each check into /check/report and powers off.
"""

import json
import os
import pwd
import re
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tools.systemd_machine import (
    CHECK,
    CONFIG,
    UNIT,
    VENV,
    is_up,
    journal,
    lines_so_far,
    listens_again,
    run,
    say,
    show,
    started_after,
    until,
)
from tools.systemd_updates import comes_back_from_a_bad_update, updates_itself

CREDENTIAL = "/run/credentials/appliance.service/appliance.mqtt-password"
WYOMING = "appliance-wyoming.service"
SAFE_MODE = Path("/run/appliance-mode")
DROP_IN = Path("/run/systemd/system/appliance.service.d/check.conf")

FAULTS = """\
import signal, threading, time
def hang(number, frame):
    while True:
        time.sleep(1)
def eat():
    eaten = []
    while True:
        eaten.append(b"x" * (16 << 20))
signal.signal(signal.SIGUSR1, hang)
signal.signal(signal.SIGUSR2, lambda number, frame: threading.Thread(target=eat).start())
"""
"""A module for the appliance's environment: SIGUSR1 then hangs the main thread, and no other; SIGUSR2 makes it eat all
memory that it can get."""


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
    assert show("UnitFileState", WYOMING) == "disabled"
    for unit in Path("/lib/systemd/system").glob("appliance*.*"):
        said = run("systemd-analyze", "verify", "--man=no", unit.name.replace("@", "@apply"), check=False)
        complaints = [line for line in said.splitlines() if "/opt/appliance/previous" not in line]  # until an update
        assert not complaints, complaints
    return f"{took:.1f} s, the doctor included"


def hears_acts_and_speaks() -> str:
    """Microphone, wake word (XNNPACK), recognizer (Kaldi) and voice (Piper, ONNX Runtime) under the sandbox."""
    until(lambda: "understands" in journal(), 180, "the recognizer")
    said = say("time", "wake_detected", "intent_recognized", "action_done", "speaking_ended", "turn_finished")
    assert "reason=done" in said.partition("speaking_ended")[2].splitlines()[0], said
    return " ".join(re.findall(r"intent=\S+", said)[:1])


def is_sandboxed() -> str:
    """The rights of the running process."""
    pid = show("MainPID")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert [status[name] for name in ("NoNewPrivs", "Seccomp")] == ["1", "2"], status
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, status
    assert int(status["Uid"].split()[0]) == pwd.getpwnam("appliance").pw_uid
    return exposure()


def hurries_where_it_must() -> str:
    """Real-time priority for the frame loop, which is the main thread, and for capture; less for its workers.

    None for the voice's process, nor for anybody else.

    Where the machine keeps its containers from LimitRTPRIO=, the right to ask comes by a capability instead.
    """
    means = "LimitRTPRIO=20"
    if "not permitted" in run("prlimit", "--rtprio=20:20", "true", check=False):
        means = "CAP_SYS_NICE, since LimitRTPRIO= may not be raised here"
        change("AmbientCapabilities=CAP_SYS_NICE", "CapabilityBoundingSet=CAP_SYS_NICE")
    pid = show("MainPID")
    processes = run("systemctl", "show", "--value", "-p", "ControlGroup", UNIT).strip()
    pids = Path(f"/sys/fs/cgroup{processes}/cgroup.procs").read_text().split()
    threads = [int(task.name) for one in pids for task in Path(f"/proc/{one}/task").iterdir()]
    policies = {thread: (os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority) for thread in threads}
    prompt = [thread for thread, policy in policies.items() if policy == (PROMPT_POLICY, 10)]
    workers = [thread for thread, policy in policies.items() if policy == (PROMPT_POLICY, 5)]
    assert int(pid) in prompt, policies
    assert len(prompt) <= 2, policies
    assert len(workers) == 7, policies
    assert all((Path("/proc") / pid / "task" / str(worker)).exists() for worker in workers), policies
    rest = [policies[thread] for thread in threads if thread not in prompt + workers]
    assert set(rest) == {(os.SCHED_OTHER, 0)}, policies
    change()
    fast = f"{len(prompt)} with SCHED_RR 10, {len(workers)} with 5"
    return f"{fast}, of {len(threads)} threads in {len(pids)} processes (by {means})"


PROMPT_POLICY = os.SCHED_RR | os.SCHED_RESET_ON_FORK


def change(*lines: str) -> None:
    """Other settings for the service until the next change, by a file beside the unit; it runs with them."""
    DROP_IN.unlink(missing_ok=True)
    if lines:
        DROP_IN.parent.mkdir(parents=True, exist_ok=True)
        DROP_IN.write_text("\n".join(["[Service]", *lines, ""]))
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed", UNIT)  # starts by hand count as well
    run("systemctl", "restart", UNIT)


def is_kept_from_eating_all_memory() -> str:
    """MemoryMax: the one that eats goes, and it listens again.

    Where systemd has no memory controller to hold the limit with, as in a container beside cgroups of the old kind, the
    kernel's own is asked to hold it.
    """
    limit = show("MemoryMax")
    assert limit == str(768 << 20), limit
    means, pid, kept = "systemd", show("MainPID"), None
    group = Path("/sys/fs/cgroup", show("ControlGroup").lstrip("/"))
    if not (group / "memory.max").exists():
        means = "the kernel in systemd's place"
        room = Path("/run/memory")
        room.mkdir(exist_ok=True)
        run("mount", "-t", "cgroup", "-o", "memory", "none", str(room))
        kept = room / "check-appliance"
        kept.mkdir(exist_ok=True)
        (kept / "memory.limit_in_bytes").write_text(limit)
        for process in (group / "cgroup.procs").read_text().split():
            (kept / "cgroup.procs").write_text(process)
    before, moment = lines_so_far(), time.monotonic()
    run("systemctl", "kill", "-s", "USR2", "--kill-who=main", UNIT)
    listens_again(pid)
    took = time.monotonic() - moment
    assert "status=9/KILL" in journal(before), journal(before)
    if kept is not None:
        until(lambda: not (kept / "cgroup.procs").read_text(), 30, "the end of all in the group")
        kept.rmdir()
    return f"killed at {int(limit) >> 20} MB (by {means}), listening again after {took:.1f} s"


def serves_home_assistant() -> str:
    """The Wyoming server as a service: it says what it is, is confined, and tells a taken port before it loads."""
    began = time.monotonic()
    run("systemctl", "start", WYOMING)
    took = time.monotonic() - began
    with socket.create_connection(("127.0.0.1", 10_300), 30) as client:
        client.sendall(b'{"type": "describe"}\n')
        said = client.recv(65_536)
        assert said.startswith(b'{"type": "info"'), said
    assert not [name for name in ("appliance", "root") if show("User", WYOMING) == name]
    found = exposure(WYOMING)
    run("systemctl", "stop", WYOMING)
    assert show("Result", WYOMING) == "success"
    with socket.create_server(("127.0.0.1", 10_300)):
        began = time.monotonic()
        failed = run("systemctl", "start", WYOMING, check=False)
        refused = time.monotonic() - began
        assert "failed" in failed, failed
        assert "cannot listen there" in run("journalctl", "-q", "-o", "cat", "-u", WYOMING)
    run("systemctl", "stop", WYOMING)
    return f"READY after {took:.1f} s, a taken port is told after {refused:.1f} s; {found}"


def exposure(unit: str = UNIT) -> str:
    """What systemd says of a running service."""
    return run("systemd-analyze", "--no-pager", "security", unit).strip().splitlines()[-1].lstrip("→ ")


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
    """SIGKILL: listening again within 3 s, but for the time in which others had the processor."""
    moment = time.monotonic()
    run("systemctl", "kill", "-s", "KILL", "--kill-who=main", UNIT)
    took = started_after(moment, 180)
    waited = int(Path(f"/proc/{show('MainPID')}/schedstat").read_text().split()[1]) / 1e9  # its main thread
    said = f"{took:.1f} s, of which it waited for a processor {waited:.1f} s"
    assert took - waited < 3, said
    return said


def is_watched() -> str:
    """A frame loop that hangs while all other threads live: killed, told where, and listening again."""
    run("systemctl", "reset-failed", UNIT)  # starts by hand count as well
    before = lines_so_far()
    moment = time.monotonic()
    run("systemctl", "kill", "-s", "USR1", "--kill-who=main", UNIT)
    took = started_after(moment, 180)
    said = journal(before)
    for word in ("Watchdog timeout", "Fatal Python error: Aborted", "in hang"):
        assert word in said, said
    assert said.count("Scheduled restart job") == 1, said
    assert not SAFE_MODE.exists(), "neither the kill before nor this is a reason for it"
    return f"{took:.1f} s from the hang to listening, with WatchdogSec=10"


def reloads() -> str:
    """SIGHUP: a wrong file is told and changes nothing; a right one is taken over; the process stays."""
    pid, right = show("MainPID"), CONFIG.read_text()
    before = lines_so_far()
    CONFIG.write_text(right.replace("volume = 70", "volume = 700"))
    run("systemctl", "reload", UNIT)
    until(lambda: "the settings stay as they were" in journal(before), 30, "the refusal")
    before = lines_so_far()
    CONFIG.write_text(right.replace("volume = 70", "volume = 30"))
    run("systemctl", "reload", UNIT)
    until(lambda: "volume=30" in journal(before), 30, "the new volume")
    assert show("MainPID") == pid
    return "a wrong file was refused, a right one taken over"


def has_a_safe_mode() -> str:
    """A wrong configuration, and repeated crashes: it hears nonetheless, and says what is wrong."""
    run("systemctl", "reset-failed", UNIT)
    right = CONFIG.read_text()
    CONFIG.write_text(right + "\n[nonsense]\n")
    before = lines_so_far()
    run("systemctl", "restart", UNIT, check=False)
    until(lambda: is_up() and "safe mode" in journal(before), 180, "safe mode")
    assert "nonsense" in run("appliance", "status", check=False)
    CONFIG.write_text(right)
    run("systemctl", "restart", UNIT)
    assert "safe mode" not in run("appliance", "status", check=False)
    run("systemctl", "reset-failed", UNIT)
    before, kills = lines_so_far(), 0
    while "safe mode" not in journal(before):
        assert kills < 10
        kills += 1
        moment = time.monotonic()
        run("systemctl", "kill", "-s", "KILL", "--kill-who=main", UNIT)
        started_after(moment, 180)
    run("systemctl", "restart", UNIT)
    assert not SAFE_MODE.exists()
    return f"after a wrong file, and after {kills} kills"


def stops_cleanly() -> str:
    """SIGTERM."""
    before = lines_so_far()
    began = time.monotonic()
    run("systemctl", "stop", UNIT)
    took = time.monotonic() - began
    assert [show("Result"), show("ExecMainStatus")] == ["success", "0"], run("systemctl", "status", UNIT, check=False)
    assert "SIGKILL" not in journal(before)
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
    hurries_where_it_must,
    has_its_credential,
    reaches_its_broker_only,
    comes_back_after_a_kill,
    is_watched,
    is_kept_from_eating_all_memory,
    reloads,
    has_a_safe_mode,
    serves_home_assistant,
    stops_cleanly,
    updates_itself,
    comes_back_from_a_bad_update,
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
                (site / "check_faults.py").write_text(FAULTS)
                (site / "check_faults.pth").write_text("import check_faults\n")
                run("systemctl", "restart", UNIT, check=False)
    (CHECK / "journal").write_text(run("journalctl", "-q", "-o", "short-monotonic", "--no-pager", check=False))


if __name__ == "__main__":
    try:
        main()
    finally:
        sys.stdout.flush()
        subprocess.run(["systemctl", "--no-block", "poweroff"], check=False)
