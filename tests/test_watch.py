"""watch, in a real pseudo-terminal: a save gives a verdict, keys work, and a pass moves on."""

import shutil
import sys

import pytest

pexpect = pytest.importorskip("pexpect", reason="Windows has no pseudo-terminals", exc_type=ImportError)


@pytest.fixture
def terminal(course):
    opened = []

    def watch(*arguments):
        child = pexpect.spawn(sys.executable, ["-m", "grader", "watch", *arguments], cwd=str(course), dimensions=(50, 90), encoding="utf-8", timeout=120)
        opened.append(child)
        return child

    yield watch
    for child in opened:
        child.close(force=True)


def test_watch_grades_at_each_save_and_moves_on(terminal, course):
    """A save is graded, h shows a hint, l the lesson, a pass goes on to the next problem, and q ends it."""
    folder = course / "problems/31_sdpa"
    child = terminal()
    child.expect("watching problems/31_sdpa/stub.py   h hint   l lesson   r run again   q quit")
    child.send("h")
    child.expect("hint 1 of 4")
    shutil.copy(folder / "attempt.py", folder / "stub.py")
    child.expect("forgot the scale")
    child.expect("watching problems/31_sdpa")
    child.send("r")
    child.expect("forgot the scale")
    child.expect("watching problems/31_sdpa")
    child.send("l")
    child.expect("Why it matters")
    shutil.copy(course / "solutions/31_sdpa/reference.py", folder / "stub.py")
    child.expect("31 · Scaled dot-product attention passed")
    child.expect("on to 32 · Multi-head attention as an NNX module")
    child.expect("watching problems/32_multi_head_attention/stub.py")
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus is not None


def test_ctrl_c_ends_watch_and_its_worker(terminal):
    """Ctrl-C leaves no process behind and no traceback on the screen."""
    import psutil

    child = terminal("31")
    child.expect("watching")
    family = psutil.Process(child.pid).children(recursive=True)
    assert family
    child.sendintr()
    child.expect(pexpect.EOF)
    assert "Traceback" not in child.before
    psutil.wait_procs(family, timeout=30)
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_ctrl_c_while_grading_loses_nothing(course):
    """Ctrl-C during a verdict gives a calm line and exit code 130, and what was known before is known after."""
    (course / "mine.py").write_text("def sdpa(q, k, v):\n    print('under way')\n    while True:\n        pass\n")
    child = pexpect.spawn(sys.executable, ["-m", "grader", "31", "--file", "mine.py"], cwd=str(course), encoding="utf-8", timeout=120)
    child.expect("grading 31")
    child.sendintr()
    child.expect("stopped; what was graded before stays as it was")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
