"""The process that meets carried programs: traces each anew, measures it, and runs it on the inputs that the trusted
side gives.

It holds no student's Python but the text of the file, from which it takes the lines that messages show, and neither key
nor seed. One process reads the programs of one attempt. It speaks frames of `wire.py`, as the worker does: an order;
then for each program the program and the calls that it is for.
"""

from __future__ import annotations

import functools
import io
import linecache
import sys

RECURSION = 10_000


def main() -> None:
    from grader.process.child import end_with_parent

    end_with_parent()
    serve()


def serve() -> None:
    """Reads one attempt's programs from standard input, and answers on what was standard output."""
    from grader.process import wire

    send = wire.sender()
    requests = sys.stdin.buffer

    from grader.process.child import limit_this_process
    from grader.program.settings import set_up_jax

    set_up_jax()
    from grader.course.calls import Call
    from grader.process.compiling import tell_of_compiling
    from grader.program import lowering, measure, rebuild  # noqa: F401

    order, _ = wire.receive(requests)
    frames = []
    for count in order["programs"]:
        program = wire.receive(requests)
        frames.append((*program, [Call.from_wire(*wire.receive(requests)) for _ in range(count)]))
    sys.setrecursionlimit(RECURSION)
    limit_this_process(order["memory"])
    lines = order["source"].splitlines(keepends=True)
    linecache.cache[order["path"]] = len(order["source"]), None, lines, order["path"]
    tell_of_compiling(lambda: send({"compiling": True}))
    for message, arrays, calls in frames:
        send({"reading": calls[0].id})
        answer(message, arrays, calls, order["path"], send)
    send({"done": True})


def answer(message: dict, arrays: dict, calls: list, path: str, send) -> None:
    """Sends the facts of each proof's call and the outputs of each other one; or why there are none. The program comes
    as the bytes of a frame, which nobody has read before."""
    from grader.process.wire import WireError, receive
    from grader.program.carried import Malformed, NotCarried, quoted

    try:
        program = receive(io.BytesIO(arrays["program"].tobytes()))
        for call, (told, outputs) in proved(*(program or ({}, {})), calls, path):
            send({"call": call.id, **told}, outputs)
    except (Malformed, WireError) as error:
        send({"malformed": str(error)})
    except NotCarried as error:
        send({"lacks": str(error)})
    except Exception as error:  # it compiles, or runs, on no machine
        send({"lacks": f"the program does not run by itself: {quoted(error)}"})


def proved(message: dict, arrays: dict, calls: list, path: str):
    """For each call what is said of it, and the arrays."""
    import jax
    import numpy as np
    from jax.extend.core import jaxpr_as_fun

    from grader.program import measure
    from grader.program.carried import Malformed, is_key
    from grader.program.read import opaque, program
    from grader.program.rebuild import function_of, rebuild

    closed = rebuild(message, arrays, path)
    expected = [(np.shape(value), value.dtype.name) for value in calls[0].inputs]
    if [(aval.shape, str(aval.dtype)) for aval in closed.in_avals] != expected:
        raise Malformed("it takes other inputs than its call")
    outside = opaque(program(closed))
    run = functools.cache(lambda: jax.jit(jaxpr_as_fun(closed)))
    for call in calls:
        interpret = measure.interpretation(call)
        if outside:
            yield (
                call,
                (
                    {"facts": {"opaque": outside}}
                    if call.transform == "proof"
                    else {"unproved": f"`{outside}` leaves the program"},
                    {},
                ),
            )
        elif call.transform != "proof":
            outputs = run()(*map(jax.numpy.asarray, call.inputs))
            yield (
                call,
                (
                    {"keys": [number for number, output in enumerate(outputs) if is_key(output.dtype)]},
                    {
                        str(number): np.asarray(jax.random.key_data(output) if is_key(output.dtype) else output)
                        for number, output in enumerate(outputs)
                    },
                ),
            )
        elif interpret is None:
            yield call, ({"facts": measure.of_program(closed, call, path)}, {})
        else:
            yield (
                call,
                (
                    {
                        "facts": measure.of_kernel(
                            function_of(message, arrays, path, interpret),
                            [*map(jax.numpy.asarray, call.inputs)],
                            call,
                            path,
                        )
                    },
                    {},
                ),
            )


if __name__ == "__main__":
    main()
