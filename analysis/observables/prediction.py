"""Observables of a learning run: how well the minus phase predicts the plus phase."""

from __future__ import annotations

import numpy as np

from analysis.data import schema
from analysis.data.blocks import block_cycles, finite_mean
from analysis.measures.baselines import PREDICTORS, baselines, entering
from analysis.measures.phases import (
    members,
    position_patterns,
    seen_positions,
    windows_of,
)
from analysis.measures.regression import plus_coefficients
from analysis.measures.scores import add_scores, scored
from analysis.measures.sites import classify_sites, site_shares
from analysis.measures.weights import movement
from analysis.observables.registry import observable


@observable("1")
def r_pred(ds, block, first=None, last=None, direction=None):
    """Correlation of the relay cells' pattern late in the minus phase with the outcome.

    Mean over the cycles of the block whose outcome is defined; a silent minus pattern counts 0.
    """
    return finite_mean(scored(ds, "r_pred", block, first, last, direction)[0])


@observable("1")
def r_pred_defined(ds, block, first=None, last=None, direction=None):
    """Share of the cycles with a defined outcome in which the prediction is defined too."""
    at = scored(ds, "r_pred", block, first, last, direction)[1]
    ds = ds if "r_pred" in ds else add_scores(ds)
    r = ds["r_pred"].sel(block=block).values[at]
    return float(np.mean(~np.isnan(r))) if r.size else np.nan


@observable("1")
def prediction_gain(ds, block, first=None, last=None, direction=None, floor=None):
    """Give r_pred minus r_persist: how much better than expecting what was just seen.

    A mean r_persist below ``floor`` counts as ``floor``: with 0, a silent prediction gains nothing
    where what was just seen is never seen again.
    """
    persist = finite_mean(scored(ds, "r_persist", block, first, last, direction)[0])
    persist = persist if floor is None else np.maximum(persist, floor)
    return r_pred(ds, block, first, last, direction) - persist


@observable("1")
def r_pred_shuffle(ds, block, first=None, last=None, direction=None):
    """Correlation of the minus pattern with the outcomes of other cycles of the block."""
    return finite_mean(scored(ds, "r_shuffle", block, first, last, direction)[0])


@observable("1")
def prediction_decode(ds, block, first=None, last=None, direction=None):
    """Share of cycles whose outcome is the nearest one of the block to the minus pattern.

    Outcomes of cycles that show the same stimulus do not compete; a silent pattern is wrong.
    """
    return finite_mean(scored(ds, "decode", block, first, last, direction)[0])


@observable("1")
def prediction_decode_chance(ds, block, first=None, last=None, direction=None):
    """Give what `prediction_decode` is by chance."""
    return finite_mean(scored(ds, "decode_chance", block, first, last, direction)[0])


@observable("1")
def prediction_decode_position(ds, block, first=None, last=None, direction=None):
    """Share of cycles in which minus pattern and outcome have their maximum at one position.

    Over the cycles whose outcome has a single maximum; ties of the minus pattern are wrong.
    """
    return finite_mean(scored(ds, "decode_position", block, first, last, direction)[0])


@observable("1")
def direction_choice(ds, block, first=None, last=None):
    """Share of cycles in which a bump's next position is predicted above that of the other way.

    On a ring on which it moves both ways: rate of the relay cells late in the minus phase where it
    comes, against where it would have come moving the other way. Ties count half; chance is 0.5.
    """
    step, n_x = max(movement(ds, block)[1], default=0), int(ds.attrs.get("n_x", 0))
    if "centre" not in ds or not step:
        return np.nan
    at = block_cycles(ds, block, first, last)
    at = at[~ds["jump"].values[at].astype(bool)]
    begin, end = windows_of(ds)["minus"]
    count = position_patterns(ds, "relay", begin, end)[0, 0][at, :n_x]
    there = np.round(ds["centre"].values[at]).astype(int)
    other = there - 2 * step * ds["direction"].values[at].astype(int)
    cycle = np.arange(at.size)
    difference = count[cycle, there % n_x] - count[cycle, other % n_x]
    return finite_mean((np.sign(difference) + 1) / 2)


@observable("1")
def prediction_error(ds, block, first=None, last=None, direction=None):
    """Mean square difference of minus pattern and outcome, each divided by its RMS.

    0 is perfect, 1 a silent prediction, 2 one that is active at other positions only. It is no
    substitute for a correlation: activity that is the same everywhere can lie below 1.
    """
    return finite_mean(scored(ds, "prediction_error", block, first, last, direction)[0])


def _first_cycle(ds, block, window, direction, reached):
    """Cycles of a block until ``reached(mean of the last r_pred)``; NaN if that never is."""
    value, at = scored(ds, "r_pred", block, direction=direction)
    if value.size < window:
        return np.nan
    total = np.concatenate([[0.0], np.cumsum(value)])
    there = np.flatnonzero(reached((total[window:] - total[:-window]) / window))
    begin = block_cycles(ds, block)[0]
    return float(at[there[0] + window - 1] - begin + 1) if there.size else np.nan


@observable("1")
def cycles_to_criterion(ds, block, level=0.5, window=16, reference=None, direction=None):
    """Cycles of the block until the mean r_pred of the last 16 scored cycles exceeds a level.

    With ``reference``, the name of another block, the level is a share of its r_pred. NaN if the
    level is never exceeded.
    """
    if reference is not None:
        level = level * r_pred(ds, reference, direction=direction)
    return _first_cycle(ds, block, window, direction, lambda mean: mean > level)


@observable("1")
def cycles_to_recover(ds, block, reference, share=0.8, window=20, direction=None):
    """Cycles of a block until r_pred is back at a share of what it was in another block.

    The mean r_pred of the last ``window`` scored cycles counts, so that the value is never below
    ``window``. If it never gets there, the value is one more than the block has cycles: a lower
    bound, with which a mean over seeds stays a number. NaN where the other block has no positive
    r_pred, or this one fewer than ``window`` scored cycles.
    """
    level = share * r_pred(ds, reference, direction=direction)
    if not level > 0 or scored(ds, "r_pred", block, direction=direction)[1].size < window:
        return np.nan
    first = _first_cycle(ds, block, window, direction, lambda mean: mean >= level)
    return first if np.isfinite(first) else float(block_cycles(ds, block).size + 1)


@observable("1")
def recovery(ds, block, reference, last=None, reference_last=None, direction=None):
    """Give r_pred at the end of a block over that of another block.

    NaN where the other block has no positive r_pred.
    """
    before = r_pred(ds, reference, last=reference_last, direction=direction)
    after = r_pred(ds, block, last=last, direction=direction)
    return after / before if before > 0 else np.nan


@observable("1")
def fixed_point_ratio(ds, block, large_hz=20.0, first=None, last=None, least=10):
    """Weight change where there is no error over that where the error is large.

    The error is the rate of the relay cells in the plus phase less that in the whole minus phase,
    which is what the kinases integrate, at predictable positions whose relay cells fire, in cycles
    in which the circuit learns. The weight change there is regressed on it: its value at zero is
    compared with the mean change, in the direction of the error, at errors above ``large_hz``. NaN
    if there are fewer than ``least`` of these.
    """
    at = block_cycles(ds, block, first, last)
    at = at[ds["learning"].values[at] > 0]
    windows = windows_of(ds, np.inf)
    rate = {}
    for key in ("minus", "plus"):
        begin, end = windows[key]
        count = position_patterns(ds, "relay", begin, end)[0, 0]
        rate[key] = count / (end - begin)[:, None]
    active = seen_positions(ds, rate["plus"].shape[-1])[0, 0] & (rate["minus"] + rate["plus"] > 0)
    error, dw = (x[at][active[at]] for x in (rate["plus"] - rate["minus"], ds["dw"].values))
    large = np.abs(error) > large_hz
    if large.sum() < least:
        return np.nan
    base = np.mean(dw[large] * np.sign(error[large]))
    return float(abs(np.polyfit(error, dw, 1)[1]) / base) if base > 0 else np.nan


@observable("1")
def false_site_fall(ds, block, happened=False, threshold=0.5, first=None, last=None, least=10):
    """How far relay cells fall in the plus phase at positions predicted without an outcome.

    One minus plus rate over late minus rate. Where every position has two cells or more, sites
    are chosen by half of the cells and measured in the other half, both ways round, so that the
    fall is not regression to the mean. ``happened`` measures predicted positions with an outcome
    instead. NaN below ``least`` sites.
    """
    sums, n = np.zeros(2), 0
    for rates, predicted, there in _judged_by_halves(ds, block, threshold, first, last):
        keep = predicted & (there == happened)
        n += keep.sum()
        sums += [rates[key][keep].sum() for key in ("minus", "plus")]
    return float(1 - sums[1] / sums[0]) if n >= least and sums[0] > 0 else np.nan


@observable("1")
def override_difference(ds, block, threshold=0.5, first=None, last=None, least=10):
    """How far the plus rate at positions with an outcome depends on what was predicted there.

    Plus rate where the outcome was predicted over that where it was not, less one: 0 where the
    driver overrides. Sites are chosen by half of the cells as in `false_site_fall`. NaN where there
    are fewer than ``least`` sites of either kind.
    """
    sums, n = np.zeros(2), np.zeros(2)
    for rates, predicted, there in _judged_by_halves(ds, block, threshold, first, last):
        for k, keep in enumerate((predicted & there, ~predicted & there)):
            n[k] += keep.sum()
            sums[k] += rates["plus"][keep].sum()
    if n.min() < least or not sums[1] > 0:
        return np.nan
    means = sums / n
    return float(means[0] / means[1] - 1)


def _judged_by_halves(ds, block, threshold, first, last):
    """Judge sites by one half of the relay cells, measure them in the other, both ways round.

    Yields the rates of the measured cells (Hz, of ``minus`` and ``plus``) at the sites, and whether
    something was predicted there and whether it happened. Where a position has one cell alone, this
    cell is both.
    """
    at, n_cell = members(ds, "relay")
    placed = np.flatnonzero(at >= 0)
    order = placed[np.argsort(at[placed], kind="stable")]
    rank = np.arange(order.size) - np.searchsorted(at[order], at[order], side="left")
    halves = [order[rank % 2 == 0], order[rank % 2 == 1]]
    split = [(0, 1), (1, 0)] if n_cell[n_cell > 0].min() >= 2 else [(None, None)]
    windows = windows_of(ds)
    for judge, measured in split:
        by = None if judge is None else halves[judge]
        cells = None if measured is None else halves[measured]
        cycle, position, predicted, there = classify_sites(ds, block, threshold, first, last, by)
        rates = {}
        for key in ("minus", "plus"):
            begin, end = windows[key]
            count = position_patterns(ds, "relay", begin, end, cells)[0, 0]
            rates[key] = count[cycle, position] / (end - begin)[cycle]
        yield rates, predicted, there


@observable("1")
def baseline(ds, block, predictor):
    """Correlation of a simpler predictor with the outcome, over the cycles and sites of `r_pred`.

    One of `analysis.measures.baselines.PREDICTORS`; regressions are fitted on the blocks before.
    """
    if predictor not in PREDICTORS:
        near = schema.nearest(predictor, PREDICTORS)
        raise schema.AnalysisError(f"no predictor '{predictor}'{near}")
    if "baseline" in ds and np.isfinite(ds["baseline"].sel(block=block)).any():
        return float(ds["baseline"].sel(block=block, predictor=predictor))
    return baselines(ds, block)[predictor]


@observable("1")
def r_pred_over(ds, block, predictor, first=None, last=None, direction=None):
    """Give r_pred as a share of what a simpler predictor reaches."""
    reached = baseline(ds, block, predictor)
    return r_pred(ds, block, first, last, direction) / reached if reached > 0 else np.nan


def _entering(ds, block, predictor):
    """Return what relay cells and a predictor reach where the picture comes into the window."""
    found = entering(ds, block)
    if predictor not in found:
        raise schema.AnalysisError(
            f"no predictor '{predictor}'{schema.nearest(predictor, list(found))}"
        )
    return found["relay"], found[predictor]


@observable("1")
def r_entering(ds, block, predictor="relay"):
    """Correlation of prediction and outcome where the picture comes into the window.

    Over cycles and the positions that no shift of the last outcome reaches, each less its mean;
    ``predictor``: the relay cells late in the minus phase, or a simpler one in their place.
    """
    return _entering(ds, block, predictor)[1]


@observable("1")
def r_entering_gain(ds, block, predictor):
    """Give r_entering of the relay cells less that of a simpler predictor."""
    relay, reached = _entering(ds, block, predictor)
    return relay - reached


@observable("1")
def r_entering_over(ds, block, predictor):
    """Give r_entering of the relay cells as a share of what a simpler predictor reaches."""
    relay, reached = _entering(ds, block, predictor)
    return relay / reached if reached > 0 else np.nan


@observable("1")
def site_score(ds, block, score="precision", threshold=0.5, first=None, last=None):
    """Precision, recall or base rate of predicted sites.

    As `analysis.measures.sites.site_shares` has them.
    """
    names = ("precision", "recall", "base")
    if score not in names:
        raise schema.AnalysisError(f"no score '{score}'{schema.nearest(score, names)}")
    shares = site_shares(ds, block, threshold=threshold, first=first, last=last)
    return shares[names.index(score)]


@observable("1")
def plus_coefficient(ds, block, term="outcome"):
    """Coefficient of the outcome or of the prediction in the relay cells' plus phase.

    Of a linear regression of the plus pattern on the driver's pattern and the pattern late in the
    minus phase, over cycles and positions, all in standard deviations. ``term = "ratio"`` is that
    of the prediction over that of the outcome: -1 where the plus phase tells their difference.
    """
    terms = ("outcome", "prediction", "ratio")
    if term not in terms:
        raise schema.AnalysisError(f"no term '{term}'{schema.nearest(term, terms)}")
    outcome, prediction = plus_coefficients(ds, block)
    if term == "ratio":
        return prediction / outcome if outcome > 0 else np.nan
    return outcome if term == "outcome" else prediction


@observable("1")
def phase_coherence(ds, block, population="relay", frequency=10.0):
    """Phase coherence over cycles, at a frequency (Hz), of the spikes before the outcome.

    Each cycle gives the phase of its minus phase's spikes, all cells of a population together; the
    value is the length of the mean unit vector over the cycles in which it fires (inter-trial
    coherence): power does not count.
    """
    begin, end = windows_of(ds, np.inf)["minus"]
    at = block_cycles(ds, block)
    time, _ = schema.spikes_of(ds, schema.cell_index(ds, population))
    cycle = schema.cycle_index(time, ds["cycle_start"].values, schema.cycle_length(ds))
    keep = (cycle >= 0) & (time < end[cycle])
    time, cycle = time[keep], cycle[keep]
    turns = np.exp(2j * np.pi * frequency * (time - begin[cycle]))
    n = begin.size
    vectors = np.bincount(cycle, turns.real, n) + 1j * np.bincount(cycle, turns.imag, n)
    vectors = vectors[at][np.abs(vectors[at]) > 1e-9]
    return float(np.abs((vectors / np.abs(vectors)).mean())) if vectors.size else np.nan
