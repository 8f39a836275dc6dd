"""The rules by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cells.parameters import InputError, nearest
from circuits.plasticity.rules.bcm import bcm
from circuits.plasticity.rules.btsp import btsp
from circuits.plasticity.rules.calcium import calcium
from circuits.plasticity.rules.covariance import covariance
from circuits.plasticity.rules.kinase import kinase
from circuits.plasticity.rules.rule import Rule
from circuits.plasticity.rules.stdp import stdp

__all__ = ["RULES", "WHY", "rule"]

RULES: dict[str, Callable[[], Rule]] = {
    "kinase_ratio": partial(kinase, "ratio"),
    "kinase_difference": partial(kinase, "difference"),
    "kinase_latch": partial(kinase, "latch"),
    "kinase_joint": partial(kinase, "joint"),
    "pair_song": partial(stdp, "pair_song"),
    "pair_bi_poo": partial(stdp, "pair_bi_poo"),
    "triplet_visual": partial(stdp, "triplet_visual"),
    "triplet_hippocampus": partial(stdp, "triplet_hippocampus"),
    "calcium_hippocampal_slices": partial(calcium, "hippocampal_slices"),
    "calcium_hippocampal_cultures": partial(calcium, "hippocampal_cultures"),
    "calcium_cortical_slices": partial(calcium, "cortical_slices"),
    "bcm": bcm,
    "covariance": covariance,
    "btsp": btsp,
}

WHY = {
    "kinase_ratio": "Reads CaMKII minus DAPK1 over their sum near the end: a bounded derivative.",
    "kinase_difference": "The same derivative without the sum: grows with the square of the rate.",
    "kinase_latch": "The same ratio, noted at spikes and committed when DAPK1 falls.",
    "kinase_joint": "The self-timed form with eight constants fitted to four protocols together.",
    "pair_song": "Sums over spike pairs, of which the two orders of the halves have the same.",
    "pair_bi_poo": "Sums over spike pairs, of which the two orders of the halves have the same.",
    "triplet_visual": "Grows with rate; its 114-ms trace tells the orders apart only slightly.",
    "triplet_hippocampus": "Grows with rate; the orders differ only at the border of the halves.",
    "calcium_hippocampal_slices": "Counts the time above thresholds, whenever it is spent.",
    "calcium_hippocampal_cultures": "Counts the time above thresholds, whenever it is spent.",
    "calcium_cortical_slices": "Counts the time above thresholds, whenever it is spent.",
    "bcm": "Depends on the rates of the moment; the order of the halves leaves only trace tails.",
    "covariance": "Both sides change together in every condition, so the covariance is positive.",
    "btsp": "Needs a plateau potential, and the experiment has none.",
}
"""Why each rule scores as it does in the theta-window experiment, in one sentence."""


def rule(name: str) -> Rule:
    """Return the rule of that name with its published parameters; InputError names the nearest."""
    if name not in RULES:
        raise InputError(f"rule '{name}'{nearest(name, RULES)}")
    return RULES[name]()
