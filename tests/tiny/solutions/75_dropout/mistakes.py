"""75 · What people get wrong."""

from grader.course import mistake


@mistake
def always_deterministic(Ref):
    """Nothing is ever dropped: `deterministic` is set for good, where `train()` and `eval()` should set it."""

    class Dropped(Ref):
        def __call__(self, x):
            return self.linear(x)

    return Dropped


@mistake
def dropped_in_eval(Ref):
    """Values are dropped in eval too: dropout is for training only."""

    class Dropped(Ref):
        def __call__(self, x):
            return self.dropout(self.linear(x), deterministic=False)

    return Dropped
