"""The stub that is in a notebook: the cell that begins with `%%grade 31`, or what its cells define of a problem.

A notebook is a lab: between the answer and its imports stand plots, prints, downloads, trials that fail. Joining all
cells would run those, and grade the plots with the answer. So only the statements are taken that bind a name that the
answer needs, as imports, functions, classes and constants do, or that tell the named thing something, as
`f.defvjp(forward, backward)` does, in the order of the notebook, all of one name, since the last one wins when the
cells run from top to bottom.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from grader.course.problem import Problem
from grader.process.stub import same_text

RUNS_PYTHON = ("%%time", "%%timeit", "%%capture", "%%prun", "%%writefile")
SEVERAL = "of {} cells that begin with `%%grade {}` the last one counts"
ELSEWHERE = (
    "the cell that begins with `%%grade {}` is as it came, so what the other cells define counts: write your "
    "answer into that cell"
)
PROSE = "the answer stands in a cell that is not Code, and was read as if it were: change the cell's type to Code"
# in linear time, whatever a cell holds
MAGIC = re.compile(r"^([^\S\n]*+)(?:[%!?]|[\w.]++\?|[\w, ]++=[^\S\n]*+[%!]).*$", re.MULTILINE)


class Notebook(NamedTuple):
    """The texts of a notebook's cells: of those with code, and of all others."""

    code: list[str]
    prose: list[str]


def notebook(content: bytes) -> Notebook | None:
    """None where it is no notebook."""
    try:
        told = json.loads(content)
        sheets = told["worksheets"] if "worksheets" in told else [told]  # of nbformat 3
        found = Notebook([], [])
        for cell in (cell for sheet in sheets for cell in sheet["cells"]):
            (found.code if cell["cell_type"] == "code" else found.prose).append(_text(cell))
        return found
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError):
        return None


def _text(cell: dict) -> str:
    source = cell["source"] if "source" in cell else cell.get("input", "")
    text = source if isinstance(source, str) else "".join(source)
    return text.encode("utf-8", "replace").decode()


def answer(book: Notebook, problem: Problem, shipped: bytes) -> tuple[str, str]:
    """The stub that a notebook holds, and what its student is told of where it was found. Empty where it holds none.

    A touched cell that begins with `%%grade 31` is the stub. Else the other cells may define it, and else a cell that
    was made Markdown by mistake.
    """
    bodies = graded(book.code, problem)
    touched = _touched(bodies, shipped)
    if touched:
        return touched[-1], SEVERAL.format(len(touched), problem.number) if len(touched) > 1 else ""
    others = [cell for cell in book.code if not _magic(cell)]
    if own := defining([*map(_imports, bodies[-1:]), *others], problem):
        return own, ELSEWHERE.format(problem.number) if bodies else ""
    prose = _touched(graded(book.prose, problem), shipped) or [
        defining([cell], problem) for cell in as_code(book.prose)
    ]
    if found := [*filter(None, prose)]:
        return found[-1], PROSE
    return (bodies or [""])[-1], ""


def _touched(bodies: list[str], shipped: bytes) -> list[str]:
    """Those that are not as the course ships them, each once."""
    return [*dict.fromkeys(body for body in bodies if not untouched(body.encode(), shipped))]


def untouched(content: bytes, shipped: bytes) -> bool:
    """Whether it is a stub as the course ships it, but for blanks and comments."""
    one, other = (
        b"\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(b"#"))
        for text in (content, shipped)
    )
    return same_text(one, other)


def _imports(body: str) -> str:
    """What a cell imports, which the cells beside it may count on."""
    tree = parsed(body)
    return (
        "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
        if tree
        else ""
    )


def as_code(prose: list[str]) -> list[str]:
    """The cells of prose that are Python all the same, or one block of it."""
    return [cell for cell in map(_unfenced, prose) if parsed(cell)]


def _unfenced(cell: str) -> str:
    """A cell of prose that is one block of code, without the fence around it."""
    lines = cell.strip().split("\n")
    return (
        "\n".join(lines[1:-1]) if cell.count("```") == 2 and lines[0].startswith("```") and lines[-1] == "```" else cell
    )


def graded(cells: Iterable[str], problem: Problem) -> list[str]:
    """The bodies of the cells that begin with `%%grade 31`. Comments above that line go below it, as the grader's own
    magic has it."""
    return [body for number, body in filter(None, map(_magic, cells)) if number == problem.number]


def _magic(cell: str) -> tuple[int, str] | None:
    """The number and the body of a cell that begins with `%%grade`."""
    lines = cell.split("\n")
    above = next((i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), None)
    found = re.match(r"\s*%%grade\s+['\"]?(\d{1,4})\b", lines[above]) if above is not None else None
    return (int(found[1]), "\n".join([*lines[:above], *lines[above + 1 :]]).rstrip() + "\n") if found else None


def defining(cells: list[str], problem: Problem) -> str:
    """What the cells without such a line say of a problem: the statements that bind its names and what these need.
    Empty where none does."""
    wanted = set(problem.names)
    read = [(cell, parsed(cell)) for cell in map(_python, cells)]
    broken = {cell for cell, tree in read if tree is None and defines(cell.encode(), [problem])}
    statements = [node for _, tree in read if tree is not None for node in tree.body]
    names = {node: _names(node) for node in statements}
    if not broken and not any(wanted & binds for binds, _ in names.values()):
        return ""
    imported = {name for node in statements if isinstance(node, ast.Import | ast.ImportFrom) for name in names[node][0]}
    told = {node: binds | _tells(node) - imported for node, (binds, _) in names.items()}
    needed = _needed(wanted, [(told[node], uses) for node, (_, uses) in names.items()])
    kept = []
    for cell, tree in read:
        lines = cell.split("\n")
        if cell in broken:
            kept.append(cell.strip("\n"))
        elif tree is not None:
            rows = sorted({row for node in tree.body if needed & told[node] for row in _rows(node)})
            kept.append("\n".join(lines[row] for row in rows))
    return "\n\n".join(part for part in kept if part) + "\n"


def _needed(wanted: set[str], bound: list[tuple[set[str], set[str]]]) -> set[str]:
    """The names that are wanted, and those that the statements use which bind these, and so on."""
    uses_of: dict[str, set[str]] = {}
    for binds, uses in bound:
        for name in binds:
            uses_of.setdefault(name, set()).update(uses)
    needed, waiting = set(), [*wanted, "*"]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += uses_of.get(name, ())
    return needed


def defines(content: bytes, problems: Iterable[Problem], parse: bool = True) -> set[int]:
    """The problems of which a text binds a name at its top level; where it cannot or shall not be parsed, those of
    which a line looks as if it did."""
    by_name = {name: problem.number for problem in problems for name in problem.names if name.encode() in content}
    if not by_name:
        return set()
    text = content.decode("utf-8", "replace")
    tree = parsed(text) if parse else None
    if tree is not None:
        return {by_name[name] for node in tree.body for name in _names(node)[0] & by_name.keys()}
    return {
        by_name[found]
        for found in re.findall(r"^(?:async +def|def|class) +(\w+)", text, re.MULTILINE)
        if found in by_name
    }


def _python(cell: str) -> str:
    """A cell without what only IPython reads."""
    first = cell.lstrip().split("\n", 1)[0].split()
    if first and first[0].startswith("%%"):
        body = cell.lstrip().partition("\n")[2]
        cell = body if first[0] in RUNS_PYTHON else ""
    if parsed(cell) is None:
        cell = MAGIC.sub(r"\1pass", cell)
    return cell


def parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """The names that a statement binds at the top level, and those that it uses anywhere. `from x import *` binds `*`:
    it may be any."""
    binds, uses = set(), set()
    for node, inside in _nodes(statement):
        if isinstance(node, ast.Name):
            (binds if not inside and isinstance(node.ctx, ast.Store) else uses).add(node.id)
        elif isinstance(node, ast.alias) and not inside:
            binds.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not inside:
            binds.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store) and not inside:
            binds |= _root(node)
    return binds, uses


def _root(node: ast.expr) -> set[str]:
    """The name that an expression like `a.b[0].c` begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _tells(statement: ast.stmt) -> set[str]:
    """The names whose things a call on a line of its own may change: `f` of `f.defvjp(...)`, and `C` of
    `jax.tree_util.register_pytree_node(C, ...)`."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return set()
    call, asked = statement.value, statement.value.func
    registers = getattr(asked, "attr", getattr(asked, "id", "")).startswith("register")
    return {part.id for part in call.args if registers and isinstance(part, ast.Name)} | (
        _root(asked) if isinstance(asked, ast.Attribute) else set()
    )


def _nodes(statement: ast.stmt) -> Iterator[tuple[ast.AST, bool]]:
    """Every node of a statement, and whether it is within a scope of its own."""
    waiting = [(statement, False)]
    while waiting:
        node, inside = waiting.pop()
        yield node, inside
        scope = isinstance(
            node,
            ast.FunctionDef
            | ast.AsyncFunctionDef
            | ast.ClassDef
            | ast.Lambda
            | ast.ListComp
            | ast.SetComp
            | ast.DictComp
            | ast.GeneratorExp,
        )
        waiting += [(child, inside or scope) for child in ast.iter_child_nodes(node)]


def _rows(node: ast.stmt) -> range:
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    return range(first - 1, node.end_lineno)
