"""Variables of a Dataset from what each of its runs left: spikes, and the weights of synapses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.data.versions import AnalysisError

__all__ = ["spike_variables", "synapse_variables"]

_ONE = {"units": "1"}


def spike_variables(
    spikes: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]], seeds: Sequence[int]
) -> dict:
    """Return the spikes of all runs, as `analysis.data.schema` has them.

    Parameters
    ----------
    spikes : sequence of sequence of (time, neuron)
        By condition, then seed; each (spike,), time in s.
    seeds : sequence of int

    Returns
    -------
    dict
        ``spike_time``, ``spike_neuron``, ``spike_seed``, ``spike_condition``.
    """
    runs = [(c, seed, *pair) for c, row in enumerate(spikes)
            for seed, pair in zip(seeds, row, strict=True)]  # fmt: skip
    time, neuron, seed, condition = (
        np.concatenate(parts)
        for parts in zip(
            *((t, n, np.full(t.size, seed, np.int64), np.full(t.size, c, np.int32))
              for c, seed, t, n in runs),
            strict=True,
        )
    )  # fmt: skip
    return {
        "spike_time": ("spike", time, {"units": "s"}),
        "spike_neuron": ("spike", neuron, _ONE),
        "spike_seed": ("spike", seed, _ONE),
        "spike_condition": ("spike", condition, _ONE),
    }


def synapse_variables(
    weights: Sequence[Sequence[Mapping[str, tuple]]], order: Sequence[str]
) -> tuple[dict, dict]:
    """Return weights and ends of the synapses; NaN where a condition does not learn with them.

    Parameters
    ----------
    weights : sequence of sequence of mapping
        By condition, then seed: from projection to (source, target, weight), numbers of the cells
        (synapse,) and weights (snapshot, synapse). Conditions may learn with other projections, and
        with projections of other wiring.
    order : sequence of str
        Of the projections.

    Returns
    -------
    variables : dict
        ``weight``, ``synapse_source``, ``synapse_target``; empty where nothing learns. The ends of
        synapses have no dim condition where they are the same in all.
    coordinates : dict
        ``synapse_projection``.

    Raises
    ------
    AnalysisError
        If a projection has other numbers of synapses in some runs.
    """
    size: dict[str, int] = {}
    n_snapshot = 0
    for mine in (mine for row in weights for mine in row):
        for name, (source, _, values) in mine.items():
            n_snapshot = len(values)
            if size.setdefault(name, source.size) != source.size:
                raise AnalysisError(f"'{name}' has {size[name]} synapses here, {source.size} there")
    if not size:
        return {}, {}
    names = sorted(size, key=list(order).index)
    sizes = [size[name] for name in names]
    begin = dict(zip(names, np.cumsum([0, *sizes[:-1]]), strict=True))
    shape = len(weights), len(weights[0])
    weight = np.full((*shape, n_snapshot, sum(sizes)), np.nan, np.float32)
    ends = np.full((2, *shape, sum(sizes)), -1, np.int32)
    for c, row in enumerate(weights):
        for s, mine in enumerate(row):
            for name, (source, target, values) in mine.items():
                part = slice(begin[name], begin[name] + source.size)
                weight[c, s, :, part] = values
                ends[:, c, s, part] = source, target
    # what a condition does not learn with is wired as in one that does
    known = ends.max(axis=1)
    ends = np.where(ends < 0, known[:, None], ends)
    dims: tuple[str, ...] = ("condition", "seed", "synapse")
    if (ends == known[:, None]).all():
        ends, dims = known, dims[1:]
    variables = {
        "weight": (("condition", "seed", "snapshot", "synapse"), weight, _ONE),
        "synapse_source": (dims, ends[0], _ONE),
        "synapse_target": (dims, ends[1], _ONE),
    }
    return variables, {"synapse_projection": ("synapse", np.repeat(np.array(names), sizes))}
