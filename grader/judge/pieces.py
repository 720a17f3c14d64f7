"""What each name of a file is made of, told from the file alone: who edits one name need not wait for the others.

Two files in which a name has the same piece give the same answers under it. Functions and constants may be shared by
several pieces, since a call leaves nothing in them. Whatever can hold something (an array, a list, a class, a function
with a decorator or with such a default) is one piece with all that it can be reached from. A file that could reach
around this has no pieces.
"""

from __future__ import annotations

import ast
import hashlib
import symtable
from collections.abc import Iterator

from grader.course.problem import Problem

# names by which a file changes what it only imports, or comes to a definition without its name
AROUND = {"config", "delattr", "vars", "locals", "seterr", "seterrcall", "attrgetter", "methodcaller"}
OF_METHODS = {"__init__", "__call__", "__name__"}  # of what begins so, what a file may ask of an object
# what the value of a constant is made of
CONSTANT = (ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.Subscript, ast.BinOp, ast.UnaryOp)
CONSTANT += (ast.operator, ast.unaryop, ast.expr_context)
IMPORT = (ast.Import, ast.ImportFrom)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def pieces(problem: Problem, source: str) -> dict[str, str]:
    """A digest, for each of the problem's names, of what a file makes it of, and of what it makes the names of that are
    driven together with it. It has none where that cannot be told."""
    made = made_of(source)
    found = {}
    for entry in problem.entries:
        together = {entry.name, *_driven(problem, {case.driver for case in entry.cases.values() if case.driver})}
        if together <= {*made}:
            found[entry.name] = hashlib.sha256("".join(made[name] for name in sorted(together)).encode()).hexdigest()
    return found


def _driven(problem: Problem, functions: set[str]) -> set[str]:
    """The problem's names that functions of its driver may come to."""
    if not functions:
        return set()
    body = ast.parse(problem.driver).body
    named = {node.name: {*_words(node)} for node in body if isinstance(node, (*FUNCTION, ast.ClassDef))}
    reached, left = {*functions}, [*functions]
    while left:
        more = named.get(left.pop(), set()) - reached
        reached |= more
        left += more
    return reached & {*problem.names}


def _words(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        for field in ("id", "attr", "value"):
            if isinstance(word := getattr(inner, field, None), str):
                yield word


def made_of(source: str) -> dict[str, str]:
    """A digest of the piece of each name that a file defines; none where that cannot be told."""
    try:
        body = [node for node in ast.parse(source).body if not _is_idle(node)]
        imports = [node for node in body if isinstance(node, IMPORT)]
        definitions = [node for node in body if node not in imports]
        defined = [_defined(node) for node in definitions]
        imported = _imported(body)
        if {None, *imported} & {*defined} or not _bound(body) <= {*imported, *defined}:
            return {}
        if _reaches_around(body, {*imported, *defined}):
            return {}
        return {
            name: _digest([*imports, *(definitions[at] for at in sorted(_piece(name, definitions, defined)))])
            for name in defined
        }
    except UNREADABLE:
        return {}


def _is_idle(node: ast.stmt) -> bool:
    """Whether nothing follows from it where the file is imported: a docstring, and what runs only as a script."""
    if isinstance(node, ast.If) and not node.orelse:
        return ast.unparse(node.test) in ("__name__ == '__main__'", "TYPE_CHECKING", "typing.TYPE_CHECKING")
    return isinstance(node, ast.Pass) or isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _defined(node: ast.stmt) -> str | None:
    """The one name that a statement defines."""
    if isinstance(node, (*FUNCTION, ast.ClassDef)):
        return node.name
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        return _root(node.value.func)  # as in `attend.defvjp(forward, backward)`
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


def _bound(body: list[ast.stmt]) -> set[str]:
    """Every name that the file has once it is imported: an expression may bind one, too."""
    found = symtable.symtable(ast.unparse(ast.Module(body, [])), "", "exec").get_symbols()
    return {symbol.get_name() for symbol in found if symbol.is_assigned() or symbol.is_imported()}


def _imported(body: list[ast.stmt]) -> set[str]:
    imports = [node for statement in body for node in ast.walk(statement) if isinstance(node, IMPORT)]
    return {alias.asname or alias.name.split(".")[0] for node in imports for alias in node.names}


def _reaches_around(body: list[ast.stmt], shared: set[str]) -> bool:
    """Whether anything puts something away where its name does not tell: in what is imported or defined at the top, in
    a name of the file from within a function, or in what a call gives."""
    for node in (inner for statement in body for inner in ast.walk(statement)):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in AROUND or name.startswith("register") or isinstance(node, ast.Global):
            return True
        if isinstance(node, ast.Attribute) and name.startswith("__") and name not in OF_METHODS:
            return True
        if isinstance(node, ast.ImportFrom) and any(alias.name in ("*", *AROUND) for alias in node.names):
            return True
        stored = isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load)
        if isinstance(node, ast.Call) and _root(node.func) == "setattr" and node.args:
            node, stored = node.args[0], True
        if stored and (_root(node) is None or _root(node) in shared):
            return True
    return False


def _root(node: ast.expr) -> str | None:
    """The name at which a chain of attributes and items begins."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _piece(name: str, definitions: list[ast.stmt], defined: list[str]) -> set[int]:
    """Where the definitions of a name's piece stand: all that it names, all that those name, and so on, and where
    something among them can hold something, all that name that, and so on."""
    uses = [_names_in(node) & {*defined} for node in definitions]
    holding = {at for at, node in enumerate(definitions) if _can_hold(node, {*defined})}
    named = [{at for at, one in enumerate(defined) if one in found} for found in uses]
    naming = [{at for at, found in enumerate(named) if place in found} for place in range(len(definitions))]
    own = {at for at, one in enumerate(defined) if one == name}
    while True:
        below = _reached(own, named)
        piece = below | _reached(below & holding, naming)
        if piece == own:
            return piece
        own = piece


def _reached(places: set[int], edges: list[set[int]]) -> set[int]:
    reached, left = set(places), [*places]
    while left:
        more = edges[left.pop()] - reached
        reached |= more
        left += more
    return reached


def _names_in(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _can_hold(node: ast.stmt, defined: set[str]) -> bool:
    """Whether a later call could find in it what an earlier one left there."""
    if isinstance(node, FUNCTION):
        defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        return bool(node.decorator_list) or not all(_is_constant(default, defined) for default in defaults)
    constant = isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value and _is_constant(node.value, defined)
    return not constant


def _is_constant(value: ast.expr, defined: set[str]) -> bool:
    return all(isinstance(inner, CONSTANT) for inner in ast.walk(value)) and not _names_in(value) & defined


def _digest(nodes: list[ast.stmt]) -> str:
    return hashlib.sha256("\n".join(map(ast.dump, nodes)).encode()).hexdigest()[:16]
