"""Observables of the synapse bench."""

from __future__ import annotations

import json

from analysis.observables.registry import observable

__all__ = ["RACES"]

RACES = ("kinase", "glun2b")  # names of the rules in which two kinases race


def _chi2(ds):
    """Give chi2 of the mean over seeds, or of the one seed that is left of them."""
    return ds["chi2"] if "seed" in ds.dims else ds["chi2_seed"]


@observable("1", "synapse")
def synapse_chi2(ds, rule, train="regular"):
    """Sum over conditions of ((model - published mean) / SEM) squared."""
    return float(_chi2(ds).sel(rule=rule, train=train))


@observable("1", "synapse")
def synapse_epsp(ds, rule, condition, train="regular"):
    """EPSP after induction relative to before."""
    return float(ds["epsp"].sel(rule=rule, train=train, condition=condition))


@observable("1", "synapse")
def synapse_whole_cell_chi2(ds, rule):
    """Give chi2 of the experiment with current steps instead of clamped postsynaptic spikes."""
    return float(ds["whole_cell_chi2"].sel(whole_cell_rule=rule))


@observable("Hz", "synapse")
def synapse_whole_cell_rate(ds, condition, half):
    """Give the postsynaptic rate that came out of the current steps."""
    return float(ds["whole_cell_post_rate"].sel(condition=condition, half=half))


@observable("1", "synapse")
def synapse_order_kept(ds, rule):
    """Share of the moved constants for which the order of conditions is kept."""
    return float(ds["robust_order"].sel(rule=rule).mean(skipna=True))


@observable("1", "synapse")
def synapse_robust_chi2(ds, rule):
    """Largest chi2 over all moved constants, the gain refitted."""
    return float(ds["robust_chi2"].sel(rule=rule).max(skipna=True))


@observable("1", "synapse")
def synapse_flat_extreme(ds, rule, state, extreme):
    """Give the highest ("max") or lowest ("min") EPSP that flat trains of any rate leave."""
    values = ds["flat_epsp"].sel(rule=rule, flat_state=state)
    return float(getattr(values, extreme)(skipna=False))


@observable("1", "synapse")
def synapse_gap_chi2(ds, rule, gap):
    """Give chi2 with another silence between the windows, the gain kept."""
    return float(ds["gap_chi2"].sel(rule=rule, gap=gap))


@observable("1", "synapse")
def synapse_cycle_order(ds, rule):
    """Share of the lengths of the cycle at which the order of conditions is kept."""
    return float(ds["cycle_order"].sel(rule=rule).mean(skipna=False))


@observable("1", "synapse")
def synapse_fitted(ds, rule):
    """Count the fitted constants of a rule, the gain of the bench left out."""
    return float(sum(row["mark"] == "F" for row in json.loads(ds.attrs["synapse"])[rule]))


@observable("1", "synapse")
def synapse_best_rival(ds, train="regular"):
    """Smallest chi2 of the rules that race no kinases."""
    rivals = [r for r in ds["rule"].values if not str(r).startswith(RACES)]
    return float(_chi2(ds).sel(rule=rivals, train=train).min())


@observable("1", "synapse")
def synapse_score(ds, rule, protocol):
    """Mean chi2 per condition in a published protocol, with the best gain there."""
    return float(ds["score"].sel(rule=rule, protocol=protocol))


@observable("1", "synapse")
def synapse_share(ds, rule, protocol):
    """Share of the conditions of a published protocol within 2 SEM."""
    return float(ds["share_within_2sem"].sel(rule=rule, protocol=protocol))


@observable("1", "synapse")
def synapse_exact_error(ds):
    """Largest relative error of the event-driven closed form."""
    return float(ds["exact_error"].max())


@observable("1", "synapse")
def synapse_binned_error(ds, bin, rule):
    """Largest RMS error of dw of the binned form over the tested rates."""
    return float(ds["binned_error"].sel(bin=bin, form_rule=rule).max())
