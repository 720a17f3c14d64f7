"""48 · Wrong answers that people really give, each with its sentence."""

from grader.course import mistake


@mistake
def todo_name_it(ref, x):
    """TODO: what is wrong, why people do it, and what to do instead."""
    return ref(2 * x)
