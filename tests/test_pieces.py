"""What a name is made of: an edit elsewhere leaves its piece alone, and whatever could reach it does not."""

import ast
import builtins
import symtable
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.judge.pieces import _defined, _is_idle, _piece, made_of, pieces
from tests.conftest import PROBLEMS

TWO = """
import jax
import jax.numpy as jnp
from flax import nnx

TINY = 1e-9


def scaled(x):
    return x / (TINY + 2)


def one(x):
    return scaled(x)


def other(x):
    return scaled(x) + 1
"""


def same(before: str, after: str, name: str = "other") -> bool:
    """Whether a name has a piece before and after, and the same one."""
    there, here = made_of(before), made_of(after)
    return bool(there.get(name)) and there.get(name) == here.get(name)


@pytest.mark.parametrize(
    "old, new",
    [
        ("return scaled(x)\n", "return scaled(x) * 3\n"),
        ("return scaled(x)\n", "y = scaled(x)\n    return y\n"),
        ("def one(x):", "def one(x, y=None):\n    y = jnp.zeros(3)\n    y.cache = {}"),
        ("def one(x):", "@jax.jit\ndef one(x):"),
        ("def one(x):", "SEEN = []\n\n\ndef one(x):\n    SEEN.append(x)"),
        (
            "def one(x):",
            "class Layer(nnx.Module):\n    def __init__(self):\n        self.x = 1\n\n\ndef one(x=Layer()):",
        ),
    ],
)
def test_an_edit_elsewhere_leaves_a_piece_alone(old, new):
    after = TWO.replace(old, new, 1)
    assert same(TWO, after) and made_of(after)["one"] != made_of(TWO)["one"]


@pytest.mark.parametrize(
    "old, new",
    [
        ("TINY = 1e-9", "TINY = 1e-9  # nearly nothing"),
        ("def one(x):", "if __name__ == '__main__':\n    print(1)\n\n\ndef one(x):"),
        ("def one(x):", "def unused(x):\n    return x\n\n\ndef one(x):"),
        ("import jax\n", '"""An answer."""\n\nimport jax\n'),
    ],
)
def test_what_nothing_follows_from_is_in_no_piece(old, new):
    after = TWO.replace(old, new, 1)
    assert old in TWO and same(TWO, after) and same(TWO, after, "one")


@pytest.mark.parametrize(
    "old, new",
    [
        ("scaled(x) + 1", "scaled(x) + 2"),
        ("TINY + 2", "TINY + 3"),
        ("TINY = 1e-9", "TINY = 1e-8"),
        ("import jax.numpy as jnp", "import numpy as jnp"),
        ("import jax\n", "from __future__ import annotations\nimport jax\n"),
        ("def other(x):", "def scaled(x):\n    return x\n\n\ndef other(x):"),
    ],
)
def test_an_edit_of_what_a_name_is_made_of_changes_its_piece(old, new):
    assert old in TWO and not same(TWO, TWO.replace(old, new, 1))


HOLDING = [
    "SEEN = []\n",
    "SEEN = jnp.zeros(3)\n",
    "SEEN = {}\nALIAS = SEEN\n",
    "class Layer:\n    count = 0\n",
    "def SEEN(x, found=[]):\n    return found\n",
    "@cache\ndef SEEN(x):\n    return x\n",
    "SEEN = partial(scaled, 1)\n",
    "SEEN = lambda x: x\n",
]


@pytest.mark.parametrize("kept", HOLDING)
@pytest.mark.parametrize("between", [False, True], ids=["at once", "through a function"])
def test_what_can_hold_something_belongs_to_all_who_reach_it(kept, between):
    """One name may leave there what another finds: an edit of the one has the other run again, too."""
    held = "ALIAS" if "ALIAS" in kept else "Layer" if "Layer" in kept else "SEEN"
    reached = "get()" if between else held
    shared = f"{kept}\n\ndef get():\n    return {held}\n"
    text = TWO.replace("def one(x):", f"{shared}\n\ndef one(x):\n    {reached}").replace("+ 1", f"+ {reached}")
    assert made_of(text) and not same(text, text.replace("return scaled(x)\n", "return scaled(x) * 3\n"))


@pytest.mark.parametrize(
    "line",
    [
        "jax.config.update('jax_enable_x64', True)",
        "jnp.table = {}",
        "jnp.table[0] = 1",
        "scaled.seen = x",
        "setattr(scaled, 'seen', x)",
        "setattr(jnp, 'seen', x)",
        "setattr(type(x), 'seen', x)",
        "type(x).seen = x",
        "x.__class__.seen = x",
        "global TINY",
        "scaled.__globals__['TINY'] = 1",
        "vars(jnp)['seen'] = x",
        "del jnp.zeros",
        "for jnp.seen in x: pass",
        "import numpy; numpy.seen = x",
        "jax.tree_util.register_pytree_node(int, None, None)",
    ],
)
def test_who_reaches_around_has_no_pieces(line):
    """What one name puts where no name of the file tells, any other may find."""
    assert made_of(TWO) and not made_of(TWO.replace("def one(x):", f"def one(x):\n    {line}"))


NO_DEFINITIONS = [
    "for i in range(3): pass",
    "print(TINY)",
    "one, two = scaled, scaled",
    "try:\n    import einops\nexcept ImportError:\n    pass",
    "from jax.numpy import *",
    "def jnp(): pass",
    "if TINY: TINY = 3",
    "scaled.seen = 1",
    "two = (half := 3) + 1",
    "def two(x, y=(half := 3)): pass",
    "this is not",
]


@pytest.mark.parametrize("statement", NO_DEFINITIONS)
def test_what_is_not_a_definition_has_no_pieces(statement):
    assert not made_of(TWO + statement + "\n")


def test_a_rule_for_the_gradient_belongs_to_its_function():
    """What is said of a name after its definition is part of its piece."""
    text = TWO + "\n\none = jax.custom_vjp(one)\none.defvjp(scaled, scaled)\n"
    after = text.replace("defvjp(scaled, scaled)", "defvjp(one, scaled)")
    assert same(TWO, text) and same(text, after) and not same(text, after, "one")


def test_names_that_a_driver_takes_together_share_their_edits():
    """A driver may come to other names than the one whose case it is, also through a function of its own."""
    driver = (
        "def both(names, x):\n    return helped(names, x)\n\n\n"
        "def helped(names, x):\n    return names.one(x) + 1\n\n\n"
        "def alone(names, x):\n    return names.other(x)\n"
    )

    def found(source: str, function: str) -> str:
        entry = SimpleNamespace(name="other", cases={"a": SimpleNamespace(driver=function)})
        return pieces(SimpleNamespace(driver=driver, names=["one", "other"], entries=[entry]), source)["other"]

    after = TWO.replace("return scaled(x)\n", "return scaled(x) * 3\n")
    assert found(TWO, "both") != found(after, "both")
    assert found(TWO, "alone") == found(after, "alone")
    assert found(TWO, "") == found(after, "")


SOURCES = [
    path
    for problem in PROBLEMS.values()
    for path in (problem.solutions / "reference.py", *sorted((problem.solutions / "right").glob("*.py")))
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parts[-2][:2]}-{path.stem}")
def test_a_piece_is_whole(path: Path):
    """Whatever a definition in a piece names is in the piece, imported, or Python's own. Each answer of the course has
    pieces."""
    source = path.read_text(encoding="utf-8")
    body = [node for node in ast.parse(source).body if not _is_idle(node)]
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    definitions = [node for node in body if node not in imports]
    defined = [_defined(node) for node in definitions]
    assert made_of(source)
    for name in defined:
        piece = [*imports, *(definitions[at] for at in sorted(_piece(name, definitions, defined)))]
        table = symtable.symtable("\n".join(map(ast.unparse, piece)), path.name, "exec")
        bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
        assert _globals(table) <= bound | {*dir(builtins)}, name


def _globals(table: symtable.SymbolTable) -> set[str]:
    found = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()}
    return found.union(*map(_globals, table.get_children()))
