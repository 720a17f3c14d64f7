"""What a problem declares: in `checks.py` its names with their cases, properties and claims, and in `mistakes.py` what
people get wrong.

Inputs are drawn with NumPy alone, so that the process that judges never needs JAX.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.course.claims import Proof
    from grader.course.statistics import Statistic

TRANSFORMS = ("eager", "jit", "vmap", "grad")
CLAIM_KINDS = ("proof", "draws")  # kinds of checks that are about more than one call's values


class Case:
    """One rung of a problem's ladder: a name's meaning in sizes, and the transforms that apply.

    Keyword arguments are those of the entry's `inputs` function; `under` lists the transforms to try, none for a case
    that only a proof is about. `raises` names the exception that the contract asks for. `idle` names what makes no
    difference here, which `verify` tries: an argument or a parameter ("q"), that under one transform ("v under grad"),
    one change of it ("mask: flipped"), or that it is called "again". A case that only a class knows is `like` one that
    students know: what is claimed of that one is claimed of it as well. `driver` names the function of `driver.py`
    that takes the arguments and calls what the student wrote. `drawn` says whether its values are drawn, so that any
    are right whose structure, shape and dtype are: of a case with a key they are, unless it says otherwise.
    """

    def __init__(
        self,
        *,
        under: Sequence[str] = TRANSFORMS,
        raises: str = "",
        idle: Sequence[str] = (),
        like: str = "",
        driver: str = "",
        drawn: bool | None = None,
        **sizes: Any,
    ):
        self.under, self.raises, self.idle, self.like, self.driver, self.drawn = (
            tuple(under),
            raises,
            tuple(idle),
            like,
            driver,
            drawn,
        )
        self.sizes = sizes


@dataclass(frozen=True)
class Key:
    """A typed key of JAX, or an array of them, as its data: `uint32 (..., 2)`."""

    data: Any

    @classmethod
    def drawn(cls, rng, *shape: int) -> Key:
        return cls(rng.integers(1 << 32, size=(*shape, 2), dtype="uint32"))


@dataclass(frozen=True)
class Given:
    """What the problem's `driver.py` defines under a name, as a static argument: a function, or a class of modules."""

    name: str

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class ModuleInputs:
    """What one case of a Module needs: constructor arguments, parameters by path (`"q_proj.kernel"`), call arguments.

    A module that keeps state is called once for each of `steps`, with that many rows of every array, in the way that
    `drive` names (see `run/drive.py`); `by_row` each step is one row, without the axis of rows. `mode` is "train" or
    "eval", for what a module such as `nnx.Dropout` does only in one of them.
    """

    init: Mapping[str, Any]
    params: Mapping[str, Any]
    call: Mapping[str, Any]
    steps: Sequence[int] = ()
    drive: str = "by hand"
    by_row: bool = False
    mode: str = ""


@dataclass(frozen=True)
class Relation:
    """A property that ties several calls together, such as causality, at the sizes of one of the entry's cases: nothing
    tells its calls from that case's. All have inputs of the same shapes, and so outputs.

    `vary(rng, inputs)` yields `(label, changed inputs)`; `broken(arrays, output, label, changed arrays, changed
    output)` is a boolean array that is True where the property does not hold. `rule` is the sentence for the student.
    """

    name: str
    rule: str
    vary: Callable
    broken: Callable
    case: str
    under: Sequence[str] = ("eager", "jit")


@dataclass(frozen=True)
class Part:
    """A part of the work that may be at fault, told by its sentence where no known mistake explains a wrong answer. The
    sentence claims no more than what is seen:

    `needed(inputs, shape)`, a boolean array over a case's output or one boolean for all of it: only values that need
    this part are wrong; or `shown(inputs, expected, came)`, a boolean: in every case that is compared the output, the
    right ones too, is what a fault of this part gives.
    """

    sentence: str
    needed: Callable | None = None
    shown: Callable | None = None


@dataclass(frozen=True)
class Entry:
    """One name that the student writes. `inputs(rng, **sizes)` draws a case's arguments; `cases` go from the simplest
    up."""

    name: str
    inputs: Callable
    cases: Mapping[str, Case]
    relations: Sequence[Relation] = ()
    proofs: Sequence[Proof] = ()
    statistics: Sequence[Statistic] = ()
    # of several that are at fault, the first is told: what shows itself, then what is seldom needed
    parts: Sequence[Part] = ()
    # arguments after the `*` of the stub's signature, from which a Problem fills it
    keyword_only: Sequence[str] = ()
    # arguments that make no difference in any case, such as the size of a block
    idle: Sequence[str] = ()
    given: Sequence[str] = ()  # of a Module: the variables whose initial values the contract gives
    free: Sequence[str] = ()  # of a Module: the variables in which it may keep what it likes, as it likes

    @property
    def claims(self) -> dict[str, Proof]:
        """The claims about its programs by name, also by the one that they have at the sizes of a class."""
        return {name: proof for proof in self.proofs for name in (proof.name, of_class(proof.name))}

    @property
    def frequencies(self) -> dict[str, Statistic]:
        return {statistic.name: statistic for statistic in self.statistics}

    @property
    def properties(self) -> dict[str, Relation]:
        return {name: relation for relation in self.relations for name in (relation.name, of_class(relation.name))}


class Function(Entry):
    """A plain function; `inputs` returns its arguments by name. What is not an array is static under `jit`."""


class Module(Entry):
    """A `flax.nnx.Module`; `inputs` returns ModuleInputs."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give, in one of its forms: what runs, and the sentence that names it. The first
    form has an empty name. Of two that are `about` the same thing nobody makes both at once. `written` is the name of
    its function, where it has another one."""

    name: str
    entry: str | None
    sentence: str
    make: Callable
    form: str = ""
    about: str = ""
    written: str = ""

    @property
    def id(self) -> str:
        return f"{self.written or self.name} {self.form}".rstrip()


def mistake(target=None, *, misconception="", about="", **forms):
    """Marks a function of a `mistakes.py` as a mistake; its docstring is the sentence that the student reads.

    For a Function the mistake is called as `wrong(ref, *arguments)`; for a Module as `wrong(Ref)` and returns a class.
    With several names in a problem, say which one: `@mistake("causal_mask")`. One that people make in several forms has
    a keyword-only argument, whose default is the first of them: `@mistake(number=(-10.0, -1000.0))` for one that is
    written `wrong(Ref, *, number=-100.0)`. Two that nobody can make at once, since both say what the same thing is, are
    `about` that: `@mistake(about="the scale")`. A mistake is called as its function is; where it is one misconception
    with another, in this bank or in another problem's, both have its name: `@mistake("f", misconception="no_mask")`.
    """

    def mark(make, entry=None):
        make.is_mistake_of, make.forms, make.about = entry, forms, about
        make.misconception = misconception or make.__name__
        return make

    return mark(target) if callable(target) else functools.partial(mark, entry=target)


def of_class(name: str) -> str:
    """How a claim or a property is called where it is asked once more."""
    return f"{name}, at sizes of this class"
