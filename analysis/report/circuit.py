"""What the report of a circuit run shows, in order."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from analysis import observables
from analysis.data import schema
from analysis.figures import circuit, diagram
from analysis.figures.recordings import recordings_figure
from analysis.measures import context, patterns, spectra, theta

__all__ = ["Section", "circuit_sections", "phase_rate_table"]


@dataclass(frozen=True)
class Section:
    """A titled figure or table of the page, or a note where it cannot be drawn.

    Attributes
    ----------
    title, caption : str
    figure : Figure or None
    table : (columns, rows) or None
        Names and texts.
    """

    title: str
    caption: str
    figure: Figure | None = None
    table: tuple[list[str], list[list[str]]] | None = None


def not_drawn(title: str, error: Exception) -> str:
    """Return the note that stands in the page for a figure that failed, and warn of it."""
    reason = (str(error).strip() or "no message").splitlines()[0]
    note = f"Not drawn: {type(error).__name__}: {reason}"
    warnings.warn(f"figure '{title}': {note}", RuntimeWarning, stacklevel=2)
    return note


def _named(ds, *roles):
    """Names of the populations that have the roles."""
    return [schema.population_name(ds, role) for role in roles]


def _present(ds, role):
    with suppress(schema.AnalysisError):
        return bool(_named(ds, role))
    return False


# --- figures of a circuit run --------------------------------------------------------------------


def _circuit(ds):
    figure = Figure(figsize=(11 + 7 * max(len(schema.loops(ds)) - 1, 0), 6.6))
    populations, projections = schema.population_table(ds), schema.projection_table(ds)
    diagram.plot_circuit(populations, projections, schema.loops(ds), figure.add_subplot())
    return figure


def _raster(ds):
    figure = Figure(figsize=(10.5, 9))
    upper, lower = figure.subplots(2, 1, height_ratios=(4.5, 1), sharex=True)
    circuit.plot_raster(ds, ax=upper)
    upper.set_xlabel("")
    circuit.plot_population_rates(ds, ax=lower)
    return figure


def _phase_rates(ds):
    figure = Figure(figsize=(10.5, 3.4))
    colours = circuit.population_colours(ds)
    circuit.plot_phase_rates(theta.phase_rates(ds), colours, figure.add_subplot())
    return figure


def phase_rate_table(runs: Mapping[str, xr.Dataset]) -> tuple[list[str], list[list[str]]]:
    """Return the rates of populations in each phase, Hz, of runs by what their columns are called.

    Returns
    -------
    columns : list of str
    rows : list of list of str
        Mean and standard deviation over cells.
    """
    columns: list[str] = ["population"]
    rows: dict[str, list[str]] = {}
    for name, ds in runs.items():
        rates = theta.phase_rates(ds)
        columns += [f"{name} {phase}, Hz".strip() for phase in rates["phase"].values]
        for k, population in enumerate(rates["population"].values):
            pairs = zip(rates["mean"].values[k], rates["sd"].values[k], strict=True)
            told = [f"{mean:.3g} ± {sd:.2g}" for mean, sd in pairs]
            rows.setdefault(str(population), [str(population)]).extend(told)
    return columns, list(rows.values())


def _burst_phases(ds):
    table = {row["name"]: row for row in schema.population_table(ds)}
    (driver,) = _named(ds, "driver")
    names = [n for n, row in table.items() if row["cell_class"] == table[driver]["cell_class"]]
    figure = Figure(figsize=(4.4 * len(names), 4.2))
    colours = circuit.population_colours(ds)
    axes = figure.subplots(1, len(names), subplot_kw={"projection": "polar"}, squeeze=False)[0]
    for name, ax in zip(names, axes, strict=True):
        circuit.plot_burst_phases(theta.burst_phases(ds, name), colour=colours[name], ax=ax)
    return figure


def _patterns(ds):
    figure = Figure(figsize=(11, 6.2))
    grid = figure.add_gridspec(2, 3, height_ratios=(2, 1.1))
    minus = patterns.pattern(ds, "relay", "minus")
    plus = patterns.pattern(ds, "relay", "plus")
    outcome = patterns.pattern(ds, "driver")
    stimulus = ds["stimulus"].transpose("cycle", "channel").assign_attrs(long_name="stimulus")
    top = float(np.nanmax([minus.max(), plus.max(), 1e-9]))
    for column, (image, v_max) in enumerate(((stimulus, None), (minus, top), (plus, top))):
        ax = figure.add_subplot(grid[0, column])
        circuit.plot_pattern(image, v_max=v_max, ax=ax)
        if column:
            ax.set_ylabel("")
    relay, driver = _named(ds, "relay", "driver")
    series = {
        f"plus {relay} and {driver}": patterns.pearson(plus.values, outcome.values),
        f"minus {relay} and {driver}": patterns.pearson(minus.values, outcome.values),
        f"plus {relay} and {driver} of other cycles": patterns.other_cycles(
            plus.values, outcome.values
        ),
    }
    circuit.plot_pattern_correlation(series, figure.add_subplot(grid[1, :]))
    return figure


def _context(ds):
    figure = Figure(figsize=(8, 2.8))
    courses = {}
    with suppress(schema.AnalysisError):  # the area of the driver may have none
        name = schema.beside(ds, "driver", "predictor")
        courses[name] = context.context_course(ds, name)
    courses[schema.population_name(ds, "predictor")] = context.context_course(ds)
    axes = figure.subplots(1, len(courses), squeeze=False)[0]
    for (name, course), ax in zip(courses.items(), axes, strict=True):
        circuit.plot_context(course, ax)
        ax.set_title(name, y=1)
    return figure


def _spectrum(ds):
    colours = circuit.population_colours(ds)
    names = _named(ds, "driver", "relay", "predictor")
    areas = [ds["area"].values[schema.cell_index(ds, "driver")[0]], schema.loop_of(ds)["cortex"]]
    curves = {n: spectra.spectrum(spectra.rate_signal(ds, n)) for n in names}
    figure = Figure(figsize=(10.5, 3.4))
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    circuit.plot_spectrum(curves, colours=colours, ax=left)
    try:
        proxies = {f"{a} LFP proxy": spectra.lfp_proxy(ds, a) for a in areas}
    except schema.AnalysisError:
        figure.delaxes(right)
    else:
        circuit.plot_spectrum({n: spectra.spectrum(x) for n, x in proxies.items()}, ax=right)
        right.set_ylabel("")
    return figure


def _aligned(ds):
    rates = theta.aligned_rates(ds)
    figure = Figure(figsize=(8, 0.36 * rates.sizes["population"] + 1))
    circuit.plot_aligned_rates(rates, circuit.population_colours(ds), figure.add_subplot())
    return figure


@dataclass(frozen=True)
class _Plan:
    title: str
    caption: str
    draw: Callable[[xr.Dataset], Figure]
    variables: tuple[str, ...] = ()
    populations: tuple[str, ...] = ()  # roles; with some, it is about a loop
    attributes: tuple[str, ...] = ()
    table: Callable[[xr.Dataset], tuple[list[str], list[list[str]]]] | None = None


_PLANS = (
    _Plan(
        "Circuit",
        "Drawn from the tables that built it. Thick: drivers; dashed: modulators; blue with a bar: "
        "inhibition. A number is the row of the connectivity table below.",
        _circuit,
        attributes=("populations", "projections"),
    ),
    _Plan(
        "Spikes",
        "The first six cycles after the warm-up, cells ordered by position, plus phases shaded; at "
        "most 48 cells of each population. Below: mean rates in 5 ms bins.",
        _raster,
    ),
    _Plan(
        "Rates by population and phase",
        "Mean over cells and cycles; whiskers: standard deviation over cells.",
        _phase_rates,
        variables=("rate",),
        table=lambda ds: phase_rate_table({"": ds}),
    ),
    _Plan(
        "When drivers burst",
        "Share of burst onsets (at least two spikes, intervals of at most 10 ms) by theta phase, "
        "clockwise from the start of the cycle; plus phase shaded. The arrow is the mean vector, "
        "full radius of the histogram = vector strength 1.",
        _burst_phases,
        populations=("driver",),
    ),
    _Plan(
        "Prediction and outcome",
        "Stimulus, pattern of the relay cells in the minus and in the plus phase, by channel and "
        "cycle; below, Pearson correlation over channels with the driver's pattern of the "
        "same cycle.",
        _patterns,
        variables=("rate", "stimulus"),
        populations=("driver", "relay"),
    ),
    _Plan(
        "The mean theta cycle",
        "Rate of each population through the cycle, 5 ms bins, each scaled to its own maximum "
        "(right); plus phase shaded.",
        _aligned,
    ),
    _Plan(
        "When the context switches",
        "Correlation of the predictor's pattern with that of the drivers of its area in the cycle "
        "before and in the cycle itself, in bins of 20 ms; grey, its rate. The arrow is where the "
        "context switches: only what comes before it can be associated with the outcome of the "
        "cycle.",
        _context,
        populations=("predictor", "driver"),
    ),
    _Plan(
        "Spectra",
        "Welch power spectra of population rates (left) and of an LFP proxy, the sum of absolute "
        "AMPA and GABA-A currents onto the excitatory cells of an area (right), each relative to "
        "its sum up to 60 Hz.",
        _spectrum,
        populations=("driver", "relay", "predictor"),
    ),
    _Plan(
        "Recordings",
        "What tables [[record]] of the run file kept: of cells and LFP proxies the first four "
        "cycles, of synapses all of the time; plus phases shaded. An LFP proxy is the sum of the "
        "absolute AMPA currents 6 ms ago and 1.65 times that of the GABA-A currents (Mazzoni et "
        "al. 2015), beside it its spectrum.",
        recordings_figure,
    ),
)


_COMPARED = (
    "burst_rate",
    "bursts_per_driven_cycle",
    "burst_plus_fraction",
    "burst_vector_strength",
    "isolated_spike_fraction",
    "plus_pattern_r",
    "minus_pattern_r",
    "idle_relay_rate",
)


def compared_conditions(ds):
    """Figure of key observables by condition; none where the run has no such observable."""
    panels = observables.all_by_condition(ds, _COMPARED)
    if not panels:
        return []
    figure = Figure(figsize=(11, 2.9 * -(-len(panels) // 4)))
    axes = figure.subplots(-(-len(panels) // 4), 4, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        figure.delaxes(ax)
    for values, ax in zip(panels, axes, strict=False):
        circuit.plot_conditions(values, ax)
        name = values.attrs["long_name"]
        if name.endswith(" r"):
            ax.set_ylim(-1.05, 1.05)
        elif name.endswith(("fraction", "strength")):
            ax.set_ylim(-0.03, 1.05)
    caption = "A dot for each seed, a bar for the mean over seeds."
    return [Section("Conditions compared", caption, figure)]


def circuit_sections(ds: xr.Dataset, apart: tuple[str, ...] = ()) -> list[Section]:
    """Return the figures of one circuit run, with a note for each that lacks its data.

    Parameters
    ----------
    ds : Dataset
        One run.
    apart : tuple of str
        Titles of what is left out, for it is shown elsewhere.

    Returns
    -------
    list of Section
        What is about a prediction loop comes once for each loop.
    """
    sections = []
    names = schema.loop_names(ds)
    for plan in (plan for plan in _PLANS if plan.title not in apart):
        of_loops = names if plan.populations and len(names) > 1 else [None]
        for name in of_loops:
            title = plan.title if name is None else f"{name}: {plan.title}"
            sections.append(_section(plan, title, schema.of_loop(ds, name)))
    return sections


def _section(plan, title, ds):
    lacking = [f"variable '{v}'" for v in plan.variables if v not in ds]
    lacking += [f"population '{p}'" for p in plan.populations if not _present(ds, p)]
    lacking += [f"attribute '{a}'" for a in plan.attributes if a not in ds.attrs]
    if not lacking and not ds.sizes["cycle"]:
        lacking = ["cycle"]
    if lacking:
        return Section(title, f"Not drawn: no {', no '.join(lacking)}.")
    try:
        with circuit.style():
            return Section(title, plan.caption, plan.draw(ds), plan.table and plan.table(ds))
    except schema.AnalysisError as error:
        return Section(title, f"Not drawn: {error}.")
    except Exception as error:
        return Section(title, not_drawn(title, error))
