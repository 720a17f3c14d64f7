def draw(key, logits, temperature):
    raise NotImplementedError
