def exp_sum(x, y):
    raise NotImplementedError
