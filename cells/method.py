"""The integrator of this project as a method for any model in Brian2."""

from __future__ import annotations

from brian2 import StateUpdateMethod

from cells.fast_math import use_fast_math
from cells.integration import staggered

__all__ = ["use_staggered"]

_NAME = "staggered"


class _Staggered(StateUpdateMethod):
    def __call__(self, equations, variables=None, method_options=None):
        if method_options:
            raise TypeError(f"method '{_NAME}' has no options; given: {', '.join(method_options)}")
        return staggered(equations, variables)


def use_staggered(fast_math: bool = True) -> None:
    """Let Brian2 know ``method="staggered"``, and compile with fast exponentials.

    Global and idempotent. Equations, thresholds and ``refractory=`` stay as they are.

    Parameters
    ----------
    fast_math : bool
        `cells.use_fast_math` as well, for the device ``cpp_standalone``; without it the method is
        as accurate, but its loops are hardly vectorised.

    Notes
    -----
    Equations that the method cannot integrate with its order are refused where the group is made
    part of a network, with a `brian2.stateupdaters.base.UnsupportedEquationsException` of one line;
    see `cells.staggered`.

    Examples
    --------
    >>> from cells import use_staggered
    >>> use_staggered()
    >>> from brian2 import NeuronGroup
    >>> group = NeuronGroup(1, "dv/dt = -v/(10*second) : volt", method="staggered")
    """
    if _NAME not in StateUpdateMethod.stateupdaters:
        StateUpdateMethod.register(_NAME, _Staggered())
    if fast_math:
        use_fast_math()
