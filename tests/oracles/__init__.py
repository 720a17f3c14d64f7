"""What each problem's names must give by their definition, in float64 NumPy: a source that no reference has a part in.

The oracle of a problem is the file of its name here. It defines each name of the stub. A function takes the arguments
of the stub's. A module is a class: its constructor takes the module's sizes, its `variables` are those that the module
holds (path, kind, shape, dtype), with their `initial` values where the contract gives them, and it is called with the
parameters by path, then with the call's arguments, and with `steps` where a case makes several calls. What the
problem's driver does it defines under the driver's name; of what is drawn shapes and dtypes alone count. An oracle is
written to be read beside the contract, not to be fast. It never reads what the contract hides, and raises Refused for
what the contract refuses.
"""


class Refused(Exception):
    """The contract asks for a ValueError here. One that NumPy raises is a fault of the oracle."""
