"""watch, in a real pseudo-terminal: a save gives a verdict, keys work, and a pass moves on."""

import shutil
import sys

import pytest

pytestmark = pytest.mark.thorough

popen_spawn = pytest.importorskip("pexpect.popen_spawn")
pytest.importorskip("pty", reason="Windows has no pseudo-terminals")

# Opens the pseudo-terminal in a process of its own: forking this one, which may have imported JAX, is not safe.
IN_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@pytest.fixture
def terminal(course):
    """Runs a command of the grader in a pseudo-terminal, in a copy of the course."""
    opened = []

    def started(*arguments, **variables):
        import os

        command = [sys.executable, "-c", IN_A_TERMINAL, sys.executable, "-m", "grader", *arguments]
        surroundings = (
            {name: value for name, value in os.environ.items() if name not in ("PAGER", "MANPAGER", "LESS")}
            | dict(COLUMNS="80", LINES="24", TERM="xterm")
            | variables
        )
        child = popen_spawn.PopenSpawn(command, cwd=str(course), env=surroundings, encoding="utf-8", timeout=120)
        opened.append(child)
        return child

    yield started
    for child in opened:
        child.proc.kill()
        child.proc.wait()
        child.proc.stdin.close()
        child.proc.stdout.close()


def test_watch_grades_at_each_save_and_moves_on(terminal, course):
    """What it does is said at once: a save is graded, h shows a hint, l opens the lesson at its beginning, another key
    does nothing, a pass goes on to the next problem, and q ends it."""
    folder = course / "problems/31_sdpa"
    child = terminal("watch", PAGER="less")
    child.expect("grading 31 · Scaled dot-product attention …")
    child.expect("watching problems/31_sdpa/stub.py   h hint   l lesson   r run again   q quit")
    child.send("h")
    child.expect("hint 1 of 4")
    shutil.copy(folder / "attempt.py", folder / "stub.py")
    child.expect("grading 31")
    child.expect("forgot the scale")
    child.expect("watching problems/31_sdpa")
    child.send("x")
    child.expect("x does nothing here; h hint   l lesson")
    child.send("r")
    child.expect("grading 31")
    child.expect("forgot the scale")
    child.expect("watching problems/31_sdpa")
    child.send("l")
    child.expect("31 · Scaled dot-product attention")
    child.expect("Why it matters")
    child.send("q")
    child.expect("watching problems/31_sdpa")
    assert "The formula" in child.before and "Pitfalls" not in child.before
    shutil.copy(course / "solutions/31_sdpa/reference.py", folder / "stub.py")
    child.expect("31 · Scaled dot-product attention passed")
    child.expect("on to 32 · Multi-head attention as an NNX module")
    child.expect("watching problems/32_multi_head_attention/stub.py")
    child.send("q")
    child.expect(popen_spawn.EOF)
    assert child.wait() == 0


def test_watch_spares_what_an_edit_does_not_reach_until_r_is_pressed(terminal, course):
    """A save runs the names again that changed, and says which it did not run; `r` runs everything."""
    stub = course / "problems/33_causal_mask/stub.py"
    right = (course / "solutions/33_causal_mask/reference.py").read_text()
    own = "mask = jnp.tri(*scores.shape, scores.shape[1] - scores.shape[0], dtype=bool)"
    apart = right.replace("mask = causal_mask(q.shape[0], k.shape[0])", own)
    stub.write_text(apart.replace("<= jnp", "< jnp"))
    child = terminal("watch", "33")
    child.expect("watching")
    assert "causal_mask" in child.before and "not run again" not in child.before
    stub.write_text(apart)
    child.expect("As when it last passed, and not run again: causal_sdpa")
    child.expect("watching")
    child.send("r")
    child.expect("33 · The causal mask passed")
    child.expect("watching")
    assert "not run again" not in child.before
    child.send("q")
    child.expect(popen_spawn.EOF)


@pytest.mark.parametrize("pager", ["less", "cat"])
def test_a_lesson_is_opened_at_its_beginning_without_raw_escapes(terminal, pager):
    """less shows colours, whatever its own settings are; another pager gets plain text."""
    child = terminal("lesson", "31", PAGER=pager, LESS="-i")
    child.expect("31 · Scaled dot-product attention")
    first = child.before
    if pager == "less":
        child.expect("three steps:")
        assert (
            "ESC[" not in first + child.before and "Pitfalls" not in child.before and "\x1b[1" in first + child.before
        )
        child.send("q")
    child.expect(popen_spawn.EOF)
    assert pager == "less" or "\x1b[" not in first + child.before and "Further reading" in child.before


def test_ctrl_c_ends_watch_and_its_worker(terminal):
    """Ctrl-C leaves no process behind and no traceback on the screen."""
    import psutil

    child = terminal("watch", "31")
    child.expect("watching")
    watcher = psutil.Process(child.pid).children()[0]
    family = [watcher, *watcher.children(recursive=True)]
    assert len(family) > 1
    child.send("\x03")
    child.expect(popen_spawn.EOF)
    assert "Traceback" not in child.before
    psutil.wait_procs(family, timeout=30)
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_ctrl_c_while_grading_loses_nothing(terminal, course):
    """Ctrl-C during a verdict gives a calm line and exit code 130, and no traceback."""
    (course / "mine.py").write_text("def sdpa(q, k, v):\n    while True:\n        pass\n")
    child = terminal("31", "--file", "mine.py")
    child.expect("grading 31")
    child.send("\x03")
    child.expect("stopped; what was graded before stays as it was")
    child.expect(popen_spawn.EOF)
    assert "Traceback" not in child.before
    assert child.wait() == 130
