"""73 · What people get wrong."""

from grader.course import mistake


@mistake
def last_token_of_the_prompt_fed_twice(ref, step, state, prompt, num_tokens):
    """The last token of the prompt is fed in twice."""
    state, _ = step(state, prompt[-1]) if len(prompt) == 1 else _fed(step, state, prompt)
    return ref(step, state, prompt[-1:], num_tokens)


def _fed(step, state, prompt):
    for token in prompt:
        state, logits = step(state, token)
    return state, logits
