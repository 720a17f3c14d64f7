"""The instructors' edition: a page for each problem with its reference explained line by line, each mistake with its
sentence, and the other styles."""

from __future__ import annotations

import ast
import io
import textwrap
import tokenize

from grader.course.problem import Problem, read


def page(problem: Problem) -> str:
    """The page as MyST Markdown."""
    folder = problem.solutions
    reference = _text(folder / "reference.py")
    parts = [
        f"# {problem.number} · {problem.title}: solution",
        f"For instructors. The lesson is [problem {problem.number}](../notebooks/{problem.name}.ipynb).",
        "## The reference",
        *(prose if prose else _code(code) for prose, code in explained(reference)),
        "## The mistakes and their sentences",
    ]
    for name, entry, sentence, code in bank(_text(folder / "mistakes.py")):
        parts += [f"### {name.replace('_', ' ')}" + (f" (`{entry}`)" if entry else ""), sentence, _code(code)]
    parts.append("## Right answers in other styles")
    for path in sorted((folder / "right").glob("*.py")):
        parts.append(f":::{{dropdown}} {path.stem.replace('_', ' ')}\n{_code(_text(path))}\n:::")
    return "\n\n".join(parts) + "\n"


def explained(source: str) -> list[tuple[str, str]]:
    """A file as `(prose, "")` and `("", code)` in turn: comments that have lines of their own are prose."""
    lines = source.splitlines()
    comments = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
    }
    pieces: list[tuple[bool, list[str]]] = []
    for number, line in enumerate(lines, start=1):
        comment = number in comments
        if not pieces or pieces[-1][0] != comment:
            pieces.append((comment, []))
        pieces[-1][1].append(line.strip().lstrip("#").removeprefix(" ") if comment else line)
    return [
        (textwrap.dedent("\n".join(text)), "") if comment else ("", "\n".join(text).strip("\n"))
        for comment, text in pieces
        if "".join(text).strip()
    ]


def bank(source: str) -> list[tuple[str, str, str, str]]:
    """Each mistake's name, the name that it is about (where the problem has several), its sentence, and its code
    without decorator and docstring."""
    found = []
    for node in ast.parse(source).body:
        marks = [mark for mark in getattr(node, "decorator_list", []) if ast.unparse(mark).split("(")[0] == "mistake"]
        if marks:
            entry = ast.literal_eval(marks[0].args[0]) if isinstance(marks[0], ast.Call) and marks[0].args else ""
            lines = ast.get_source_segment(source, node).splitlines()
            head, body = node.lineno, node.body[1:] or node.body
            code = lines[: node.body[0].lineno - head] + lines[body[0].lineno - head :]
            named = {word.arg: word.value for word in getattr(marks[0], "keywords", ())}.get("misconception")
            name = ast.literal_eval(named) if named else node.name
            found.append((name, entry, " ".join((ast.get_docstring(node) or "").split()), "\n".join(code)))
    return found


def _code(text: str) -> str:
    fence = "````" if "```" in text else "```"
    return f"{fence}python\n{text}\n{fence}"


def _text(path) -> str:
    return read(path).decode("utf-8").strip()
