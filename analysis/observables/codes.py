"""Observables that tell accounts of prediction apart: what populations say of the unexpected."""

from __future__ import annotations

import numpy as np

from analysis.data import schema
from analysis.data.blocks import block_cycles, finite_mean
from analysis.measures import patterns, spikes
from analysis.measures.regression import TERMS, code_coefficients
from analysis.observables import registry
from analysis.observables.registry import observable


@observable("1")
def code_coefficient(ds, blocks, population, term, phase="plus", less=None):
    """Coefficient of outcome, prediction, both together, or surprise in what a population says.

    Of one regression over some ``blocks``, see `analysis.measures.regression.code_coefficients`, in
    mean rates of the population. ``outcome`` is the answer to an outcome that was not predicted,
    ``prediction`` that to a prediction without outcome (below 0 in a code of the difference),
    ``both`` what the two do beyond their sum (below 0 where the unpredicted is amplified),
    ``surprise`` what goes with the surprise of the cycle at every position. ``less``: a population
    whose rates are taken away, as of cells of negative error from those of positive error.
    """
    if term not in TERMS:
        raise schema.AnalysisError(f"no term '{term}'{schema.nearest(term, TERMS)}")
    return code_coefficients(ds, list(blocks), population, phase, less)[term]


@observable("1")
def block_contrast(ds, of, block, than, how="index", population=None, phase=None, less=None):
    """How an observable differs between two blocks: (a - b) / (a + b), a - b, or a / b.

    ``of`` is the name of an observable that has a ``block``; ``population``, ``phase`` and ``less``
    are handed on to it; ``how`` is ``"index"``, ``"difference"`` (in its unit) or ``"ratio"``. The
    index of rates with ``block`` unexpected and ``than`` expected is that of expectation
    suppression.
    """
    if how not in (known := ("index", "difference", "ratio")):
        raise schema.AnalysisError(f"no contrast '{how}'{schema.nearest(how, known)}")
    given = {"population": population, "phase": phase, "less": less}
    given = {key: value for key, value in given.items() if value is not None}
    function = registry.find(of, {**given, "block": block}).function
    a, b = (float(function(ds, block=name, **given)) for name in (block, than))
    if how == "difference":
        return a - b
    over, under = (a, b) if how == "ratio" else (a - b, a + b)
    return over / under if under > 0 else np.nan


@observable("Hz")
def preferred_rate(ds, population, block, share=0.25, phase="plus"):
    """Mean rate of the cells that are most selective for what is shown.

    Of each cycle the share of the channels that are driven most; cells sit at channels.
    """
    at = block_cycles(ds, block)
    stimulus = ds["stimulus"].transpose("cycle", "channel").values[at]
    rate = patterns.pattern(ds, population, phase).transpose("cycle", "channel").values[at]
    n = max(1, round(share * stimulus.shape[1]))
    best = np.argsort(-stimulus, axis=1, kind="stable")[:, :n]
    return finite_mean(np.take_along_axis(rate[:, : stimulus.shape[1]], best, axis=1))


@observable("1")
def relay_burst_fraction(ds, population="relay", block=None):
    """Share of spikes in bursts of the low-threshold kind: 4 ms apart after 100 ms of silence.

    Lu, Guido & Sherman 1992, doi:10.1152/jn.1992.68.6.2185.
    """
    cycle, burst = _low_threshold(ds, population)
    keep = cycle >= 0 if block is None else np.isin(cycle, block_cycles(ds, block))
    return float(burst[keep].mean()) if keep.any() else np.nan


def _low_threshold(ds, population):
    """Cycle of each spike (-1 outside), and whether it is in a low-threshold burst."""
    time, cell = schema.spikes_of(ds, schema.cell_index(ds, population))
    cycle = schema.cycle_index(time, ds["cycle_start"].values, schema.cycle_length(ds))
    return cycle, spikes.low_threshold_spikes(time, cell)


@observable("1")
def deviance_d_prime(ds, block, than, what="bursts", population="relay", image=None):
    """How well a relay cell signal tells the cycles of one block from those of another (d').

    ``what`` is ``"bursts"``, the share of the cycle's spikes in low-threshold bursts, or
    ``"count"``, the spikes. Difference of the means over cycles, over the root of the mean
    variance; 0 where neither varies. With ``image``, of the cycles that show this one of a set.
    """
    if what not in (known := ("bursts", "count")):
        raise schema.AnalysisError(f"no signal '{what}'{schema.nearest(what, known)}")
    cycle, burst = _low_threshold(ds, population)
    n = ds.sizes["cycle"]
    count = np.bincount(cycle[cycle >= 0], minlength=n).astype(float)
    signal = count
    if what == "bursts":
        with np.errstate(invalid="ignore"):
            signal = np.bincount(cycle[cycle >= 0], burst[cycle >= 0], n) / count
    a, b = (signal[block_cycles(ds, name, image=image)] for name in (block, than))
    a, b = (x[np.isfinite(x)] for x in (a, b))
    if min(a.size, b.size) < 2:
        return np.nan
    spread = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    apart = a.mean() - b.mean()
    return float(apart / spread) if spread > 0 else (0.0 if apart == 0 else np.nan)


@observable("1")
def image_decode(ds, population, block, phase="plus", less=None):
    """Share of cycles in which a population's pattern is nearest to the mean of its own image.

    Of a set of images; the cycle is left out of the mean of its image, a silent pattern is wrong.
    Chance is 1 over the number of images. ``less``: a population whose pattern is taken away.
    """
    at = block_cycles(ds, block)
    if "image" not in ds:
        raise schema.AnalysisError("no variable 'image': the run shows no set of images")
    image = ds["image"].values[at].astype(int)
    told = patterns.pattern(ds, population, phase)
    if less is not None:
        told = told - patterns.pattern(ds, less, phase)
    told = told.transpose("cycle", "channel").values[at]
    told = told[:, np.isfinite(told).all(axis=0)]
    kinds = [k for k in np.unique(image) if (image == k).sum() > 1]
    right = []
    for cycle in np.flatnonzero(np.isin(image, kinds)):
        others = np.arange(at.size) != cycle
        means = np.stack([told[others & (image == k)].mean(axis=0) for k in kinds])
        r = patterns.correlation_matrix(told[cycle][None], means)[0]
        best = kinds[int(np.nanargmax(r))] if np.isfinite(r).any() else -1
        right.append(best == image[cycle])
    return float(np.mean(right)) if right else np.nan
