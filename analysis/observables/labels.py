"""Observables of output cells that read labels: block ``NAME k`` shows the picture of label k."""

from __future__ import annotations

import numpy as np

from analysis.data import schema
from analysis.data.blocks import block_cycles
from analysis.measures.spikes import find_bursts
from analysis.observables.registry import observable

__all__: list[str] = []


def _rates(ds, population):
    """Rate of each cell in each cycle, (cycle, cell)."""
    rate = ds["rate"].isel(neuron=schema.cell_index(ds, population))
    return rate.mean("phase").transpose("cycle", "neuron").values


def _windows(ds, pictures, number, each):
    """Cycles of the block of a label, in presentations, (presentation, cycle)."""
    at = block_cycles(ds, f"{pictures} {number}")
    return at[: at.size - at.size % each].reshape(-1, each)


def _scores_of_groups(ds, pictures, groups, each):
    """Mean rate of every group in every presentation, (label, presentation, group)."""
    rates = np.stack([_rates(ds, group).mean(axis=1) for group in groups], axis=-1)
    return np.stack(
        [rates[_windows(ds, pictures, k + 1, each)].mean(1) for k in range(len(groups))]
    )


def _scores_of_ridge(ds, pictures, trained, population, n, each, penalty):
    """As `_scores_of_groups`, of a ridge readout of single cycles of the labelled trial."""
    rates = _rates(ds, population)
    x = [rates[block_cycles(ds, f"{trained} {k + 1}")] for k in range(n)]
    target = np.repeat(np.eye(n), [len(one) for one in x], axis=0)
    x = np.concatenate(x)
    mean, level = x.mean(axis=0), target.mean(axis=0)
    scale = np.sqrt(((x - mean) ** 2).mean()) or 1.0
    x = (x - mean) / scale
    size = penalty * len(x) * np.eye(x.shape[1])
    weights = np.linalg.solve(x.T @ x + size, x.T @ (target - level))
    scores = (rates - mean) / scale @ weights + level
    return np.stack([scores[_windows(ds, pictures, k + 1, each)].mean(1) for k in range(n)])


def _share(scores, truth):
    """Share of presentations in which the right score alone is the highest."""
    best = scores.max(axis=-1, keepdims=True)
    alone = (scores == best).sum(axis=-1) == 1
    return float(((scores.argmax(axis=-1) == truth[:, None]) & alone).mean())


@observable("1")
def label_accuracy(
    ds, pictures, groups, each=2, shift=0, relative=False, ridge=None, population="", penalty=0.1
):
    """Share of presentations whose label the most active group of output cells tells.

    ``each`` cycles are a presentation; ``shift`` is how far labels are turned on: 0 counts those of
    the blocks. Relative: every group over its mean of all pictures. With ``ridge``, the block of
    the labelled trial, over the share that a ridge readout of a population reads, trained on it.
    """
    n = len(groups)
    truth = (np.arange(n) + shift) % n
    scores = _scores_of_groups(ds, pictures, groups, each)
    if relative:
        scores = scores - scores.mean(axis=(0, 1))
    share = _share(scores, truth)
    if ridge is None:
        return share
    return share / label_ridge(ds, pictures, ridge, n, population, each, penalty)


@observable("1")
def label_ridge(ds, pictures, trained, labels, population, each=2, penalty=0.1):
    """Share of presentations that a ridge readout of a population reads, as `label_accuracy`."""
    scores = _scores_of_ridge(ds, pictures, trained, population, labels, each, penalty)
    return _share(scores, np.arange(labels))


@observable("1")
def label_plateaus(ds, pictures, groups, spikes=3, max_isi_ms=16.0):
    """Bursts of at least so many spikes of an output cell in a labelled trial, mean over cells.

    ``pictures``: the trial's name, or all blocks in which plateaus are counted.
    """
    length, start = schema.cycle_length(ds), ds["cycle_start"].values
    named = [f"{pictures} {k + 1}" for k in range(len(groups))]
    found = 0
    for block in named if isinstance(pictures, str) else pictures:
        at = block_cycles(ds, block)
        begin, end = start[at[0]], start[at[-1]] + length
        for group in groups:
            cells = schema.cell_index(ds, group)
            time, neuron = schema.spikes_of(ds, cells)
            here = (begin <= time) & (time < end)
            bursts = find_bursts(time[here], neuron[here], max_isi_ms * 1e-3, spikes)
            found += len(bursts)
    return found / sum(len(schema.cell_index(ds, group)) for group in groups)
