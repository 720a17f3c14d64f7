"""71 · What people get wrong."""

from grader.course import mistake


@mistake
def nesterov_forgotten(ref, state, gradients, settings, names):
    """The step looks ahead only where `nesterov` is set, and here it never does."""
    state, _ = ref(state, gradients, settings, names)
    return state, [state.mean[name] for name in names]


@mistake
def count_not_raised(ref, state, gradients, settings, names):
    """The count is as it was: it has to go up by one."""
    new, step = ref(state, gradients, settings, names)
    return new._replace(count=state.count), step


@mistake
def tuple_of_steps(ref, state, gradients, settings, names):
    """The steps are a list, in the order of the names; here they are a tuple."""
    state, step = ref(state, gradients, settings, names)
    return state, tuple(step)
