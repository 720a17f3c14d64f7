"""Grades again at each save, with a worker waiting that has imported JAX already."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from grader.course.problem import CourseError, Problem, discover
from grader.course.verdict import Status
from grader.judge import grade as stages
from grader.process.stub import open_stub
from grader.report import terminal
from grader.student.pages import show_hint, show_lesson
from grader.student.progress import first_unsolved, remember

KEYS = "h hint   l lesson   r run again   q quit"


def watch(root: Path, chosen: Problem | None, console) -> int:
    """Watches one problem, or the first unsolved one and then the next. Returns 0 when it is left."""
    try:
        return asyncio.run(_Watch(root, chosen, console).run())
    except KeyboardInterrupt:
        return 130


class _Watch:
    def __init__(self, root: Path, chosen: Problem | None, console):
        self.root, self.chosen, self.console = root, chosen, console
        self.problem: Problem | None = chosen
        self.workers = []  # that wait: one, and one beside it
        self.keys = _Keys(self._key)
        self.done = asyncio.Event()
        self.again = asyncio.Event()  # to be graded
        self.open = asyncio.Event()  # the lesson is to be opened
        self.grading = False
        self.anew = False  # all of it, whatever has changed

    async def run(self) -> int:
        import watchfiles

        if not self.chosen:
            self.problem = first_unsolved(discover(self.root))
            if self.problem is None:
                self.console.print("every problem here is solved")
                return 0
        with self.keys:
            self.again.set()
            changes = asyncio.create_task(self._follow(watchfiles))
            try:
                while not self.done.is_set():
                    await _first(self.again.wait(), self.open.wait(), self.done.wait())
                    if self.done.is_set():
                        break
                    if self.open.is_set():
                        await self._read()
                        self.open.clear()
                    else:
                        self.again.clear()
                        await asyncio.to_thread(self._grade)
            finally:
                self.done.set()
                changes.cancel()
                for worker in filter(None, self.workers):
                    worker.kill()
        return 0

    async def _follow(self, watchfiles):
        """Sets `again` when the watched stub's content changes; a touch or a backup file of the editor's does not
        count."""
        seen = self._content()
        async for _ in watchfiles.awatch(
            self.root / "problems", stop_event=self.done, debounce=60, step=20, ignore_permission_denied=True
        ):
            content = self._content()
            if content != seen:
                seen = content
                self.again.set()

    def _content(self):
        try:
            return self.problem.stub.read_bytes()
        except OSError:
            return None

    def _grade(self) -> None:
        problem, (worker, beside) = self.problem, self.workers or (None, None)
        self.workers, self.grading = [], True
        spare, self.anew = not self.anew, False
        if self.console.is_terminal:
            self.console.clear()
        self.console.print(f"grading {problem.number} · {problem.title} …", style="dim", markup=False)
        try:
            stub = open_stub(problem)
            verdict = stages.grade(
                problem,
                stub=stub,
                worker=worker,
                beside=beside,
                record=True,
                spare=spare,
                progress=lambda text: self.console.print(text, style="dim"),
            )
            if stub.content:
                remember(problem, stub.content, verdict)
        except CourseError as error:
            verdict = stages.course_fault(problem, error)
        self.grading = False
        terminal.show(verdict, self.console)
        if verdict.status == Status.PASSED and not self.chosen:
            self.problem = first_unsolved(discover(self.root))
            if self.problem is None:
                self.console.print("\nthat was the last one: every problem here is solved")
                self.problem = problem
                self.done.set()
                return
            self.console.print(
                f"\non to {self.problem.number} · {self.problem.title}: "
                f"{self.problem.stub.relative_to(self.root).as_posix()}",
                style="bold",
            )
        self.workers = [stages.start_worker(self.problem), stages.start_beside(self.problem)]
        self._wait()

    def _wait(self) -> None:
        self.console.print(f"\nwatching {self.problem.stub.relative_to(self.root).as_posix()}   {KEYS}", style="dim")

    async def _read(self) -> None:
        """Gives the terminal to the pager until the lesson is closed."""
        with self.keys.aside():
            await asyncio.to_thread(self._show, show_lesson)
        self._wait()

    def _show(self, page: Callable) -> None:
        """Shows the problem's lesson or next hint, or says why not."""
        try:
            page(self.problem, self.console)
        except CourseError as error:
            self._say(str(error))

    def _key(self, key: str) -> None:
        """Does what a key stands for, or says when it will be done."""
        if key in ("q", "c-c", "c-d"):
            if self.grading:
                self._say("leaving after this verdict")
            self.done.set()
        elif key == "h":
            self._show(show_hint)
        elif key == "l":
            if self.grading:
                self._say("the lesson opens after this verdict")
            self.open.set()
        elif key == "r":
            if self.grading:
                self._say("once more after this verdict")
            self.anew = True
            self.again.set()
        elif key.isprintable() and len(key) == 1:
            self._say(f"{key} does nothing here; {KEYS}")

    def _say(self, text: str) -> None:
        self.console.print(text, style="dim", markup=False)


async def _first(*waits) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


class _Keys:
    """Calls back for each key while the block runs; without a terminal there are none."""

    def __init__(self, pressed):
        self.pressed = pressed
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        if not sys.stdin.isatty():
            return
        from prompt_toolkit.input import create_input

        keys = create_input()

        def ready():
            for press in keys.read_keys():
                self.pressed(str(getattr(press.key, "value", press.key)))

        self.stack.enter_context(keys.raw_mode())
        self.stack.enter_context(keys.attach(ready))

    def __exit__(self, *error):
        self.stack.close()

    @contextlib.contextmanager
    def aside(self):
        """Within the block keys and Ctrl-C are another program's."""
        self.stack.close()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            self.__enter__()
