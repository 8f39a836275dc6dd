"""Manipulations put into the numbers of a run: courses of variables, the rhythm, what is shown."""

from __future__ import annotations

import numpy as np
import xarray as xr

from cells.parameters import InputError
from circuits.anatomy.topography import sees
from circuits.engine.arrays import cells_of, projection_parts
from circuits.engine.equations import COURSES, ONE, column
from circuits.manipulations.model import Course, Manipulation, Timeline
from circuits.runfiles.model import BIN_MS, Condition, Cycle, Run
from circuits.stimuli.lgn import lgn_table
from circuits.stimuli.render import PLACES, places_of, render

__all__ = [
    "check_manipulations",
    "paced_otherwise",
    "put_courses",
    "shown_instead",
    "timeline_of",
]


def timeline_of(condition: Condition, cycle: Cycle) -> Timeline:
    """Return the cycles of a run, with the block of each and whether it learns."""
    blocks, learns = [""] * cycle.warmup, [False] * cycle.warmup
    for block in condition.blocks:
        blocks += [block.name] * block.cycles
        learns += [block.learn > 0 and condition.learning is not None] * block.cycles
    rest = cycle.total - len(blocks)
    return Timeline((*blocks, *[""] * rest), (*learns, *[False] * rest), cycle.warmup, cycle.bins)


def check_manipulations(run: Run) -> None:
    """Raise, before anything runs, if a manipulation does nothing in any condition.

    It does nothing where it is on at no time, freezes what does not learn then, or is of a share of
    less than half of a cell.

    Raises
    ------
    InputError
    """
    on: dict[Manipulation, bool] = {}
    for condition in run.conditions:
        change, timeline = condition.manipulated, timeline_of(condition, run.cycle)
        if change is None:
            continue
        for course in change.courses:
            _check_share(condition.spec, course, run.file)
            learns = timeline.learns if course.variable == "factor" else True
            active = course.of.when.in_cycles(timeline) & learns
            on[course.of] = on.get(course.of, False) or bool(active.any())
        for one in (*change.pacing, *change.stimulus):
            on[one] = on.get(one, False) or bool(one.when.in_bins(timeline).any())
    for one, ever in on.items():
        if not ever:
            learning = " while anything learns" if one.what == "freeze" else ""
            raise InputError(f"{run.file}: manipulation '{one.what}' of '{one.target}' is never on"
                             f"{learning}: look at its 'when'")  # fmt: skip


def _check_share(spec, course: Course, file: str) -> None:
    name, m = course.name, course.of
    if m.share == 1:
        return
    target = next((p.target for p in spec.projections if p.name == name), name)
    cells = int(_at(m, sees(spec, target), np.arange(spec.count(target))).sum())
    if not round(m.share * cells):
        raise InputError(f"{file}: manipulation '{m.what}' of '{m.target}' share: {m.share:g} of"
                         f" {cells} cells is none; smallest valid: {1 / cells:.3g}")  # fmt: skip


def put_courses(arrays: dict, condition: Condition, cycle: Cycle, seed: int) -> None:
    """Write the table of courses, and the column of every cell and synapse that follows one.

    Parameters
    ----------
    arrays : dict of str to array
        Of `draw_arrays`; changed in place.
    condition : Condition
    cycle : Cycle
    seed : int
        Draws the cells where a manipulation is of a share of them.
    """
    change = condition.manipulated
    if change is None or not change.courses:
        return
    timeline = timeline_of(condition, cycle)
    table = arrays[COURSES]
    free = ONE + 1
    for name, variable in change.varied:
        courses = [c for c in change.courses if (c.name, c.variable) == (name, variable)]
        key, part, seen, target = _elements(condition, arrays, name)
        chosen = np.stack([_chosen(c.of, seen, target, seed, change) for c in courses])
        columns = arrays[f"{key}.{column(variable)}"]
        numbers = columns[part]
        for mine in np.unique(chosen, axis=1).T:
            if not mine.any():
                continue
            on = [c for c, one in zip(courses, mine, strict=True) if one]
            table[: timeline.bins * len(timeline.block), free] = _course(on, timeline)
            table[timeline.bins * len(timeline.block) :, free] = 0 if on[0].added else 1
            numbers[(chosen == mine[:, None]).all(axis=0)] = free
            free += 1
        columns[part] = numbers


def _course(courses: list[Course], timeline: Timeline) -> np.ndarray:
    """Return the (bin,) values of a variable that some courses change together."""
    values = np.zeros if courses[0].added else np.ones
    found = values(timeline.bins * len(timeline.block))
    for course in courses:
        on = course.of.when.in_bins(timeline)
        found[on] = found[on] + course.value if course.added else found[on] * course.value
    return found


def _elements(condition: Condition, arrays, name: str):
    """Return object and part of a population or projection, what its cells see, their numbers.

    Of a projection they are the target cells of its synapses.
    """
    spec, plan = condition.spec, condition.plan
    cells = cells_of(spec)
    population = name
    if "->" in name:
        key, part = next(entry[1:] for entry in projection_parts(spec, plan) if entry[0] == name)
        population = next(p.target for p in spec.projections if p.name == name)
    mine = np.flatnonzero(cells.population == population)
    first = int(cells.index[mine[0]])
    if "->" not in name:
        key, part = str(cells.group[mine[0]]), slice(first, first + len(mine))
        number = np.arange(len(mine))
    else:
        number = arrays[f"{key}.j"][part] - first
    return key, part, sees(spec, population)[number], number


def _chosen(m: Manipulation, seen, number, seed: int, change) -> np.ndarray:
    """Return which cells (or synapses on them) a manipulation is about."""
    chosen = _at(m, seen, number)
    if m.share < 1:
        order = [c.of for c in change.courses].index(m)
        cells = np.unique(number[chosen])
        drawn = np.random.default_rng([seed, 9, order]).permutation(cells)
        chosen &= np.isin(number, drawn[: round(m.share * len(cells))])
    return chosen


def _at(m: Manipulation, seen, number) -> np.ndarray:
    """Return which cells are among those of a manipulation, and see one of its positions."""
    at = seen[:, m.positions].any(axis=1) if m.positions else np.ones(len(seen), bool)
    return at & np.isin(number, m.cells) if m.cells else at


def paced_otherwise(
    pacing: np.ndarray, condition: Condition, cycle: Cycle, seed: int
) -> np.ndarray:
    """Return the (bin,) shift of the rhythms, in cycles, with what manipulations add."""
    change = condition.manipulated
    timeline = timeline_of(condition, cycle)
    for k, m in enumerate(change.pacing if change else ()):
        on = m.when.in_bins(timeline)
        added = np.full(len(timeline.block), m.value)
        if m.what == "jitter":
            added = m.value * np.random.default_rng([seed, 10, k]).standard_normal(len(added))
        pacing = pacing.copy()
        pacing[: on.size][on] += np.repeat(added, timeline.bins)[on]
    return pacing


def shown_instead(shown: xr.Dataset, condition: Condition, cycle: Cycle, options) -> xr.Dataset:
    """Return what is shown with what manipulations do to it.

    Parameters
    ----------
    shown : Dataset
        Of `circuits.stimuli.render`.
    condition : Condition
    cycle : Cycle
    options : mapping
        As `render` takes them.

    Returns
    -------
    Dataset
        ``rate`` and ``drive`` are those that the relay cells have, and picture and place those
        that were shown in the middle of the plus phase, "" and NaN for nothing (of what is shown
        late they are those of the cycle it comes from). The other variables tell what would have
        been shown.
    """
    change = condition.manipulated
    if change is None or not change.stimulus:
        return shown
    timeline = timeline_of(condition, cycle)
    rate = shown["rate"].values.copy()
    places = places_of(shown).copy(deep=True)
    plus = (np.arange(cycle.bins) + 0.5) / cycle.bins >= cycle.plus
    middle = np.flatnonzero(plus)[plus.sum() // 2]
    for m in change.stimulus:
        on = np.flatnonzero(m.when.in_bins(timeline))
        at = on[on % cycle.bins == middle]
        if m.what == "omit":
            rate[on] = float(lgn_table()["r_base"])
            _put_places(places, at // cycle.bins, None)
        elif m.what == "replace":
            other = render(m.shown, n_cycles=cycle.total, **options)
            rate[on] = other["rate"].values[on]
            cycles = at // cycle.bins
            _put_places(places, cycles, places_of(other).isel(cycle=cycles))
        else:
            late = timeline.bins if m.what == "repeat" else round((m.value or 0.0) / BIN_MS)
            rate[on] = rate.copy()[np.clip(on - late, 0, len(rate) - 1)]
            source = np.clip(at - late, 0, len(rate) - 1) // cycle.bins
            _put_places(places, at // cycle.bins, places.isel(cycle=source))
    drive = rate.reshape(-1, cycle.bins, rate.shape[1])[:, plus].mean(axis=1)
    picture = ("cycle", places["picture"].values)
    changed = {"rate": shown["rate"].copy(data=rate), "drive": shown["drive"].copy(data=drive)}
    changed |= {str(name): places[name] for name in places if name != "picture"}
    return shown.assign(changed).assign_coords(picture=picture)


def _put_places(places: xr.Dataset, cycles: np.ndarray, those: xr.Dataset | None) -> None:
    """Put in these cycles the picture and place of others; None for nothing."""
    for name in {*places, *(those or ())}:
        text = name == "picture"
        none = "" if text else np.nan
        old = places[name].values if name in places else np.full(places.sizes["cycle"], none)
        new = none if those is None or name not in those else those[name].values
        found = np.array(old, dtype=object if text else float)
        found[cycles] = new
        attrs = {} if text else {"units": PLACES[name]}
        places[name] = ("cycle", found.astype(str) if text else found, attrs)
