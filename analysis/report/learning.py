"""What the report of a learning run shows, in order."""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from analysis.data import schema
from analysis.figures import hidden, learning
from analysis.figures.circuit import style
from analysis.measures.baselines import PREDICTORS
from analysis.measures.hidden import cue_projection, tuning_table
from analysis.measures.learning import (
    WINDOW,
    baseline_table,
    condition_names,
    first_run,
    lesion_table,
    report_blocks,
)
from analysis.report import gradients, rivals
from analysis.report.circuit import not_drawn

__all__ = ["sections"]


def sections(ds: xr.Dataset) -> list[tuple[str, str, Figure | None, tuple | None]]:
    """Return what the report of a learning run shows before the circuit.

    Parameters
    ----------
    ds : Dataset
        All runs, from `analysis.measures.scores.add_scores`.

    Returns
    -------
    list of (title, caption, Figure or None, table or None)
        A table is (columns, rows) of str. A figure that lacks its data is left out, and its
        caption says so.
    """
    rules = rivals.rival_conditions(ds)
    with style():
        compared = _comparison(ds)
    result = [*_drawn(ds, [*_plans(ds, rules), *_hidden_plans(ds)]), compared]
    if "baseline" in ds:
        result.append(_predictors(ds))
    if rules:
        with style():
            result.append(_rivals(ds))
    return result


def _plans(ds, rules) -> list[tuple]:
    """Return (title, caption, what it needs, what draws it) of each figure."""
    many = len(condition_names(ds)) > 1
    blocks = report_blocks(ds)
    block = blocks["test"] or blocks["training"]
    one = schema.select(ds, *first_run(ds))
    of_first = f" Condition '{condition_names(ds)[0]}'." if many else ""
    return [
        (
            "Learning curve",
            f"Running means over the last {WINDOW} cycles of a block, mean over seeds; bands are "
            "one standard deviation over seeds. Blocks in which the circuit learns are shaded. An "
            "undefined prediction counts 0. The error is the mean square difference of the two "
            "patterns, RMS of each 1: 0 is perfect; equal activity everywhere can lie below 1."
            + (" Below, every other condition, with the first one in pale blue." if many else ""),
            (),
            lambda: (learning.curve_figure(ds), None),
        ),
        (
            "Prediction and outcome",
            f"The last cycles of '{block}'. White lines: a new sweep begins, which nothing could "
            f"predict; solid, between polarities.{of_first} First seed.",
            (),
            lambda: (learning.patterns_figure(one), None),
        ),
        (
            "Weight change against the temporal derivative",
            "Left: every predictable position and cycle in which the circuit learns; the weight "
            "change is that of the synapses onto the relay cells there. Right: at positions that "
            "were predicted or not and at which the outcome came or did not, a dot for each seed."
            + of_first,
            ("dw",) if blocks["training"] else ("dw", "block that learns"),
            lambda: (learning.weight_change_figure(ds), None),
        ),
        (
            "Weights before and after",
            "From predictor to relay cells, mean over cells and seeds. Below, by offset within a "
            "polarity: true synapses come from where the pattern was one cycle before, self from "
            f"the same position, reverse from where it would be on its way back.{of_first}",
            ("weight", "synapse_source", "synapse_projection"),
            lambda: (learning.weights_figure(ds), None),
        ),
        (
            "Weight change and the gradient of the error",
            "Cosine of the weight change in training and of minus the gradient of the error, half "
            "the square of plus minus minus rates of the relay cells, by backpropagation through a "
            "rate network with these weights. 1 is gradient descent; centred, without the mean of "
            "either over the synapses, so that it is not enough for all weights to rise. Bands: "
            "mean ± 2 standard deviations of the cosine when the gradient is permuted, over "
            "synapses, or over the cycles of the errors, which keeps the mean of every cell; z is "
            "the distance from such a mean in its standard deviations. Partial: coefficients of "
            "the change on source times target in the plus and in the minus phase; a rule that "
            "follows the error has one of each sign."
            + (of_first if not rules else " The best condition of each rule in the test."),
            ("weight", "synapse_source", "synapse_projection")
            + (() if blocks["training"] else ("block that learns",)),
            lambda: _gradients(ds),
        ),
    ]


def _hidden_plans(ds) -> list[tuple]:
    """Plan the figure of hidden synapses, where a run has any."""
    if "synapse_projection" not in ds or not cue_projection(schema.select(ds, *first_run(ds))):
        return []
    names = condition_names(ds)
    runs: dict[str, list[xr.Dataset]] = {}
    for condition, seed in schema.runs(ds):
        one = schema.select(ds, seed, condition).drop_dims("spike")
        runs.setdefault(names[0] if condition is None else str(condition), []).append(one)
    first = next(iter(runs.values()))
    shown = learning.shown_snapshots(first[0])
    return [
        (
            "Hidden synapses",
            "Each dot is a cell of the predicting layer: what it tells the relay cells of the two "
            "ways in which the bump may go, against what it hears of them from the cells of the "
            "cue. A cell that hears what it tells is a conjunction of place and cue, which the "
            "error that the relay cells send back can have made. Aligned: correlation of forward "
            f"weights with the feedback, over all pairs of cells. Condition '{next(iter(runs))}'.",
            ("weight", "synapse_source"),
            lambda: (hidden.tuning_figure(first, shown), tuning_table(runs, shown)),
        )
    ]


def _drawn(ds, plans) -> list[tuple[str, str, Figure | None, tuple | None]]:
    """Draw what can be drawn; say of the rest why not."""
    result: list[tuple[str, str, Figure | None, tuple | None]] = []
    for title, caption, needs, draw in plans:
        lacking = [name for name in needs if name not in ds]
        if lacking:
            what = ", no ".join(n if " " in n else f"variable '{n}'" for n in lacking)
            result.append((title, f"Not drawn: no {what}.", None, None))
            continue
        try:
            with style():
                result.append((title, caption, *draw()))
        except Exception as error:
            result.append((title, not_drawn(title, error), None, None))
    return result


def _comparison(ds):
    many = len(condition_names(ds)) > 1
    caption = (
        "Mean ± standard deviation over seeds, over the cycles whose outcome is defined. Defined: "
        "share of them with a defined prediction; the others count 0."
    )
    if many:
        caption = ("Each dot is a seed, each line a mean; grey, a gain that shows no prediction "
                   f"(up to 0.1). {caption}")  # fmt: skip
    title = "Lesions and controls" if many else "Scores by block"
    return title, caption, learning.lesions_figure(ds) if many else None, lesion_table(ds)


def _predictors(ds):
    caption = (
        "Correlation with the outcome, over the same cycles and positions as r_pred: "
        + "; ".join(f"{name}, {meaning}" for name, meaning in PREDICTORS.items())
        + ". Regressions are fitted on the blocks before with the same movement. Of the "
        "positions that are predicted, precision is the share at which the outcome came, of "
        "those at which it came recall is the share that was predicted, of all positions the "
        "base rate is the share at which it came."
    )
    return "Simpler predictors", caption, None, baseline_table(ds)


def _rivals(ds):
    scores = rivals.rival_scores(ds)
    caption = (
        "Conditions that differ in how they learn and in nothing else. Running means of "
        "r_pred, of the first one and of that of each other rule with the highest r_pred in "
        "the test, with a band of one standard deviation over seeds; each dot is a seed, each "
        "line a mean. Recovery: r_pred after the reversal over that before it. Cycles to "
        "recover: until 80 % of it are reached, one more than the block has if they never "
        "are. Old weights: relative change, in the reversal, of those that were right before."
    )
    return "Rival rules", caption, rivals.rivals_figure(ds, scores), rivals.rival_table(ds, scores)


def _gradients(ds):
    cosines = gradients.gradient_cosines(ds)
    return gradients.gradients_figure(cosines), gradients.gradient_table(cosines)
