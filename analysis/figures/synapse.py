"""Figures of the synapse bench: what the in-vitro experiment says about each rule."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.figures.circuit import plain_ticks, style
from analysis.observables.synapse import RACES

__all__ = [
    "plot_bars",
    "plot_derivative",
    "plot_levels",
    "plot_predictions",
    "plot_protocol",
    "plot_protocol_fits",
    "plot_robustness",
    "plot_rule_table",
]


_KINASES = "#0072B2", "#56B4E9", "#009E73", "#CC79A7"
_SIGNALS = {"calcium": "#4D4D4D", "calmodulin": "#E69F00", "CaMKII": "#0072B2", "DAPK1": "#D55E00"}
_SHADE = "#FBF1DC"
TITLES = {
    "theta_window": "theta window\n(Jang 2026)",
    "stdp_window": "STDP window\n(Bi & Poo 1998)",
    "pulse_frequency": "pulse frequency\n(Dudek & Bear 1992)",
    "pairing_frequency": "pairing frequency\n(Sjöström 2001)",
    "plateau_pairing": "plateau pairing\n(Bittner 2017)",
    "paired_recordings": "25 paired\nrecordings",
}


def subplots(*shape, **kwargs):
    """Return figure and axes in the style of the project."""
    import matplotlib.pyplot as plt

    with style():
        return plt.subplots(*shape, **kwargs)


def _halves(ds):
    return np.concatenate([[0.0], np.cumsum(np.atleast_1d(ds.attrs["phases_ms"]))])


def _shade(ax, ds):
    edges = _halves(ds)
    ax.axvspan(edges[-2], edges[-1], color=_SHADE, lw=0, zorder=0)


def _pretty(label) -> str:
    label = str(label)
    return label.replace("-", " → ") + " Hz" if label[:1].isdigit() else label


def rule_name(name) -> str:
    """Return the name of a rule as it is written in figures."""
    if str(name) == "glun2b":
        return "GluN2B, detailed"
    return str(name).replace("_", " ").replace("kinase ", "kinase: ")


def plot_protocol(ds: xr.Dataset, ax=None):
    """Draw the spikes of one window of each condition, pre above post.

    Parameters
    ----------
    ds : Dataset
        Of the bench.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax if ax is not None else subplots(figsize=(6.4, 2.8))[1]
    _shade(ax, ds)
    conditions = list(ds["condition"].values)
    for k, condition in enumerate(conditions):
        base = len(conditions) - 1 - k
        for side, colour, low in (("pre", "#0072B2", 0.42), ("post", "#D55E00", 0.08)):
            times = ds[f"example_{side}"].sel(condition=condition).values
            times = times[np.isfinite(times)]
            ax.vlines(times, base + low, base + low + 0.28, color=colour, lw=1.4)
    ax.set_yticks(np.arange(len(conditions))[::-1] + 0.4, [_pretty(c) for c in conditions])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    end = _halves(ds)[-1]
    ax.set_xlim(-4, end + 60)
    ax.set_ylim(-0.1, len(conditions) + 0.05)
    ax.text(end + 6, len(conditions) - 0.45, "pre", color="#0072B2", va="center")
    ax.text(end + 6, len(conditions) - 0.78, "post", color="#D55E00", va="center")
    ax.set_xlabel(
        f"time in the window (ms); {ds.attrs['repeats']} windows, "
        f"{ds.attrs['gap_ms']:g} ms of silence after each"
    )
    return ax


def plot_levels(ds: xr.Dataset, axes=None):
    """Draw calcium, calmodulin, CaMKII and DAPK1 through a window, one panel per condition.

    Parameters
    ----------
    ds : Dataset
        Of the bench.
    axes : sequence of Axes, optional
        One for each condition.

    Returns
    -------
    sequence of Axes
    """
    conditions = list(ds["condition"].values)
    if axes is None:
        _, axes = subplots(1, len(conditions), figsize=(9.6, 2.7), sharey=True)
    time = ds["signal_time"].values
    for ax, condition in zip(np.atleast_1d(axes), conditions, strict=True):
        _shade(ax, ds)
        for signal, colour in _SIGNALS.items():
            strong = signal in ("CaMKII", "DAPK1")
            level = ds["level"].sel(condition=condition, signal=signal).values
            ax.plot(time, level, color=colour, lw=1.8 if strong else 0.8,
                    alpha=1 if strong else 0.55, label=signal)  # fmt: skip
        ax.set_title(_pretty(condition))
        ax.set_xlabel("time (ms)")
        ax.set_xlim(time[0], time[-1])
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("level (1 = both cells at 50 Hz)")
    first.set_ylim(0, 1.05 * float(ds["level"].max()))
    np.atleast_1d(axes)[-2].legend(loc="upper right")
    return axes


def plot_bars(ds: xr.Dataset, rules=None, train="regular", ax=None):
    """Draw the model's EPSPs as points over the published bars with their SEM.

    Parameters
    ----------
    ds : Dataset
        Of the bench.
    rules : sequence of str, optional
        The kinase rules by default.
    train : str
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax if ax is not None else subplots(figsize=(4.4, 3.0))[1]
    if rules is None:
        rules = [r for r in ds["rule"].values if str(r).startswith(RACES)]
    x = np.arange(ds.sizes["condition"])
    mean, sem = ds["published_mean"].values, ds["published_sem"].values
    ax.bar(x, mean - 1, bottom=1, width=0.72, color="#DDDDDD", zorder=1)
    ax.errorbar(x, mean, sem, fmt="none", ecolor="#777777", capsize=4, lw=1.2, zorder=2)
    shift = np.linspace(-0.22, 0.22, len(rules)) if len(rules) > 1 else [0.0]
    cycle = [*_KINASES, "#E69F00", "#D55E00", "#4D4D4D", "#999933", "#882255"]
    marks = "osDv^<>Ph"
    for k, rule in enumerate(rules):
        value = ds["epsp"].sel(rule=rule, train=train).values
        chi2 = float(ds["chi2"].sel(rule=rule, train=train))
        ax.plot(x + shift[k], value, marks[k % len(marks)], ms=5.5, color=cycle[k % len(cycle)],
                mec="white", mew=0.6, zorder=3,
                label=f"{rule_name(rule)}, χ² {chi2:.2f}")  # fmt: skip
    ax.axhline(1, color="black", lw=0.8)
    ax.set_xticks(x, [_pretty(c) for c in ds["condition"].values])
    ax.set_ylabel("EPSP, after / before")
    ax.set_ylim(0.5, 1.75)
    ax.set_title(f"{train} trains")
    ax.legend(loc="upper right", fontsize=7)
    return ax


def plot_rule_table(ds: xr.Dataset, ax=None):
    """Draw the table rule x protocol: mean chi2 per condition over that of no change.

    Parameters
    ----------
    ds : Dataset
        Of the bench.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax if ax is not None else subplots(figsize=(9.0, 4.6))[1]
    score, null = ds["score"].values, ds["score_null"].values
    gain, frozen = ds["score_gain"].values, ds["score_gain"].sel(protocol="theta_window").values
    ratio = score / null
    ax.imshow(np.clip(ratio, 0, 1), cmap="RdYlGn_r", vmin=0, vmax=1.25, aspect="auto",
              origin="upper", alpha=0.75)  # fmt: skip
    for i in range(score.shape[0]):
        for j in range(score.shape[1]):
            turned = frozen[i] * gain[i, j] < 0
            ax.text(j, i, f"{score[i, j]:.2f}{' *' if turned else ''}", ha="center", va="center",
                    fontsize=8)  # fmt: skip
    n = len(score)
    for j, value in enumerate(null):
        ax.text(j, n, f"{value:.1f}", ha="center", va="center", fontsize=8, color="#555555")
    ax.set_yticks(
        np.arange(n + 1), [*(rule_name(r) for r in ds["rule"].values), "no change anywhere"]
    )
    protocols = [TITLES.get(str(p), str(p)) for p in ds["protocol"].values]
    ax.set_xticks(np.arange(len(protocols)), protocols)
    ax.xaxis.tick_top()
    ax.set_ylim(n + 0.5, -0.5)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def plot_robustness(ds: xr.Dataset, ax=None):
    """Draw chi2 with each constant moved, for each kinase rule.

    Parameters
    ----------
    ds : Dataset
        Of the bench.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax if ax is not None else subplots(figsize=(6.4, 3.0))[1]
    rules = [r for r in ds["rule"].values if np.isfinite(ds["robust_chi2"].sel(rule=r)).any()]
    x = np.arange(ds.sizes["constant"])
    for k, rule in enumerate(rules):
        value, kept = ds["robust_chi2"].sel(rule=rule), ds["robust_order"].sel(rule=rule)
        for s, marker in enumerate(("v", "^")):
            at = x + 0.2 * (k - (len(rules) - 1) / 2) + (s - 0.5) * 0.08
            v, ok = value.isel(change=s).values, kept.isel(change=s).values == 1
            colour = _KINASES[k % 4]
            ax.plot(at[ok], v[ok], marker, color=colour, ms=5,
                    label=rule_name(rule) if s == 0 else None)  # fmt: skip
            lost = np.isfinite(v) & ~ok
            ax.plot(at[lost], v[lost], marker, mfc="white", mec=colour, ms=5)
    ax.axhline(1, color="black", lw=0.8, ls=":")
    ax.axhline(float(ds["chi2_null"]), color="#777777", lw=0.8, ls="--")
    ax.text(x[-1] + 0.5, float(ds["chi2_null"]), "no change", ha="right", va="bottom",
            color="#777777", fontsize=8)  # fmt: skip
    ax.set_yscale("log")
    plain_ticks(ax.yaxis)
    ax.set_xticks(x, [str(c) for c in ds["constant"].values])
    down, up = (str(c) for c in ds["change"].values)
    ax.set_ylabel("χ², gain refitted")
    ax.set_title(f"▼ {down}   ▲ {up}   open: order of conditions lost")
    ax.set_ylim(top=150)
    ax.legend(loc="upper left", ncols=4, columnspacing=0.8)
    return ax


def plot_predictions(ds: xr.Dataset, ax=None):
    """Draw the EPSPs of the conditions that were held back from the fit.

    Parameters
    ----------
    ds : Dataset
        Of the bench.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax if ax is not None else subplots(figsize=(6.4, 3.6))[1]
    labels = [str(p) for p in ds["prediction"].values]
    y = np.arange(len(labels))[::-1]
    shown = (r for r in ds["rule"].values if str(r).startswith(RACES))
    for k, rule in enumerate(shown):
        value = ds["epsp_prediction"].sel(rule=rule).values
        colour = (*_KINASES[:4], "#4D4D4D")[k % 5]
        ax.plot(value, y + 0.15 * (1.5 - k), "osDv^"[k % 5], color=colour, ms=5,
                label=rule_name(rule))  # fmt: skip
    ax.axvline(1, color="black", lw=0.8)
    ax.set_yticks(y, labels, fontsize=7)
    ax.set_xlabel("EPSP, after / before")
    ax.legend(loc="best")
    return ax


def plot_protocol_fits(ds: xr.Dataset, protocol: str, rules=None, ax=None):
    """Draw a published protocol's EPSPs and those of some rules with their best gain.

    Parameters
    ----------
    ds : Dataset
        Of the bench.
    protocol : str
    rules : sequence of str, optional
        By default the first one, by convention the circuit's, ``kinase_joint`` and the best.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = ax if ax is not None else subplots(figsize=(4.6, 2.8))[1]
    if rules is None:
        best = str(ds["score"].sel(protocol=protocol).idxmin("rule").values)
        joint = [r for r in ("kinase_joint",) if r in ds["rule"].values]
        rules = list(dict.fromkeys([str(ds["rule"].values[0]), *joint, best]))
    labels = [str(v) for v in ds[f"{protocol}_condition"].values]
    x = np.arange(len(labels))
    ax.errorbar(x, ds[f"{protocol}_mean"], ds[f"{protocol}_sem"], fmt="o", color="#777777",
                ms=4, capsize=2, lw=1, label="published")  # fmt: skip
    for rule in rules:
        score = float(ds["score"].sel(rule=rule, protocol=protocol))
        ax.plot(x, ds[f"{protocol}_epsp"].sel(rule=rule), ".-", lw=1,
                color={rules[0]: "#0072B2", "kinase_joint": "#009E73"}.get(rule, "#D55E00"),
                label=f"{rule_name(rule)}, {score:.1f}")  # fmt: skip
    ax.axhline(1, color="black", lw=0.8)
    size = 5 if len(labels) > 15 else 7
    ax.set_xticks(x, labels, rotation=90, fontsize=size)
    ax.set_title(TITLES.get(protocol, protocol).replace("\n", " "))
    ax.legend(loc="best", fontsize=6.5)
    return ax


def plot_derivative(ds: xr.Dataset, axes=None):
    """Draw what flat trains, other silences and other cycles do to each rule that was tried.

    Parameters
    ----------
    ds : Dataset
        Of the bench.
    axes : sequence of three Axes, optional

    Returns
    -------
    sequence of Axes
    """
    if axes is None:
        axes = subplots(1, 3, figsize=(9.6, 2.8))[1]
    first, second, third = axes
    rules = [r for r in ds["rule"].values if np.isfinite(ds["flat_epsp"].sel(rule=r)).any()]
    for k, rule in enumerate(rules):
        one, colour = ds.sel(rule=rule), _KINASES[k % 4]
        for state, line in (("onset", "o-"), ("steady", "o:")):
            first.plot(ds["flat_rate"], one["flat_epsp"].sel(flat_state=state), line, ms=3,
                       color=colour, label=f"{rule_name(rule)}, {state}")  # fmt: skip
        second.plot(one["gap_chi2"], "o", color=colour, label=rule_name(rule))
        third.plot(one["cycle_epsp"].sel(condition=ds["condition"][0]), "^-", color=colour)
        third.plot(one["cycle_epsp"].sel(condition=ds["condition"][1]), "v-", color=colour)
    first.axhspan(0.9, 1.2, color=_SHADE, lw=0, zorder=0)
    first.set(xlabel="flat rate (Hz)", ylabel="EPSP, after / before")
    first.legend(fontsize=6)
    second.set_xticks(range(ds.sizes["gap"]), ds["gap"].values)
    second.set(xlabel="silence between windows", ylabel="χ², same gain", yscale="log")
    plain_ticks(second.yaxis)
    third.set_xticks(range(ds.sizes["cycle_length"]), ds["cycle_length"].values, rotation=45)
    up, down = (_pretty(c) for c in ds["condition"].values[:2])
    third.set(xlabel="cycle", title=f"▲ {up}   ▼ {down}")
    return axes


def plot_whole_cell(ds: xr.Dataset, axes=None):
    """Draw the potential under the published current steps, and the rates that came out.

    Parameters
    ----------
    ds : Dataset
        Of the bench, with ``whole_cell_*``.
    axes : sequence of Axes, optional
        One for each condition.

    Returns
    -------
    sequence of Axes
    """
    labels = [str(c) for c in ds["condition"].values]
    if axes is None:
        axes = subplots(1, len(labels), figsize=(2.4 * len(labels), 2.4), sharey=True)[1]
    for ax, label in zip(np.atleast_1d(axes), labels, strict=True):
        one = ds.sel(condition=label)
        ax.plot(ds["whole_cell_time"], one["whole_cell_v"], color="black", lw=0.6)
        _shade(ax, ds)
        first, second = one["whole_cell_post_rate"].values
        steps = " then ".join(f"{v:g}" for v in one["whole_cell_step"].values)
        ax.set_title(f"{_pretty(label)}\n{steps} pA\n{first:.0f} then {second:.0f} Hz", fontsize=8)
        ax.set_xlabel("time (ms)")
    np.atleast_1d(axes)[0].set_ylabel("soma (mV)")
    return axes


def plot_constants(ds: xr.Dataset, ax=None):
    """Draw how far each changed constant of the detailed synapse lies from its published value."""
    ax = ax if ax is not None else subplots(figsize=(5.4, 3.0))[1]
    names = [str(n) for n in ds["glun2b_constant"].values]
    fitted, published = ds["glun2b_fitted"].values, ds["glun2b_published"].values
    y = np.arange(len(names))[::-1]
    known = published > 0
    ax.barh(y[known], np.log10(fitted[known] / published[known]), color="#4D4D4D")
    for k in np.flatnonzero(~known):
        ax.text(0.05, y[k], "not in the published scheme", va="center", fontsize=7)
    ax.axvline(0, color="black", lw=0.8)
    units = ds["glun2b_unit"].values
    labels = [f"{n} = {v:.3g} {u}" for n, v, u in zip(names, fitted, units, strict=True)]
    ax.set_yticks(y, labels, fontsize=7)
    ax.set_xlabel("log10 of fitted over published")
    return ax
