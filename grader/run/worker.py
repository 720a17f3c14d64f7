"""The process that meets student code: calls come in on standard input, outcomes go out on what was standard output.

It imports JAX before it reads anything, so that a worker can be started early and wait. A student's worker gets one
order; `verify` gives many to one, of the course's own code. Student code finds an empty standard input, and what it
prints goes to standard error, with a marker before each call that tells the parent where a print belongs. It knows
neither the key nor a reference.
"""

from __future__ import annotations

import gc
import os
import sys

MARK = "\x1e"


def main() -> None:
    from grader.process.child import end_with_parent

    end_with_parent()
    serve("flax" in sys.argv)


def serve(flax: bool) -> None:
    """Takes orders from standard input until it ends."""
    from grader.process import wire

    send = wire.sender()
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout.reconfigure(line_buffering=True)

    from grader.process.child import limit_this_process, on_request_tell_where

    on_request_tell_where()

    from grader.process.compiling import tell_of_compiling
    from grader.program.settings import keep_compiled, set_up_jax

    set_up_jax()
    if flax:
        from flax import nnx  # noqa: F401
    import grader.run.evaluate  # noqa: F401

    gc.freeze()  # what was imported stays: nobody has to look through it for tracers, again and again
    limited = False
    while (request := wire.receive(requests)) is not None:
        order = request[0]
        calls = [wire.receive(requests) for _ in range(order["calls"])]
        if not limited:
            keep_compiled(order["cache"], order["writes"])
            limit_this_process(order["memory"])
            tell_of_compiling(lambda: send({"compiling": True}), order["stub"])
            limited = True
        answer(order, calls, send)
        send({"done": True})


def answer(order, frames, send) -> None:
    """Imports the stub, puts it through the calls, and sends what came of it."""
    import numpy as np

    from grader.course.calls import Call
    from grader.process import wire
    from grader.run.evaluate import Evaluation, Exhausted
    from grader.run.failure import failure_of

    def fail(error):
        return failure_of(error, order["stub"])

    def started(stage, *ids):
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # whatever the student put there
                pass
        os.write(2, f"{MARK}{ids[0]}{MARK}".encode())
        send({"started": [stage, ids]})

    if order.get("carry"):
        from grader.program.carried import known_primitives

        known_primitives()  # before the file, which may put something else where they are found
    driver = import_driver(order["driver"]) if order.get("driver") else None
    started("import", -1)
    try:
        module = import_stub(order["stub"], order["source"])
    except BaseException as error:  # sys.exit() at import is an outcome too
        return send({"import failed": fail_to_wire(fail(error))})

    def anew():
        again = import_stub(order["stub"], order["source"])
        sys.modules["stub"] = module
        return lambda entry: getattr(again, entry)

    send({"found": {name: look_at(module, name) for name in order["names"]}})

    def emit(call, outcome):
        message, arrays = outcome.to_wire()
        send({"outcome": call.id, **message}, arrays)

    def carry_out(call, program):
        from grader.program.carried import NotCarried
        from grader.program.carry import carry

        try:
            frame = wire.pack(*carry(program, order["stub"]))
        except NotCarried as error:
            return send({"carried": call.id, "lacks": str(error)})
        except Exception as error:  # no fault of the file, whatever it is
            return send({"carried": call.id, "fault": type(error).__name__})
        # which nobody reads before the prover
        send({"carried": call.id}, {"program": np.frombuffer(frame, np.uint8)})

    try:
        Evaluation(
            lambda entry: getattr(module, entry),
            fail,
            emit,
            started,
            path=order["stub"],
            carry=carry_out if order.get("carry") else None,
            singly=order.get("singly", False),
            driver=driver,
            anew=anew,
        ).run([Call.from_wire(*frame) for frame in frames])
    except Exhausted:
        pass  # the calls without an outcome are told as cut short
    started("end", -2)


def fail_to_wire(failure):
    from grader.course.verdict import Outcome

    return Outcome(failure=failure).to_wire()[0]


def import_stub(path: str, source: str):
    import linecache
    import types

    import jax

    module = types.ModuleType("stub")
    module.__file__ = path
    sys.modules["stub"] = module
    # the file itself need not be there
    linecache.cache[path] = len(source), None, source.splitlines(keepends=True), path
    kept = dict(jax.config.values)
    try:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    finally:
        for name, value in kept.items():  # what a stub sets globally must not decide its verdict
            if jax.config.values[name] != value:
                jax.config.update(name, value)
    return module


def import_driver(source: str):
    """The course's own functions that drive what the student wrote."""
    import types

    module = types.ModuleType("driver")
    sys.modules["driver"] = module  # where dataclasses look for their module
    exec(compile(source, "driver.py", "exec", dont_inherit=True), module.__dict__)
    return module


def look_at(module, name: str):
    """What stands under a name: missing, what it is if it cannot be called, or how it can be called."""
    import inspect

    if name not in vars(module):
        return {"missing": [n for n in vars(module) if isinstance(n, str) and not n.startswith("_")]}
    found = getattr(module, name)
    if not callable(found):
        return {"not callable": type(found).__name__}
    try:
        static = isinstance(inspect.getattr_static(type(found), "__call__", None), staticmethod)
        # of an instance Python leaves out the first argument, which is not `self` here
        signature = inspect.signature(found.__call__ if static else found)
    except BaseException:  # it has none, or it is the student's own and raises
        return {"callable": inspect.isclass(found)}
    parameters = [[p.name, p.kind.name, p.default is not p.empty] for p in signature.parameters.values()]
    return {"callable": inspect.isclass(found), "parameters": parameters}


if __name__ == "__main__":
    main()
