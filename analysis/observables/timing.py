"""Observables of who leads whom, of how rates carry over, and of when bursts come."""

from __future__ import annotations

import numpy as np

from analysis.data import schema
from analysis.data.blocks import block_cycles
from analysis.measures import spikes, theta
from analysis.measures.influence import lag, phase_influence
from analysis.measures.phases import cell_rates, windows_of
from analysis.observables.registry import observable


@observable("ms")
def layer_lag(ds, leader, follower, f_min=8.0, f_max=15.0):
    """By how much a population's rate leads that of another, in a band of frequencies.

    See `analysis.measures.influence.lag`: of the cross-spectrum, positive where ``leader`` leads.
    """
    return 1e3 * lag(ds, leader, follower, f_min, f_max)


@observable("1")
def net_influence(ds, source, target, phase="plus", block=None):
    """Granger causality of source on target in one phase, less that of target on source.

    Populations or lists of them; see `analysis.measures.influence.phase_influence`.
    """
    there = phase_influence(ds, source, target, phase, block)
    return there - phase_influence(ds, target, source, phase, block)


@observable("1")
def transfer_slope(ds, source, target, blocks, from_one=False):
    """Slope of the log of a population's mean rate on that of another, over blocks.

    1 where the rates are in proportion; with ``from_one`` the distance from it. NaN where one of
    them is silent in a block.
    """
    means = []
    for name in (source, target):
        cells = schema.cell_index(ds, name)
        rate = cell_rates(ds, cells, *windows_of(ds)["cycle"])
        means.append([rate[block_cycles(ds, block)].mean() for block in blocks])
    x, y = np.array(means)
    if len(blocks) < 2 or not (x > 0).all() or not (y > 0).all() or np.ptp(x) == 0:
        return np.nan
    slope = float(np.polyfit(np.log(x), np.log(y), 1)[0])
    return abs(slope - 1) if from_one else slope


@observable("1")
def theta_strength(ds, population, min_spikes=20):
    """Vector strength of a population's spikes in the theta cycle; NaN below 20 spikes."""
    time, _ = schema.spikes_of(ds, schema.cell_index(ds, population))
    start = ds["cycle_start"].values
    cycle, phase = theta.cycle_phase(time, start, schema.cycle_length(ds))
    phase = phase[cycle >= 0]
    return theta.vector_strength(phase) if phase.size >= min_spikes else np.nan


@observable("ms")
def burst_shift(ds, block, than, population="driver", every=1, max_isi_ms=10.0, min_bursts=10):
    """By how much later in the cycle bursts come in one block than in another.

    Difference of circular mean times of onset, in half a cycle to either side; with ``every``, of
    the first cycle of a block and then every so many, as `when` of a manipulation has it. NaN below
    ``min_bursts`` onsets.
    """
    start, length = ds["cycle_start"].values, schema.cycle_length(ds)
    time, cell = schema.spikes_of(ds, schema.cell_index(ds, population))
    onset = spikes.find_bursts(time, cell, max_isi_ms * 1e-3).onset
    cycle, phase = theta.cycle_phase(onset, start, length)
    mean = []
    for name in (block, than):
        mine = phase[np.isin(cycle, block_cycles(ds, name)[::every])]
        if mine.size < min_bursts:
            return np.nan
        mean.append(theta.mean_phase(mine))
    apart = (mean[0] - mean[1] + np.pi) % (2 * np.pi) - np.pi
    return float(apart / (2 * np.pi) * length * 1e3)
