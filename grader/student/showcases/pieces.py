"""What a showcase is made of, taken from the files of its problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace


def taken(paths: Sequence[str], pieces: Mapping[int, Sequence[str]]) -> SimpleNamespace:
    """Each piece by its name, from the file that is given for its problem as 41=PATH."""
    yours = SimpleNamespace()
    for given in paths:
        number, path = given.split("=", 1)
        module: dict = {"__name__": f"problem_{number}", "__file__": path}
        with open(path, encoding="utf-8") as file:
            exec(compile(file.read(), path, "exec", dont_inherit=True), module)
        vars(yours).update({name: module[name] for name in pieces[int(number)]})
    return yours
