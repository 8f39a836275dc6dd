"""Figures of a circuit run: each takes data and an axis, and returns the axis.

What is plotted is computed in the modules of measures; the units on an axis come from the data.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files

import matplotlib
import matplotlib.style
import numpy as np
import xarray as xr
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from analysis.data import schema
from analysis.figures.diagram import GREY, plot_circuit
from analysis.measures.spikes import population_rate

__all__ = [
    "plot_aligned_rates",
    "plot_burst_phases",
    "plot_circuit",
    "plot_conditions",
    "plot_context",
    "plot_pattern",
    "plot_pattern_correlation",
    "plot_phase_rates",
    "plot_population_rates",
    "plot_raster",
    "plot_spectrum",
    "population_colours",
    "style",
]

_PLUS_SHADE = "#FBF1DC"
# fonts of scripts that the first one lacks
_WIDE = (
    "Noto Sans CJK",
    "Source Han Sans",
    "WenQuanYi",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun",
)
_PRETTY = {"1": "", "Hz**2/Hz": "Hz²/Hz", "nA**2/Hz": "nA²/Hz",
           "uA/cm**2": "µA/cm²", "uM": "µM"}  # fmt: skip


@contextmanager
def style():
    """Draw in the project's style inside a ``with`` block, whatever a user's matplotlibrc says."""
    own = str(files("analysis.figures") / "style.mplstyle")
    with matplotlib.style.context(["default", own, {"font.family": _fonts()}]):
        yield
        # the first figure of a notebook turns it on, for all that follow
        interactive = matplotlib.is_interactive()
    matplotlib.interactive(interactive)


@cache
def _fonts() -> list[str]:
    """Return the font of the figures, and those installed for the letters that it lacks."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *sorted(name for name in installed if name.startswith(_WIDE))]


def plain_ticks(axis) -> None:
    """Label an axis of logarithms without mathtext: a dollar in a name is a dollar."""
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def axis(ax, figsize, **kwargs):
    """Return ``ax``, or where it is None the axis of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, subplot_kw=kwargs or None)[1]


def named(name, units):
    """Return a label with its units."""
    units = _PRETTY.get(units, units)
    return f"{name} ({units})" if units else name


def population_colours(ds: xr.Dataset) -> dict[str, str]:
    """Return the colour of each population, that of its table."""
    return {row["name"]: row["colour"] or GREY for row in schema.population_table(ds)}


def shade_plus(ax, ds, t_start, t_stop):
    """Shade plus phases; axis in s."""
    start, plus = ds["cycle_start"].values, ds["plus_start"].values
    length = schema.cycle_length(ds)
    for begin, end in zip(plus, start + length, strict=True):
        if begin < t_stop and end > t_start:
            ax.axvspan(max(begin, t_start), min(end, t_stop), color=_PLUS_SHADE, lw=0, zorder=0)


def first_cycles(ds, n_cycle):
    """Return start and end of the first cycles, s."""
    start, length = ds["cycle_start"].values, schema.cycle_length(ds)
    return float(start[0]), float(start[min(n_cycle, start.size) - 1]) + length


def plot_raster(ds: xr.Dataset, n_cycle: int = 6, max_cells: int = 48, ax=None):
    """Draw spikes by population, plus phases shaded, from the first cycle on.

    Parameters
    ----------
    ds : Dataset
        One run.
    n_cycle : int
    max_cells : int
        Of a larger population this many cells are shown, evenly chosen in the order of their
        positions.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = axis(ax, (10, 7))
    t_start, t_stop = first_cycles(ds, n_cycle)
    shade_plus(ax, ds, t_start, t_stop)
    colours = population_colours(ds)
    ticks, labels, base = [], [], 0
    for name in reversed(schema.populations_by_area(ds)):
        cells = schema.cell_index(ds, name)
        cells = cells[np.argsort(ds["neuron_channel"].values[cells], kind="stable")]
        if cells.size > max_cells:
            cells = cells[np.linspace(0, cells.size - 1, max_cells).round().astype(int)]
        time, index = schema.spikes_of(ds, cells)
        shown = (time >= t_start) & (time < t_stop)
        # one broken line is small as SVG, a marker for each spike is not
        y = np.outer(base + index[shown], [1, 1, np.nan]) + np.array([-0.6, 0.6, 0])
        ax.plot(np.repeat(time[shown], 3), y.ravel(), lw=1, color=colours[name],
                solid_capstyle="butt")  # fmt: skip
        height = max(cells.size, 14)
        ax.axhline(base - 1.5, color="#DDDDDD", linewidth=0.6, zorder=0.5)
        ticks.append(base + cells.size / 2)
        labels.append(name)
        base += height + 3
    ax.set_yticks(ticks, labels)
    for label in ax.get_yticklabels():
        label.set_color(colours[label.get_text()])
        label.set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(t_start, t_stop)
    ax.set_ylim(-3, base)
    ax.set_xlabel(named("time", ds["spike_time"].attrs["units"]))
    return ax


def plot_population_rates(
    ds: xr.Dataset,
    populations: tuple[str, ...] = ("driver", "predictor", "relay"),
    n_cycle: int = 6,
    bin_size: float = 5e-3,
    ax=None,
):
    """Draw the rates of some populations over time, plus phases shaded.

    Parameters
    ----------
    ds : Dataset
        One run.
    populations : tuple of str
        Those that the run has are drawn.
    n_cycle : int
    bin_size : float, s
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = axis(ax, (10, 2))
    t_start, t_stop = first_cycles(ds, n_cycle)
    shade_plus(ax, ds, t_start, t_stop)
    colours = population_colours(ds)
    for wanted in populations:
        with suppress(schema.AnalysisError):
            name = schema.population_name(ds, wanted)
            cells = schema.cell_index(ds, name)
            time, _ = schema.spikes_of(ds, cells)
            centre, rate = population_rate(time, cells.size, t_start, t_stop, bin_size)
            ax.plot(centre, rate, color=colours[name], label=name)
    ax.set_xlim(t_start, t_stop)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(named("time", ds["spike_time"].attrs["units"]))
    ax.set_ylabel("rate (Hz)")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=3, borderaxespad=0)
    return ax


def plot_phase_rates(rates: xr.Dataset, colours: dict[str, str] | None = None, ax=None):
    """Draw the mean rate of each population in the minus and the plus phase.

    Parameters
    ----------
    rates : Dataset
        From `analysis.measures.theta.phase_rates`; bars are means over cells, whiskers the standard
        deviation over cells.
    colours : dict, optional
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = axis(ax, (10, 3))
    names = rates["population"].values.astype(str).tolist()
    x = np.arange(len(names))
    colours = [(colours or {}).get(name, "#777777") for name in names]
    for phase, shift, hatch in (("minus", -0.2, None), ("plus", 0.2, None)):
        mean, sd = rates["mean"].sel(phase=phase).values, rates["sd"].sel(phase=phase).values
        look = {"facecolor": "white"} if phase == "minus" else {"color": colours}
        ax.bar(x + shift, mean, 0.38, edgecolor=colours, linewidth=1.4, hatch=hatch, **look)
        below = np.minimum(sd, mean)
        ax.errorbar(x + shift, mean, [below, sd], fmt="none", ecolor="#444444", elinewidth=0.8)
    ax.set_xticks(x, names, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_ylabel(named("rate", rates["mean"].attrs["units"]))
    ax.set_ylim(bottom=0)
    ax.bar([np.nan], [0], facecolor="white", edgecolor="#444444", label="minus")
    ax.bar([np.nan], [0], facecolor="#444444", edgecolor="#444444", label="plus")
    ax.legend(loc="upper right", ncols=2)
    return ax


def plot_burst_phases(phases: xr.DataArray, n_bins: int = 24, colour: str | None = None, ax=None):
    """Draw a polar histogram of burst onsets in the theta cycle, plus phase shaded.

    Parameters
    ----------
    phases : DataArray (burst), rad
        From `analysis.measures.theta.burst_phases`.
    n_bins : int
    colour : str, optional
    ax : polar Axes, optional

    Returns
    -------
    Axes
    """
    from analysis.measures.theta import mean_phase, phase_histogram, vector_strength

    ax = axis(ax, (4, 4), projection="polar")
    edges, count = phase_histogram(phases.values, n_bins)
    share = count / max(count.sum(), 1)
    top = max(share.max(), 1e-3) * 1.08
    plus = phases.attrs.get("plus_phase", np.pi)
    ax.fill_between(np.linspace(plus, 2 * np.pi, 90), 0, top, color=_PLUS_SHADE, lw=0, zorder=0)
    width = edges[1] - edges[0]
    colour = colour or GREY
    ax.bar(edges[:-1] + width / 2, share, width, color=colour, edgecolor="white", linewidth=0.5)
    strength, direction = vector_strength(phases.values), mean_phase(phases.values)
    if phases.size:
        arrow = {
            "arrowstyle": "-|>",
            "color": "black",
            "linewidth": 1.6,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        ax.annotate("", (direction, strength * top), (0, 0), arrowprops=arrow, zorder=5)
    ax.set_theta_zero_location("N")
    ax.set_theta_direction(-1)
    ax.set_xticks([0, np.pi / 2, np.pi, 3 * np.pi / 2], ["0", "90°", "180°", "270°"])
    ax.set_ylim(0, top)
    ax.set_yticks([top / 1.08], [f"{100 * top / 1.08:.0f} %"])
    ax.grid(color="#BBBBBB", linewidth=0.5)
    ax.set_title(
        f"{phases.attrs.get('long_name', 'events')}\nn = {phases.size}, vector strength "
        f"{strength:.2f}",
        fontsize=9,
        loc="center",
    )
    return ax


def plot_context(course: xr.Dataset, ax=None):
    """Draw whose outcome a population tells through the cycle, and when that switches.

    Parameters
    ----------
    course : Dataset
        From `analysis.measures.context.context_course`.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    from analysis.measures.context import switch_time

    ax = axis(ax, (4, 2.8))
    time = 1e3 * course["time"].values
    rate = ax.twinx()
    rate.fill_between(time, course["rate"], color="#DDDDDD", lw=0)
    rate.set(ylabel="rate (Hz)", ylim=(0, None))
    ax.set_zorder(rate.get_zorder() + 1)
    ax.patch.set_visible(False)
    for name, colour in (("before", "#0072B2"), ("now", "#D55E00")):
        ax.plot(time, course[name], "o-", ms=3, color=colour, label=f"outcome {name}")
    switch = 1e3 * switch_time(course)
    if np.isfinite(switch):
        ax.annotate(f"{switch:.0f} ms", (switch, 0), (switch, 0.5), ha="center",
                    arrowprops={"arrowstyle": "->"})  # fmt: skip
    ax.set(xlabel="time in the cycle (ms)", ylabel="correlation", ylim=(-0.3, 1))
    ax.legend(fontsize=7, loc="lower left")
    return ax


def plot_pattern(
    pattern: xr.DataArray, ax=None, v_max: float | None = None, colour_bar: bool = True
):
    """Draw a pattern over channels and cycles as an image.

    Parameters
    ----------
    pattern : DataArray (cycle, channel)
    v_max : float, optional
        Upper end of the colour scale.
    colour_bar : bool
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = axis(ax, (5, 3))
    image = pattern.transpose("channel", "cycle")
    shape = image.sizes
    mesh = ax.imshow(
        image.values,
        aspect="auto",
        vmin=min(0.0, float(np.nanmin(image.values, initial=0.0))),
        vmax=v_max,
        extent=(-0.5, shape["cycle"] - 0.5, -0.5, shape["channel"] - 0.5),
    )
    ax.set_xlabel("cycle")
    ax.set_ylabel("channel")
    ax.set_title(pattern.attrs.get("long_name", ""), fontsize=9, y=1)
    if colour_bar:
        bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02, fraction=0.05)
        bar.outline.set_visible(False)
        units = pattern.attrs.get("units", "1")
        bar.set_label("drive" if units == "1" else units, fontsize=8)
    return ax


def plot_pattern_correlation(series: dict[str, np.ndarray], ax=None):
    """Draw pattern correlations over cycles; a gap is a cycle in which one is undefined.

    Parameters
    ----------
    series : dict of str to (n_cycle,) array
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = axis(ax, (10, 2.2))
    for (label, r), colour in zip(series.items(), ("#0072B2", "#D55E00", "#999999"), strict=False):
        r = np.asarray(r, float)
        mean = f"{np.nanmean(r):.2f}" if np.isfinite(r).any() else "undefined"
        missing = int(np.isnan(r).sum())
        note = f"{label}: mean {mean}" + (f", {missing} undefined" if missing else "")
        ax.plot(np.arange(r.size), r, marker="o", markersize=3, color=colour, label=note)
    ax.axhline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    ax.set_ylim(-1.05, 1.05)
    ax.set_xlabel("cycle")
    ax.set_ylabel("Pearson r")
    # beside each other, long ones would leave the axes no width
    long = sum(len(line.get_label()) for line in ax.lines[: len(series)]) > 130
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1 if long else 3)
    return ax


def plot_aligned_rates(rates: xr.DataArray, colours: dict[str, str] | None = None, ax=None):
    """Draw population rates through the mean theta cycle, one above the other.

    Parameters
    ----------
    rates : DataArray (population, time), Hz
        From `analysis.measures.theta.aligned_rates`.
    colours : dict, optional
    ax : Axes, optional

    Returns
    -------
    Axes
        Each population is scaled to its own maximum, which is written beside it.
    """
    names = rates["population"].values.astype(str).tolist()
    ax = axis(ax, (6, 0.45 * len(names) + 1))
    plus, length = rates.attrs["plus_start_s"] * 1e3, rates.attrs["cycle_length_s"] * 1e3
    edges = np.linspace(0, length, rates.sizes["time"] + 1)
    ax.axvspan(plus, length, color=_PLUS_SHADE, lw=0, zorder=0)
    for row, name in enumerate(reversed(names)):
        rate = rates.sel(population=name).values
        peak = rate.max(initial=0)
        height = 0.85 * rate / peak if peak > 0 else 0 * rate
        colour = (colours or {}).get(name, "#777777")
        ax.stairs(row + height, edges, baseline=row, fill=True, color=colour, alpha=0.85)
        ax.text(length * 1.01, row + 0.15, f"{peak:.0f} Hz", fontsize=7, color="#444444")
    ax.set_yticks(np.arange(len(names)) + 0.3, names[::-1])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlim(0, length)
    ax.set_ylim(-0.1, len(names))
    ax.set_xlabel("time in cycle (ms)")
    return ax


def plot_spectrum(spectra: dict[str, xr.DataArray], f_max: float = 60.0, colours=None, ax=None):
    """Draw power spectra.

    Parameters
    ----------
    spectra : dict of str to DataArray (frequency)
        From `analysis.measures.spectra.spectrum`; each is divided by its sum up to ``f_max``, so
        that signals of different units share the axis.
    f_max : float, Hz
    colours : dict, optional
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = axis(ax, (6, 3))
    for name, psd in spectra.items():
        band = (psd["frequency"].values > 0) & (psd["frequency"].values <= f_max)
        power = psd.values[band]
        if power.sum() > 0:
            colour = (colours or {}).get(name)
            ax.semilogy(
                psd["frequency"].values[band], power / power.sum(), label=name, color=colour
            )
            plain_ticks(ax.yaxis)
    ax.set_xlim(0, f_max)
    ax.set_xlabel(named("frequency", "Hz"))
    ax.set_ylabel("share of power")
    if ax.lines:
        ax.legend(loc="upper right", frameon=True, framealpha=0.85, edgecolor="none")
    return ax


def plot_conditions(values: xr.DataArray, ax=None):
    """Draw an observable by condition: a dot for each seed, a bar for the mean.

    Parameters
    ----------
    values : DataArray (condition, seed)
        With ``units`` and ``long_name``; NaN where undefined.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = axis(ax, (4, 3))
    names = values["condition"].values.astype(str).tolist()
    grid = values.transpose("condition", "seed").values
    spread = np.linspace(-0.15, 0.15, grid.shape[1]) if grid.shape[1] > 1 else np.zeros(1)
    for x, row in enumerate(grid):
        ax.plot(x + spread, row, "o", color="#0072B2", markersize=3.5, alpha=0.8)
        if np.isnan(row).any():
            ax.text(x, 0.02, "undefined", rotation=90, fontsize=7, color="#B34700", ha="center",
                    transform=ax.get_xaxis_transform())  # fmt: skip
        else:
            ax.plot([x - 0.28, x + 0.28], [row.mean()] * 2, color="black", linewidth=1.6)
    ax.axhline(0, color="#CCCCCC", linewidth=0.7, zorder=0)
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_title(named(values.attrs["long_name"], values.attrs["units"]), fontsize=9)
    return ax
