"""Points chosen by what the ones before gave: an optimiser of optuna."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cells.parameters import InputError
from circuits.sweeps.axes import Axis

__all__ = ["search"]

# points at a time, whatever the number of workers, so that the search is always the same
_BATCH = 4


def search(
    axes: Sequence[Axis], n: int, evaluate: Callable[[list[tuple]], list[float]]
) -> list[tuple]:
    """Look for the point with the largest value.

    Parameters
    ----------
    axes : sequence of Axis
        Two numbers are a range, other lists are what can be chosen.
    n : int
        Points in all.
    evaluate : callable
        Gives the value of each point of a batch; NaN: none.

    Returns
    -------
    list of tuple
        The points, in the order in which they were tried.

    Raises
    ------
    InputError
        Where optuna is missing.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("--choose optuna: pip install 'pulvinar[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = optuna.distributions

    def kind(axis):
        if not axis.is_range:
            return kinds.CategoricalDistribution(axis.values)
        whole = all(isinstance(v, int) for v in axis.values)
        return (kinds.IntDistribution if whole else kinds.FloatDistribution)(*axis.values)

    of = {axis.name: kind(axis) for axis in axes}
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True)
    )
    tried: list[tuple] = []
    while len(tried) < n:
        trials = [study.ask(of) for _ in range(min(_BATCH, n - len(tried)))]
        batch = [tuple(trial.params[axis.name] for axis in axes) for trial in trials]
        for trial, value in zip(trials, evaluate(batch), strict=True):
            if math.isfinite(value):
                study.tell(trial, value)
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
        tried += batch
    return tried
