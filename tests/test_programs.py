"""The owner's programs: bounded in time and output, without a shell, and gone when they are over."""

import os
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from appliance.errors import BrokerError, StageError
from appliance.home.effects import KEPT_BYTES, HomeEffects, run_program


def python(code: str, *arguments: str) -> list[str]:
    """A command that runs a line of Python, started fast."""
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


def goes_away(pid: int) -> bool:
    """Whether a process ends within 5 s; one that was killed is still there for a moment."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 5.0)[0])
    finally:
        os.close(handle)


def test_what_it_prints_comes_back() -> None:
    assert run_program(python("print('twenty degrees')")) == "twenty degrees\n"


def test_arguments_reach_it_whole_and_no_shell_sees_them() -> None:
    arguments = ["; rm -rf /", "$(id)", "a b", "*", ""]
    assert run_program(python("import sys; print(sys.argv[1:])", *arguments)) == f"{arguments}\n"


def test_it_runs_in_a_clean_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the daemon")
    code = (
        "import os, sys; print(os.getcwd(), sorted(os.environ), os.getpgid(0) == os.getpid(), sys.stdin.read() == '')"
    )
    printed = run_program(python(code))
    assert printed.startswith("/ ['LANG', ")
    assert "SECRET" not in printed
    assert printed.endswith("'PATH'] True True\n")


def test_a_failure_tells_the_program_its_exit_code_and_the_last_line_of_its_complaint() -> None:
    code = "import sys; sys.stderr.write('first\\nlast \\x1b[31m one\\n\\n'); sys.exit(3)"
    with pytest.raises(StageError) as caught:
        run_program(python(code, "spoken words"))
    assert str(caught.value) == f"{sys.executable}: ended with exit code 3: last [31m one"


def test_a_complaint_is_shortened_and_its_end_kept() -> None:
    with pytest.raises(StageError, match=r"exit code 1: x{200}$"):
        run_program(python("import sys; sys.exit('y' * 100_000 + '\\n' + 'x' * 300)"))


def test_a_failure_without_a_complaint_says_so() -> None:
    with pytest.raises(StageError, match="exit code 7: it gave no reason"):
        run_program(python("raise SystemExit(7)"))


def test_a_crash_is_told_by_its_signal() -> None:
    with pytest.raises(StageError, match=r"ended by signal 9 \(Killed\)"):
        run_program(python("import os; os.kill(os.getpid(), 9)"))


def test_a_missing_program_is_told() -> None:
    with pytest.raises(StageError, match=r"^no-such-program: cannot be started: No such file or directory; give"):
        run_program(["no-such-program"])


def test_a_file_that_may_not_be_run_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("print('never')")
    with pytest.raises(StageError, match="cannot be started: Permission denied"):
        run_program([str(script)])
    script.chmod(0o755)
    with pytest.raises(StageError, match="cannot be started: Exec format error"):
        run_program([str(script)])


def test_a_zero_byte_in_an_argument_is_told() -> None:
    with pytest.raises(StageError, match="cannot be started: embedded null byte"):
        run_program([sys.executable, "\0"])


def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    code = "trap '' TERM; sleep 60 & echo $$ $! > \"$0\"; wait"  # a shell, which has begun long before it is stopped
    with pytest.raises(StageError, match=r"stopped after 0\.5 s"):
        run_program(["/bin/sh", "-c", code, str(note)], timeout_s=0.5)
    pids = [int(line) for line in note.read_text().split()]
    assert len(pids) == 2
    assert all(goes_away(pid) for pid in pids)


def test_one_that_closes_its_output_and_hangs_is_killed() -> None:
    began_s = time.monotonic()
    with pytest.raises(StageError, match="stopped after"):
        run_program(python("import os, time; os.close(1); os.close(2); time.sleep(60)"), timeout_s=0.2)
    assert time.monotonic() - began_s < 5


def test_one_that_closes_its_output_and_works_on_is_awaited() -> None:
    code = "import os, time; os.write(1, b'ready'); os.close(1); os.close(2); time.sleep(0.05); os._exit(4)"
    with pytest.raises(StageError, match="exit code 4"):
        run_program(python(code))


def test_huge_output_neither_blocks_it_nor_is_kept() -> None:
    code = "import os\nfor _ in range(64): os.write(1, b'x' * 65536); os.write(2, b'y' * 65536)"
    assert run_program(python(code)) == "x" * KEPT_BYTES


def test_output_without_end_is_cut_off() -> None:
    with pytest.raises(StageError, match="stopped after"):
        run_program(python("import os\nwhile True: os.write(1, b'x' * 65536)"), timeout_s=0.2)


def test_output_that_is_no_text_does_not_disturb() -> None:
    assert run_program(python("import os; os.write(1, b'\\xff\\x00ok')")) == "\ufffd\0ok"


def test_a_child_that_outlives_it_is_killed_and_not_awaited() -> None:
    code = "import os, time\npid = os.fork()\nif pid: os.write(1, b'%d' % pid); os._exit(0)\ntime.sleep(60)"
    began_s = time.monotonic()
    child = int(run_program(python(code)))
    assert time.monotonic() - began_s < 5
    assert goes_away(child)


def test_a_child_that_left_the_group_is_not_awaited() -> None:
    code = (
        "import os, time\npid = os.fork()\nif pid: os.write(1, b'%d' % pid); os._exit(0)\nos.setsid(); time.sleep(60)"
    )
    began_s = time.monotonic()
    child = int(run_program(python(code)))
    assert time.monotonic() - began_s < 5
    os.kill(child, signal.SIGKILL)


def test_effects_publish_through_the_function_given_in() -> None:
    sent: list[tuple[str, str, int, bool]] = []
    effects = HomeEffects(lambda *message: sent.append(message))
    effects.publish("home/light", "ON", 1, False)
    assert sent == [("home/light", "ON", 1, False)]
    assert effects.run_program(python("print(1)"), 5.0) == "1\n"


def test_effects_pass_on_what_the_broker_says() -> None:
    def refuse(topic: str, payload: str, qos: int, retain: bool) -> None:
        raise BrokerError("localhost:1883: no connection; check mqtt.host")

    with pytest.raises(BrokerError, match="no connection"):
        HomeEffects(refuse).publish("home/light", "ON", 1, False)
