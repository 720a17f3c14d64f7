def generate(step, state, prompt, num_tokens):
    raise NotImplementedError
