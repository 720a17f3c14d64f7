"""77 · What people get wrong."""

import jax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from grader.course import mistake


def _on_devices(function, x):
    mesh = Mesh(jax.devices(), ("rows",))
    return jax.shard_map(function, mesh=mesh, in_specs=P("rows"), out_specs=P(), check_vma=False)(x)


@mistake
def gathered_first(ref, x):
    """All rows are gathered on every device, and summed there: each device gets the whole array."""
    return _on_devices(lambda own: jax.lax.all_gather(own, "rows", tiled=True).sum(0), x)


@mistake
def sums_not_exchanged(ref, x):
    """Each device keeps the sum of its own rows: the sums are never added."""
    return _on_devices(lambda own: own.sum(0), x)


@mistake
def mean_of_the_sums(ref, x):
    """The sums are averaged over the devices (`pmean`): they have to be added (`psum`)."""
    return ref(x) / 8
