"""Observables of any circuit run: bursts, patterns, rates."""

from __future__ import annotations

import numpy as np

from analysis.data import blocks, schema
from analysis.measures import context, patterns, scores, spectra, spikes, theta
from analysis.observables.registry import observable

# --- shared pieces -------------------------------------------------------------------------------


def _cell_spikes(ds, population):
    """Cells of a population, their spikes, and the cycle of each spike (-1 outside)."""
    cells = schema.cell_index(ds, population)
    time, index = schema.spikes_of(ds, cells)
    cycle = schema.cycle_index(time, ds["cycle_start"].values, schema.cycle_length(ds))
    return cells, time, index, cycle


def _bursts(ds, population, max_isi_ms):
    cells, time, index, cycle = _cell_spikes(ds, population)
    bursts = spikes.find_bursts(time, index, max_isi_ms * 1e-3)
    at = schema.cycle_index(bursts.onset, ds["cycle_start"].values, schema.cycle_length(ds))
    return cells, bursts, at, index[cycle >= 0], cycle[cycle >= 0]


def _driven(ds, cells, drive_min):
    """Tell for (cell, cycle) if the cell's channel is driven above a share of the largest drive."""
    stimulus = ds["stimulus"].transpose("channel", "cycle").values
    position = ds["neuron_channel"].values[cells].astype(int)
    at_cell = stimulus[np.clip(position, 0, None)]
    return (position[:, None] >= 0) & (at_cell > drive_min * max(stimulus.max(initial=0), 0))


def _whole_cycle_rate(ds, cells, block=None):
    """(cycle, cell) rate over whole cycles, of one block or all, Hz."""
    time, index = schema.spikes_of(ds, cells)
    start, length = ds["cycle_start"].values, schema.cycle_length(ds)
    cycle = schema.cycle_index(time, start, length)
    inside = cycle >= 0
    flat = cycle[inside] * len(cells) + index[inside]
    rate = np.bincount(flat, minlength=start.size * len(cells)).reshape(start.size, -1) / length
    return rate if block is None else rate[blocks.block_cycles(ds, block)]


def _pattern_r(a, b, min_defined):
    mean, n_defined, n_undefined = patterns.mean_correlation(a, b)
    return mean if n_defined >= min_defined * max(n_defined + n_undefined, 1) else np.nan


def _mean(values):
    return float(np.mean(values)) if np.size(values) else np.nan


# --- bursts --------------------------------------------------------------------------------------


@observable("Hz")
def burst_rate(ds, population="driver", max_isi_ms=10.0):
    """Bursts per second of a cell, over the cycles in which it fires.

    A (cell, cycle) pair counts if the cell has at least one spike in the cycle; the value is the
    number of burst onsets in those pairs over their total time.
    """
    _, bursts, at, index, cycle = _bursts(ds, population, max_isi_ms)
    fires = set(zip(index.tolist(), cycle.tolist(), strict=True))
    onsets = sum(pair in fires for pair in zip(bursts.neuron.tolist(), at.tolist(), strict=True))
    return onsets / (len(fires) * schema.cycle_length(ds)) if fires else np.nan


@observable("1")
def bursts_per_driven_cycle(ds, population="driver", drive_min=0.0, max_isi_ms=10.0, block=None):
    """Bursts per cycle of a cell whose channel is driven, silent cycles included.

    With ``block``, in that block of a learning run.
    """
    cells, bursts, at, _, _ = _bursts(ds, population, max_isi_ms)
    driven = _driven(ds, cells, drive_min)
    if block is not None:
        driven &= np.isin(np.arange(driven.shape[1]), blocks.block_cycles(ds, block))
    hits = driven[bursts.neuron[at >= 0], at[at >= 0]].sum()
    return hits / driven.sum() if driven.any() else np.nan


@observable("1")
def burst_plus_fraction(ds, population="driver", max_isi_ms=10.0):
    """Share of burst onsets in the plus phase."""
    _, bursts, at, _, _ = _bursts(ds, population, max_isi_ms)
    start, plus = ds["cycle_start"].values, ds["plus_start"].values
    return _mean(theta.in_plus(bursts.onset[at >= 0], start, plus, schema.cycle_length(ds)))


@observable("1")
def burst_vector_strength(
    ds, population="driver", driven=True, drive_min=0.0, max_isi_ms=10.0, min_bursts=10
):
    """Vector strength of burst onsets in the theta cycle.

    All onsets of all cells together; with ``driven``, those in cycles in which the channel of the
    cell is driven. NaN below ``min_bursts`` onsets, where it is large by chance.
    """
    cells, bursts, at, _, _ = _bursts(ds, population, max_isi_ms)
    keep = at >= 0
    if driven:
        keep[keep] = _driven(ds, cells, drive_min)[bursts.neuron[keep], at[keep]]
    start, length = ds["cycle_start"].values, schema.cycle_length(ds)
    _, phase = theta.cycle_phase(bursts.onset[keep], start, length)
    return theta.vector_strength(phase) if phase.size >= min_bursts else np.nan


@observable("ms")
def burst_mean_time(ds, population="driver", max_isi_ms=10.0):
    """Circular mean time of burst onsets since the start of the cycle."""
    phases = theta.burst_phases(ds, population, max_isi_ms * 1e-3).values
    return theta.mean_phase(phases) / (2 * np.pi) * schema.cycle_length(ds) * 1e3


@observable("1")
def burst_spike_count(ds, population="driver", max_isi_ms=10.0):
    """Mean number of spikes in a burst, of the bursts some part of which lies in the cycles.

    One that begins in the warm-up and never ends has all its spikes.
    """
    _, bursts, _, _, _ = _bursts(ds, population, max_isi_ms)
    start = ds["cycle_start"].values
    inside = (bursts.end >= start[0]) & (bursts.onset < start[-1] + schema.cycle_length(ds))
    return _mean(bursts.n_spikes[inside])


@observable("1")
def isolated_spike_fraction(ds, population="driver", max_isi_ms=10.0):
    """Share of spikes outside bursts."""
    _, time, index, cycle = _cell_spikes(ds, population)
    return spikes.isolated_fraction(time, index, max_isi_ms * 1e-3, counted=cycle >= 0)


# --- patterns ------------------------------------------------------------------------------------


@observable("1")
def plus_pattern_r(ds, population="relay", outcome="driver", min_defined=0.5):
    """Correlation of the relay cells' plus pattern with the driver's pattern of the same cycle.

    Pearson over positions, mean over the cycles in which both patterns have variance; NaN if
    those are fewer than ``min_defined`` of all.
    """
    plus = patterns.pattern(ds, population, "plus")
    return _pattern_r(plus, patterns.pattern(ds, outcome), min_defined)


@observable("1")
def minus_pattern_r(
    ds,
    population="relay",
    outcome="driver",
    absolute=False,
    min_defined=0.5,
    silent=None,
):
    """Correlation of the relay cells' minus pattern with the driver's pattern of the same cycle.

    Mean over cycles as in `plus_pattern_r`; with ``absolute`` the absolute value of that mean.
    ``silent`` is what a minus phase without a spike counts as, where it should not be left out.
    """
    minus = patterns.pattern(ds, population, "minus").values
    shown = patterns.pattern(ds, outcome).values
    if silent is None:
        r = _pattern_r(minus, shown, min_defined)
    else:
        each = np.where(minus.any(axis=1), patterns.pearson(minus, shown), silent)
        each = each[np.isfinite(patterns.pearson(shown, shown))]
        r = float(np.nanmean(each)) if np.isfinite(each).any() else np.nan
    return abs(r) if absolute else r


@observable("1")
def stimulus_pattern_r(ds, population="driver", phase="cycle", min_defined=0.5):
    """Correlation of a population's pattern with the stimulus of the same cycle."""
    stimulus = ds["stimulus"].transpose("cycle", "channel").values
    return _pattern_r(patterns.pattern(ds, population, phase), stimulus, min_defined)


@observable("1")
def shuffle_pattern_r(ds, population="relay", outcome="driver", phase="plus"):
    """Correlation of a pattern with the outcomes of all other cycles (chance)."""
    a, b = patterns.pattern(ds, population, phase), patterns.pattern(ds, outcome)
    return patterns.shuffle_correlation(a, b)


@observable("1")
def r_persist(
    ds, outcome="driver", min_defined=0.5, block=None, first=None, last=None, direction=None
):
    """Correlation of the outcome pattern with that of the cycle before.

    What a prediction that the world stays the same would score. ``outcome = "stimulus"`` takes
    the stimulus instead of a population. In a ``block`` of a learning run, over the cycles and
    positions that count for `r_pred`, where nothing to persist counts 0.
    """
    if block is not None:
        if outcome != "driver":
            raise schema.AnalysisError("r_persist of a block is that of the driver")
        return _mean(scores.scored(ds, "r_persist", block, first, last, direction)[0])
    if any(part is not None for part in (first, last, direction)):
        raise schema.AnalysisError("r_persist: 'first', 'last' and 'direction' need a 'block'")
    if outcome == "stimulus":
        pattern = ds["stimulus"].transpose("cycle", "channel").values
    else:
        pattern = patterns.pattern(ds, outcome).values
    return _pattern_r(pattern[1:], pattern[:-1], min_defined)


@observable("1")
def previous_pattern_r(ds, population="relay", outcome="driver", phase="minus", min_defined=0.5):
    """Correlation of a pattern with the outcome of the cycle before (a tail of the driver)."""
    now = patterns.pattern(ds, population, phase).values[1:]
    return _pattern_r(now, patterns.pattern(ds, outcome).values[:-1], min_defined)


@observable("1")
def undefined_pattern_fraction(ds, population="relay", outcome="driver", phase="plus"):
    """Share of cycles in which the pattern correlation is undefined: no variance in one."""
    a, b = patterns.pattern(ds, population, phase), patterns.pattern(ds, outcome)
    _, n_defined, n_undefined = patterns.mean_correlation(a, b)
    return n_undefined / max(n_defined + n_undefined, 1)


@observable("1")
def decode_accuracy(ds, population="relay", phase="plus"):
    """Share of cycles in which the most active position is the one driven most."""
    stimulus = ds["stimulus"].transpose("cycle", "channel").values
    return patterns.decode_accuracy(patterns.pattern(ds, population, phase), stimulus)


@observable("1")
def position_selectivity(ds, population="driver", phase="cycle"):
    """Sparseness of a population's pattern over positions: 0 uniform, 1 one position.

    Mean over the cycles in which the population fires.
    """
    values = patterns.sparseness(patterns.pattern(ds, population, phase))
    return _mean(values[~np.isnan(values)])


# --- rates ---------------------------------------------------------------------------------------

_STATISTICS = {"mean": np.mean, "median": np.median, "min": np.min, "max": np.max}


@observable("Hz")
def population_rate(ds, population, stat="mean", block=None):
    """Rate of the cells of a population over all cycles: mean, median, min or max over cells.

    With ``block``, over the cycles of that block of a learning run.
    """
    if stat not in _STATISTICS:
        raise schema.AnalysisError(f"no stat '{stat}'{schema.nearest(stat, _STATISTICS)}")
    cells = schema.cell_index(ds, population)
    return _STATISTICS[stat](_whole_cycle_rate(ds, cells, block).mean(0))


@observable("Hz")
def phase_rate(ds, population, phase="plus", block=None):
    """Mean rate of a population in one phase; with ``block``, of that block of a learning run."""
    rate = schema.rate(ds, phase).isel(neuron=schema.cell_index(ds, population))
    if block is not None:
        rate = rate.isel(cycle=blocks.block_cycles(ds, block))
    return float(rate.mean())


@observable("Hz")
def driven_rate(ds, population="relay", phase="plus", drive_min=0.5):
    """Mean rate in one phase of the cells whose position is driven in the cycle.

    By the pattern of the driver over the whole cycle: above a share ``drive_min`` of its largest
    value in the run.
    """
    outcome = patterns.pattern(ds, "driver").transpose("cycle", "channel").values
    rate = patterns.pattern(ds, population, phase).transpose("cycle", "channel").values
    driven = outcome > drive_min * np.nanmax(outcome, initial=0)
    return _mean(rate[driven & ~np.isnan(rate)])


@observable("1")
def changed_share(ds, population, block, than, direction="up", change=0.2):
    """Share of the cells whose rate in a block is higher, or lower, than in another block.

    ``direction`` is ``"up"`` or ``"down"``, ``change`` the least difference, as a share of the rate
    in the block ``than``. Cells that are silent in both blocks have not changed.
    """
    if direction not in (known := ("up", "down")):
        raise schema.AnalysisError(f"no direction '{direction}'{schema.nearest(direction, known)}")
    cells, *_ = _cell_spikes(ds, population)
    now, before = (_whole_cycle_rate(ds, cells, one).mean(axis=0) for one in (block, than))
    moved = (now - before) * (1 if direction == "up" else -1)
    return _mean((moved > 0) & (moved >= change * before))


@observable("Hz")
def population_rate_extreme(ds, cell_classes, extreme="max", area=None, block=None):
    """Largest or smallest mean rate among the populations of some cell classes."""
    if extreme not in ("min", "max"):
        raise schema.AnalysisError(f"no extreme '{extreme}'; valid: max, min")
    labels = {"cell_class": cell_classes} | ({} if area is None else {"area": area})
    names = ds["population"].values.astype(str)[schema.cell_index(ds, **labels)]
    means = [population_rate(ds, name, block=block) for name in dict.fromkeys(names.tolist())]
    return _STATISTICS[extreme](means) if means else np.nan


@observable("Hz")
def idle_relay_rate(ds, population="relay", driver="driver"):
    """Rate of the relay cells that have neither driver nor prediction.

    Over the (cell, cycle) pairs in which no driver cell of the same position fired in this cycle
    or the one before.
    """
    start, length = ds["cycle_start"].values, schema.cycle_length(ds)
    cells = schema.cell_index(ds, population)
    position = ds["neuron_channel"].values.astype(int)
    drivers = schema.cell_index(ds, driver)
    time, index = schema.spikes_of(ds, drivers)
    at = position[drivers][index]
    n_position = int(position.max(initial=0)) + 1
    active = np.zeros((start.size, n_position), bool)
    # the cycle before, for the first one, lies in the warm-up
    for cycles in (schema.cycle_index(time, start, length),
                   schema.cycle_index(time, start - length, length)):  # fmt: skip
        keep = (cycles >= 0) & (at >= 0)
        active[cycles[keep], at[keep]] = True
    placed = position[cells] >= 0
    rate = _whole_cycle_rate(ds, cells)[:, placed]
    return _mean(rate[~active[:, position[cells][placed]]])


@observable("Hz")
def max_cell_rate(ds, population=None, exclude=schema.INPUT_CLASSES, block=None):
    """Highest rate of any cell in any whole cycle; input cells are left out."""
    cells = schema.cell_index(ds, population)
    excluded = [exclude] if isinstance(exclude, str) else list(exclude)
    cells = cells[~np.isin(ds["cell_class"].values.astype(str)[cells], excluded)]
    rate = _whole_cycle_rate(ds, cells, block)
    return float(rate.max()) if rate.size else np.nan


@observable("1")
def stability(ds):
    """Mean rate of the excitatory cells in the last quarter of the cycles over the second."""
    n = ds.sizes["cycle"] // 4
    names = [row["name"] for row in schema.population_table(ds)
             if row["excitatory"] and row["cell_class"] not in schema.INPUT_CLASSES]  # fmt: skip
    if not n or not names:
        return np.nan
    rate = _whole_cycle_rate(ds, schema.cell_index(ds, names)).mean(1)
    early, late = rate[n : 2 * n].mean(), rate[-n:].mean()
    return late / early if early > 0 else np.nan


@observable("1")
def plus_minus_contrast(ds, population="relay"):
    """Plus minus minus rate of a population over their sum."""
    minus, plus = phase_rate(ds, population, "minus"), phase_rate(ds, population, "plus")
    return (plus - minus) / (plus + minus) if plus + minus > 0 else np.nan


@observable("1")
def irregularity(ds, population):
    """Mean coefficient of variation of the interspike intervals, cells with two or more."""
    cells, time, index, cycle = _cell_spikes(ds, population)
    values = spikes.cv(time[cycle >= 0], index[cycle >= 0], cells.size)
    return _mean(values[~np.isnan(values)])


@observable("1")
def synchrony(ds, population, bin_ms=10.0):
    """Mean correlation of the spike counts of pairs of cells."""
    cells, time, index, _ = _cell_spikes(ds, population)
    start = ds["cycle_start"].values
    stop = float(start[-1]) + schema.cycle_length(ds)
    counts = spikes.bin_counts(time, index, cells.size, float(start[0]), stop, bin_ms * 1e-3)
    r = spikes.pairwise_correlation(counts)[np.triu_indices(cells.size, 1)]
    return _mean(r[~np.isnan(r)])


@observable("Hz")
def spectral_peak(ds, population="driver", f_min=1.0, f_max=100.0, window_s=2.0):
    """Frequency of the largest peak in the spectrum of a population's rate."""
    signal = spectra.rate_signal(ds, population)
    return spectra.peak_frequency(spectra.spectrum(signal, window_s), f_min, f_max)


# --- context -------------------------------------------------------------------------------------


@observable("ms")
def context_switch(ds, population="predictor", block=None):
    """When in the cycle the cells come to tell its own outcome instead of that before.

    See `analysis.measures.context.switch_time`; NaN if they do from the start, or never.
    """
    return 1e3 * context.switch_time(context.context_course(ds, population, block))


@observable("1")
def context_fall(ds, population="predictor", at_ms=190.0, block=None):
    """How far the cells have fallen by a time of the cycle, from late in the minus phase.

    One minus the rate around that time over the mean rate in the second half of the minus phase.
    """
    course = context.context_course(ds, population, block)
    plus = float((ds["plus_start"] - ds["cycle_start"])[0])
    late = course["rate"].sel(time=slice(0.5 * plus, plus)).mean().item()
    then = course["rate"].interp(time=at_ms * 1e-3).item()
    return 1 - then / late if late > 0 else np.nan
