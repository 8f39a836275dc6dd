"""Run files: what to run, in which conditions, and what must come out.

A run file is TOML. Everything but ``cycle``, ``size``, ``scale``, ``seeds`` and ``device`` may be
said again in a ``[[condition]]``, for that condition alone. Keys are strict: a mistake is told in
one line, before anything runs.

A run that learns has a table ``[plasticity]``, and tables ``[blocks.NAME]`` of training and test,
which follow one another in the order of the file.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from brian2 import Hz, Quantity, ms, nS, pA
from brian2.units.fundamentalunits import get_dimensions

from cells.integration import METHODS
from cells.models import CELL_CLASSES, cell_class
from cells.parameters import InputError, nearest, parse_quantity, parse_unit
from circuits.catalogue import find_run, read_run
from circuits.device import DEVICES
from circuits.learning import OWN, Learning, Trained
from circuits.plan import Plan, make_plan
from circuits.plasticity.rules import RULES, rule
from circuits.receptors import RECEPTORS
from circuits.spec import SIZES, CircuitSpec, load_circuit
from circuits.stimuli import Stimulus

__all__ = [
    "BIN_MS",
    "Block",
    "Condition",
    "Cycle",
    "Run",
    "apply_settings",
    "measurable",
    "parse_seeds",
    "resolve",
]

BIN_MS = 5.0
# The stimulus of a program has room for 64 cycles of 200 ms, or twice, four times ... as many, so
# that another number of cycles rarely compiles another program.
_BINS = 2560
CYCLE_MS = (100.0, 300.0)

EXPERIMENTS = ("circuit", "synapse")
_ONCE = ("experiment", "name", "claim", "source", "size", "scale", "seeds", "device",
         "replicas", "cycle", "condition", "criteria")  # fmt: skip
_AGAIN = ("stimulus", "integration", "populations", "projections", "factors", "cells", "inputs",
          "lesions", "plasticity", "blocks", "pacing")  # fmt: skip
_CYCLE = ("length", "plus", "count", "warmup")
_BLOCK = ("cycles", "learn", "stimulus", "pacing")
_PLASTICITY = (*(field.name for field in fields(Learning)), "weights", "snapshot", "condition")
_PACING = ("shift", "shuffled")
_POPULATION = {"bias": pA, "bias_sd": pA, "noise_sd": pA, "rate": Hz, "peak": None}
_PROJECTION = {"weight": nS, "delay": ms, "delay_sd": ms, "indegree": int, "release": str,
               "topography": str, "receptors": dict}  # fmt: skip
_CRITERION = ("id", "claim", "source", "observable", "args", "condition", "reference", "min", "max",
              "unit")  # fmt: skip
_NOT_NEGATIVE = [
    get_dimensions(parse_unit(unit)) for unit in ("S", "S/m**2", "F/m**2", "m**2", "s")
]


@dataclass(frozen=True)
class Cycle:
    """The theta cycle.

    Attributes
    ----------
    length : float
        ms.
    plus : float
        Where the plus phase starts, as a share of the cycle.
    count, warmup : int
        Cycles that are analysed, and those before them that are not.
    """

    length: float = 200.0
    plus: float = 0.5
    count: int = 50
    warmup: int = 5

    @property
    def total(self) -> int:
        """Cycles in all."""
        return self.count + self.warmup

    @property
    def duration(self) -> float:
        """Seconds in all."""
        return self.total * self.length * 1e-3

    @property
    def bins(self) -> int:
        """Stimulus bins of one cycle."""
        return round(self.length / BIN_MS)

    @property
    def capacity(self) -> int:
        """Stimulus bins that a program for it has room for."""
        bins = _BINS
        while bins < self.total * self.bins:
            bins *= 2
        return bins


@dataclass(frozen=True)
class Block:
    """Cycles that belong together.

    Attributes
    ----------
    name : str
    cycles : int
    learn : float
        Factor of the learning rate in it; in a run file also true or false.
    stimulus : Stimulus
    pacing : (float, bool)
        Shift of the rhythms in cycles, and whether every cycle has another.
    """

    name: str
    cycles: int
    learn: float
    stimulus: Stimulus
    pacing: tuple[float, bool] = (0.0, False)


@dataclass(frozen=True)
class Condition:
    """One way to run the circuit.

    Attributes
    ----------
    name, meaning : str
    spec : CircuitSpec
    plan : Plan
    stimulus : Stimulus
    regular : bool
        Inputs fire regularly instead of as Poisson processes.
    lesions : tuple of str
        As the run file names them.
    blocks : tuple of Block
        Empty where the run file has neither blocks nor plasticity.
    learning : Learning or None
    trained : Trained or None
        Where the first weights come from, if not from the seed.
    pacing : (float, bool)
        Shift of the rhythmic inputs, in cycles, and whether another is drawn for each cycle.
    """

    name: str
    meaning: str
    spec: CircuitSpec
    plan: Plan
    stimulus: Stimulus
    regular: bool
    lesions: tuple[str, ...]
    blocks: tuple[Block, ...] = ()
    learning: Learning | None = None
    trained: Trained | None = None
    pacing: tuple[float, bool] = (0.0, False)


@dataclass(frozen=True)
class Run:
    """A run file, checked and complete.

    Attributes
    ----------
    file, experiment, name, claim, source : str
    size : str
    scale : float
    seeds : tuple of int
    device : str
    cycle : Cycle
    conditions : tuple of Condition
        Empty where the experiment is no circuit.
    criteria : tuple of dict
    document : dict
        The run file with all settings and defaults.
    replicas : int
        Runs that share a program, at most.
    """

    file: str
    experiment: str
    name: str
    claim: str
    source: str
    size: str
    scale: float
    seeds: tuple[int, ...]
    device: str
    cycle: Cycle
    conditions: tuple[Condition, ...]
    criteria: tuple[dict, ...]
    document: dict
    replicas: int = 1


# --- small checks --------------------------------------------------------------------------------


def _keys(table, valid: Iterable[str], where: str) -> Mapping:
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table, found {table!r}")
    for key in table:
        if key not in valid:
            raise InputError(f"{where}: unknown key '{key}'{nearest(key, valid)}")
    return table


def _chosen(value, valid: Sequence[str], where: str, what: str) -> str:
    if value not in valid:
        raise InputError(f"{where}: unknown {what} '{value}'{nearest(value, valid)}")
    return value


def _text(value, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where}: {value!r} is not a text")
    return value


def _flag(value, where: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{where}: {value!r} is not true or false")
    return value


def _whole(value, least: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{where}: {value!r} is not a whole number")
    if value < least:
        raise InputError(f"{where}: {value} is below {least}")
    return value


def _number(value, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where}: {value!r} is not a number")
    if value != value or value in (float("inf"), float("-inf")):
        raise InputError(f"{where}: {value!r} is not finite")
    return float(value)


def _quantity(value, unit, where: str) -> float:
    """Return a quantity as a number in ``unit``."""
    if unit is None:
        return _number(value, where)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{where}: {value!r} is not a quantity such as '10 {unit!r}'")
    try:
        return float(parse_quantity(value, like=Quantity(unit)) / unit)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def parse_seeds(text: str) -> list[int]:
    """Return the seeds that ``"1-5,8"`` names.

    Raises
    ------
    InputError
        If it names none.
    """
    seeds: list[int] = []
    for part in str(text).split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low = int(first)
            high = int(last) if dash else low
        except ValueError:
            raise InputError(f"seeds '{text}': expected numbers such as 1-5,8") from None
        if high < low or high - low > 10_000:
            raise InputError(f"seeds '{text}': '{part.strip()}' is no range")
        seeds += range(low, high + 1)
    return seeds


def _seeds(value, where: str) -> tuple[int, ...]:
    if isinstance(value, str):
        value = parse_seeds(value)
    if not isinstance(value, list | tuple) or not value:
        raise InputError(f"{where}: expected a list of whole numbers, found {value!r}")
    seeds = tuple(_whole(v, 0, where) for v in value)
    if len(set(seeds)) != len(seeds):
        raise InputError(f"{where}: a seed comes twice")
    if max(seeds) >= 2**32:
        raise InputError(f"{where}: {max(seeds)} is above {2**32 - 1}")
    return seeds


def apply_settings(document: Mapping, settings: Iterable[str]) -> dict:
    """Return a run file with ``key=value`` settings applied.

    Parameters
    ----------
    document : mapping
    settings : iterable of str
        The key is a dotted TOML key, the value is TOML or bare text: ``stimulus.contrast=0.5``,
        ``projections."V1.L5IB->TRC".weight=30 nS``.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        For a setting that is no assignment.
    """
    result = copy.deepcopy(dict(document))
    for setting in settings:
        key, equals, value = setting.partition("=")
        if '"' in key and key.count('"') % 2:
            # an equals sign within a quoted key
            key, equals, value = setting.rpartition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {setting}: expected key=value")
        try:
            change = tomllib.loads(f"{key} = {value}")
        except tomllib.TOMLDecodeError:
            quoted = value.strip().replace("\\", "\\\\").replace('"', '\\"')
            try:
                change = tomllib.loads(f'{key} = "{quoted}"')
            except tomllib.TOMLDecodeError:
                raise InputError(f"--set {setting}: '{key.strip()}' is no dotted key") from None
        _merge(result, change, f"--set {setting}")
    return result


def _merge(into: dict, change: Mapping, where: str) -> None:
    for key, value in change.items():
        if isinstance(value, Mapping):
            inner = into.setdefault(key, {})
            if not isinstance(inner, dict):
                raise InputError(f"{where}: '{key}' is no table")
            _merge(inner, value, where)
        else:
            into[key] = value


# --- the pieces of a circuit run -----------------------------------------------------------------


def _cycle(table, where: str) -> Cycle:
    _keys(table, _CYCLE, where)
    default = Cycle()
    length = _quantity(table.get("length", "200 ms"), ms, f"{where} length")
    if not CYCLE_MS[0] <= length <= CYCLE_MS[1]:
        raise InputError(f"{where} length: {length:g} ms; valid: 100 to 300 ms")
    if abs(length / BIN_MS - round(length / BIN_MS)) > 1e-9:
        near = round(length / BIN_MS) * BIN_MS
        raise InputError(f"{where} length: {length:g} ms is no multiple of {BIN_MS:g} ms;"
                         f" nearest valid: {near:g} ms")  # fmt: skip
    plus = _number(table.get("plus", default.plus), f"{where} plus")
    if not 0 < plus < 1:
        raise InputError(f"{where} plus: {plus:g} is outside (0, 1)")
    return Cycle(
        length,
        plus,
        _whole(table.get("count", default.count), 1, f"{where} count"),
        _whole(table.get("warmup", default.warmup), 0, f"{where} warmup"),
    )


def _stimulus(table, size: str, scale: float, where: str, folder: Path):
    """Return the stimulus and the circuit that has its channels."""
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table, found {table!r}")
    table = dict(table)
    if isinstance(path := table.get("path"), str) and path and not Path(path).is_absolute():
        beside = folder / path
        table["path"] = str(beside) if beside.is_file() and not Path(path).is_file() else path
    shown = Stimulus.from_mapping(table, where)
    wanted = table.get("n_x")
    try:
        spec = load_circuit(size, scale=scale, n_x=wanted, polarities=shown.polarities)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return Stimulus.from_mapping({**table, "n_x": spec.n_x}, where), spec


def _populations(spec: CircuitSpec, table, where: str) -> CircuitSpec:
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table, found {table!r}")
    for name, changes in table.items():
        here = f"{where} '{name}'"
        _keys(changes, _POPULATION, here)
        values = {k: _quantity(v, _POPULATION[k], f"{here} {k}") for k, v in changes.items()}
        for key in ("bias_sd", "noise_sd", "rate"):
            if values.get(key, 0) < 0:
                raise InputError(f"{here} {key}: {changes[key]} is negative; smallest valid: 0")
        try:
            spec = spec.with_populations(name, **values)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return spec


def _projections(spec: CircuitSpec, table, where: str) -> CircuitSpec:
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table, found {table!r}")
    for name, changes in table.items():
        here = f"{where} '{name}'"
        values = {}
        for key, value in _keys(changes, _PROJECTION, here).items():
            kind = _PROJECTION[key]
            if kind is int:
                values[key] = _whole(value, 1, f"{here} {key}")
            elif kind is str:
                values[key] = _text(value, f"{here} {key}")
            elif kind is dict:
                shares = _keys(value, RECEPTORS, f"{here} {key}")
                values[key] = tuple(
                    (name, _number(share, f"{here} {key} {name}")) for name, share in shares.items()
                )
            else:
                values[key] = _quantity(value, kind, f"{here} {key}")
        if values.get("weight", 0) < 0:
            raise InputError(f"{here} weight: {changes['weight']}: a conductance cannot be"
                             " negative; smallest valid: 0 nS")  # fmt: skip
        if values.get("delay_sd", 0) < 0:
            raise InputError(f"{here} delay_sd: {changes['delay_sd']} is negative")
        try:
            spec = spec.with_projection(name, **values)
        except InputError as error:
            raise InputError(f"{where}: {str(error).removeprefix('run: ')}") from None
    try:
        spec.check_indegrees()
    except InputError as error:
        text = str(error).removeprefix("projections.toml: ")
        raise InputError(f"{where}: {text}") from None
    return spec


def _factors(spec: CircuitSpec, table, where: str) -> CircuitSpec:
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table, found {table!r}")
    for name, factor in table.items():
        value = _number(factor, f"{where} '{name}'")
        if value < 0:
            raise InputError(f"{where} '{name}': {factor}: a conductance cannot be negative;"
                             " smallest valid: 0")  # fmt: skip
        try:
            spec = spec.scaled(name, value)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return spec


def _lesions(spec: CircuitSpec, names, where: str) -> CircuitSpec:
    if not isinstance(names, list | tuple):
        raise InputError(f"{where}: expected a list of names, found {names!r}")
    for name in names:
        try:
            spec = _lesion(spec, _text(name, where))
        except InputError as error:
            text = str(error).removeprefix(f"{where}: ")
            raise InputError(f"{where}: {text}") from None
    return spec


def _lesion(spec: CircuitSpec, name: str) -> CircuitSpec:
    if "->" in name:
        return spec.scaled(name, 0)
    if name == "pacing":
        paced = [p.name for p in spec.populations if p.is_input and p.rate > 0]
        if not paced:
            raise InputError("'pacing': no input population has a rhythm (rate > 0)")
        for population in paced:
            spec = spec.with_populations(population, rate=0.0)
        return spec
    known = [p.name for p in spec.populations]
    if name not in known:
        raise InputError(f"unknown lesion '{name}'{nearest(name, ['pacing', *known])}")
    population = spec.population(name)
    if population.is_input and population.rate > 0:
        return spec.with_populations(name, rate=0.0)
    return spec.scaled(f"{name}->*", 0)


def _cells(spec: CircuitSpec, table, where: str) -> CircuitSpec:
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected a table, found {table!r}")
    changed = list(spec.cells)
    for name, changes in table.items():
        _chosen(name, CELL_CLASSES, where, "cell class")
        parameters = cell_class(name).parameters
        here = f"{where} {name}"
        for key, value in _keys(changes, tuple(parameters), here).items():
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise InputError(f"{here} {key}: {value!r} is not a quantity")
            unit = parse_unit(parameters.parameter(key).unit)
            try:
                quantity = parse_quantity(value, like=unit)
            except InputError as error:
                raise InputError(f"{here} {key}: {error}") from None
            if float(quantity) < 0 and get_dimensions(unit) in _NOT_NEGATIVE:
                kind = "a conductance" if "S" in parameters.parameter(key).unit else "it"
                raise InputError(f"{here} {key}: {value}: {kind} cannot be negative;"
                                 " smallest valid: 0")  # fmt: skip
            changed.append((name, key, float(quantity)))
    from dataclasses import replace

    return replace(spec, cells=tuple(changed))


def _check_gate(gate: float, cycle: Cycle) -> None:
    last = cycle.length - BIN_MS
    near = min(max(round(gate / BIN_MS) * BIN_MS, 0.0), last)
    if not 0 <= gate <= last:
        raise InputError(
            f"gate: {gate:g} ms; valid in a cycle of {cycle.length:g} ms: 0 to {last:g} ms"
        )
    if abs(gate - near) > 1e-9:
        raise InputError(
            f"gate: {gate:g} ms is no multiple of {BIN_MS:g} ms; nearest valid: {near:g} ms"
        )


def _own(numbers, where: str) -> list[tuple[str, float]]:
    return [
        (key, _number(value, f"{where} {key}")) for key, value in _keys(numbers, OWN, where).items()
    ]


def _plasticity(
    table, spec: CircuitSpec, cycle: Cycle, where: str, folder: Path
) -> tuple[Learning | None, Trained | None]:
    """Return what learns, and where its first weights come from."""
    if table is None:
        return None, None
    _keys(table, _PLASTICITY, where)
    default = Learning()
    values = {}
    for key in ("rule", "efficacy", "timing"):
        values[key] = _text(table.get(key, getattr(default, key)), f"{where} {key}")
    _chosen(values["rule"], tuple(RULES), f"{where} rule:", "rule")
    for key in ("rate", "start", "start_sd", "gain", "bounds", "rise"):
        values[key] = _number(table.get(key, getattr(default, key)), f"{where} {key}")
    for key in ("gate", "lag"):
        own = table.get(key, f"{getattr(default, key)} ms")
        values[key] = _quantity(own, ms, f"{where} {key}")
    own = table.get("own", {})
    if not isinstance(own, Mapping):
        raise InputError(f"{where} own: expected a table, found {own!r}")
    values["own"] = tuple(
        (name, tuple(_own(numbers, f"{where} own '{name}'"))) for name, numbers in own.items()
    )
    names = table.get("projections", list(default.projections))
    if not isinstance(names, list | tuple) or not names:
        raise InputError(f"{where} projections: expected a list of names, found {names!r}")
    values["projections"] = tuple(_text(name, f"{where} projections") for name in names)
    parameters = rule(values["rule"]).table
    changed = []
    here = f"{where} values"
    for key, value in _keys(table.get("values", {}), tuple(parameters), here).items():
        unit = parameters.parameter(key).unit
        unit = None if unit == "1" else parse_unit(unit)
        changed.append((key, _quantity(value, unit, f"{here} {key}")))
    try:
        learning = Learning(**values, values=tuple(changed))
        learning.chosen(spec)
        if learning.gated_by_cycle:
            _check_gate(learning.gate, cycle)
    except InputError as error:
        raise InputError(f"{where} {error}") from None
    source = {key: _text(table.get(key, ""), f"{where} {key}") for key in _PLASTICITY[-3:]}
    if not source["weights"]:
        for key in _PLASTICITY[-2:]:
            if source[key]:
                raise InputError(f"{where} {key}: needs 'weights', the folder of a finished run")
        return learning, None
    path = Path(source["weights"])
    if not path.is_absolute() and not path.exists() and (folder / path).exists():
        path = folder / path
    return learning, Trained(str(path), source["snapshot"], source["condition"])


def _first_weights(trained: Trained, learning: Learning, spec, seeds, name: str, where: str):
    """Raise, before anything runs, if the first weights of a seed are not to be had."""
    mine = [spec.projections[k].name for k in learning.chosen(spec)]
    for seed in seeds:
        try:
            found = trained.read(seed, name)
        except InputError as error:
            raise InputError(f"{where} {error}") from None
        if not set(found) & set(mine):
            raise InputError(
                f"{where} weights: {trained.folder}: has weights of {', '.join(found) or 'none'},"
                f" but here {', '.join(mine)} learns"
            )


def _blocks(table, settings: Mapping, spec: CircuitSpec, cycle: Cycle, at: str, run: dict):
    """Return the blocks of a condition."""
    where = f"{at} [blocks]"
    found = []
    for name, cycles in run["blocks"].items():
        here = f"{where} '{name}'"
        own = table.get(name, {})
        stimulus = own.get("stimulus", {})
        if not isinstance(stimulus, Mapping):
            raise InputError(f"{here} stimulus: expected a table, found {stimulus!r}")
        shown, other = _stimulus(
            {**settings["stimulus"], **stimulus}, run["size"], run["scale"], f"{here} stimulus",
            run["folder"],
        )  # fmt: skip
        if (other.n_x, other.polarities) != (spec.n_x, spec.polarities):
            raise InputError(
                f"{here} stimulus: {other.n_x} positions x {len(other.polarities)} polarities, but"
                f" [stimulus] has {spec.n_x} x {len(spec.polarities)}; n_x and polarities must"
                " agree"
            )
        learn = own.get("learn", True)
        learn = float(learn) if isinstance(learn, bool) else _number(learn, f"{here} learn")
        if learn < 0:
            raise InputError(f"{here} learn: {learn:g} is below 0")
        paced = own.get("pacing", {})
        if not isinstance(paced, Mapping):
            raise InputError(f"{here} pacing: expected a table, found {paced!r}")
        paced = _pacing({**settings["pacing"], **paced}, f"{here} pacing")
        found.append(Block(name, cycles, learn, shown, paced))
    return tuple(found)


def _pacing(table, where: str) -> tuple[float, bool]:
    _keys(table, _PACING, where)
    shift = _number(table.get("shift", 0.0), f"{where} shift")
    return shift, _flag(table.get("shuffled", False), f"{where} shuffled")


def _condition(settings: Mapping, name: str, meaning: str, run: dict) -> Condition:
    """Return a condition from the merged tables of the file and of the condition itself."""
    begin, cycle = run["begin"], run["cycle"]
    at = f"{begin} condition '{name}':" if run["several"] else begin
    stimulus, spec = _stimulus(
        settings["stimulus"], run["size"], run["scale"], f"{at} [stimulus]", run["folder"]
    )
    spec = _populations(spec, settings["populations"], f"{at} [populations]")
    spec = _projections(spec, settings["projections"], f"{at} [projections]")
    spec = _factors(spec, settings["factors"], f"{at} [factors]")
    inputs = _keys(settings["inputs"], ("regular", "noise"), f"{at} [inputs]")
    regular = _flag(inputs.get("regular", False), f"{at} [inputs] regular")
    if not _flag(inputs.get("noise", True), f"{at} [inputs] noise"):
        spec = spec.with_populations("*", noise_sd=0.0)
    spec = _lesions(spec, settings["lesions"], f"{at} lesions")
    spec = _cells(spec, settings["cells"], f"{at} [cells]")
    integration = _keys(settings["integration"], ("method", "dt", "threads"), f"{at} [integration]")
    learning, trained = _plasticity(
        settings["plasticity"], spec, cycle, f"{at} [plasticity]", run["folder"]
    )
    if trained is not None and run["wanted"](name):
        _first_weights(trained, learning, spec, run["seeds"], name, f"{at} [plasticity]")
    blocks = _blocks(settings["blocks"], settings, spec, cycle, at, run)
    pacing = _pacing(settings["pacing"], f"{at} [pacing]")
    where = f"{at} [integration]"
    method = _chosen(integration.get("method", "staggered"), tuple(METHODS), where, "method")
    dt = integration.get("dt")
    dt = None if dt is None else _quantity(dt, ms, f"{where} dt")
    threads = _whole(integration.get("threads", 1), 1, f"{where} threads")
    try:
        plan = make_plan(
            spec, bins=cycle.capacity, bin_ms=BIN_MS, method=method, dt_ms=dt, learning=learning,
            noted_ms=cycle.length, threads=threads,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return Condition(
        name, meaning, spec, plan, stimulus, regular, tuple(settings["lesions"]), blocks, learning,
        trained, pacing,
    )  # fmt: skip


def _criteria(entries, where: str, conditions: Sequence[str] | None) -> tuple[dict, ...]:
    if not isinstance(entries, list):
        raise InputError(f"{where}: expected [[criteria]] tables")
    seen = set()
    for k, entry in enumerate(entries, 1):
        here = f"{where} {k}"
        _keys(entry, _CRITERION, here)
        for key in ("id", "claim", "observable"):
            if not isinstance(entry.get(key), str) or not entry[key]:
                raise InputError(f"{here}: no key '{key}'")
        here = f"{where} '{entry['id']}'"
        if entry["id"] in seen:
            raise InputError(f"{here}: the id comes twice")
        seen.add(entry["id"])
        bounds = [_number(entry[key], f"{here} {key}") for key in ("min", "max") if key in entry]
        if not bounds:
            raise InputError(f"{here}: needs 'min' or 'max'")
        if bounds[0] > bounds[-1]:
            raise InputError(f"{here}: 'min' is above 'max'")
        if not isinstance(entry.get("args", {}), Mapping):
            raise InputError(f"{here} args: expected a table")
        if conditions is not None:
            for key, valid in (("condition", ("*", *conditions)), ("reference", conditions)):
                name = entry.get(key)
                if name is not None and name not in valid:
                    raise InputError(
                        f"{here}: unknown condition '{name}'{nearest(name, conditions)}"
                    )
    return tuple(entries)


# --- the whole file ------------------------------------------------------------------------------


def _complete(document: Mapping) -> dict:
    """Return the document with every default that it leaves out."""
    default = Cycle()
    complete = {
        "size": "tiny",
        "scale": 1.0,
        "seeds": [1],
        "device": "cpp",
        "claim": "",
        "source": "",
        **{key: {} for key in ("stimulus", "populations", "projections", "factors", "cells")},
        "integration": {"method": "staggered"},
        "inputs": {"regular": False, "noise": True},
        "lesions": [],
        "condition": [],
        "criteria": [],
        **copy.deepcopy(dict(document)),
    }
    cycle = complete.get("cycle", {})
    if isinstance(cycle, dict):
        standard = {f.name: getattr(default, f.name) for f in fields(Cycle)} | {"length": "200 ms"}
        complete["cycle"] = standard | cycle
    return complete


def _other_rule(base, own) -> bool:
    """Tell if a condition has another rule, of which the parameters in ``base`` are none."""
    if not (isinstance(base, dict) and isinstance(own, Mapping)):
        return False
    before = base.get("rule", Learning().rule)
    return own.get("rule", before) != before


def _merged(base: dict, own: Mapping, where: str) -> dict:
    settings = {key: copy.deepcopy(base[key]) for key in _AGAIN}
    settings["plasticity"] = settings["plasticity"] or ({} if "plasticity" in own else None)
    if _other_rule(settings["plasticity"], own.get("plasticity")):
        settings["plasticity"].pop("values", None)
    for key in _AGAIN:
        if key not in own:
            continue
        if key == "lesions" or not isinstance(own[key], Mapping):
            settings[key] = own[key]
        elif isinstance(settings[key], dict):
            _merge(settings[key], own[key], where)
    return settings


def resolve(
    path: Path | str,
    *,
    size: str | None = None,
    device: str | None = None,
    seeds: Sequence[int] | str | None = None,
    cycles: int | None = None,
    conditions: Sequence[str] | None = None,
    replicas: int | None = None,
    settings: Iterable[str] = (),
) -> Run:
    """Read a run file and check all of it.

    Parameters
    ----------
    path : path or str
        A file, or the name of one that comes along.
    size, device : str, optional
    seeds : sequence of int or str, optional
    cycles : int, optional
        Go before what the file says.
    conditions : sequence of str, optional
        Run only these.
    replicas : int, optional
        Goes before what the file says.
    settings : iterable of str
        See `apply_settings`.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        One line that names the file, the key and the nearest valid choice.
    """
    path = find_run(path)
    document = apply_settings(read_run(path), settings)
    begin = f"{path.name}:"
    experiment = _chosen(document.get("experiment", "circuit"), EXPERIMENTS, begin, "experiment")
    for key, value in (
        ("size", size), ("device", device), ("seeds", seeds), ("replicas", replicas),
    ):  # fmt: skip
        if value is not None:
            document[key] = list(value) if key == "seeds" and not isinstance(value, str) else value
    document.setdefault("name", path.stem)
    if experiment == "synapse":
        return _resolve_synapse(document, path, cycles, conditions)
    _keys(document, (*_ONCE, *_AGAIN), path.name)
    if document.get("blocks") and "count" in (document.get("cycle") or ()):
        raise InputError(f"{begin} [cycle] count: with blocks it is the sum of their cycles;"
                         " leave it out")  # fmt: skip
    document = _complete({"experiment": experiment, **document})
    given = _block_cycles(document, begin)
    blocks = given
    if cycles is not None:
        blocks = _scaled(given, _whole(cycles, 1, "--cycles"))
    if given:
        for name, n in blocks.items():
            document["blocks"][name]["cycles"] = n
        cycles = sum(blocks.values())
    if cycles is not None and isinstance(document["cycle"], dict):
        document["cycle"]["count"] = cycles
    for key in ("name", "claim", "source"):
        _text(document[key], f"{begin} {key}")
    if not document["name"] or set(document["name"]) & set("/\\\0") or document["name"][0] == ".":
        raise InputError(f"{begin} name: '{document['name']}' is no file name")
    _chosen(document["size"], SIZES, f"{begin} size", "size")
    _chosen(document["device"], DEVICES, f"{begin} device", "device")
    if not _number(document["scale"], f"{begin} scale") > 0:
        raise InputError(f"{begin} scale: {document['scale']} is not above 0")
    document["seeds"] = list(_seeds(document["seeds"], f"{begin} seeds"))
    copies = _whole(document.get("replicas", 1), 1, f"{begin} replicas")
    cycle = _cycle(document["cycle"], f"{begin} [cycle]")
    if not given and _learns(document):
        blocks = {"all": cycle.count}
    resolved = _conditions(document, begin, cycle, path.parent, conditions, given, blocks)
    names = [c.name for c in resolved]
    criteria = _criteria(document["criteria"], f"{begin} criterion", _names(document))
    criteria = measurable(criteria, names, _names(document)[0])
    return Run(
        path.name, experiment, document["name"], document["claim"], document["source"],
        document["size"], float(document["scale"]), tuple(document["seeds"]), document["device"],
        cycle, resolved, criteria, document, copies,
    )  # fmt: skip


def _block_cycles(document: Mapping, begin: str) -> dict[str, int]:
    """Return the cycles of each block, as the run file has them."""
    where = f"{begin} [blocks]"
    table = document.get("blocks", {})
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: expected tables [blocks.NAME], found {table!r}")
    found = {}
    for name, own in table.items():
        here = f"{where} '{name}'"
        if not name or name == "start":
            raise InputError(f"{here}: no name for a block; 'start' are the weights before them")
        _keys(own, _BLOCK, here)
        if "cycles" not in own:
            raise InputError(f"{here}: no key 'cycles'")
        found[name] = _whole(own["cycles"], 1, f"{here} cycles")
    return found


def _scaled(blocks: Mapping[str, int], total: int) -> dict[str, int]:
    """Return blocks of the same proportions and so many cycles in all, each of one at least."""
    before, whole = 0, sum(blocks.values())
    scaled = {}
    for name, n in blocks.items():
        after = before + n
        scaled[name] = max(1, round(total * after / whole) - round(total * before / whole))
        before = after
    return scaled


def _learns(document: Mapping) -> bool:
    """Tell if any condition has plasticity."""
    entries = document["condition"]
    entries = entries if isinstance(entries, list) else []
    tables = [document, *(entry for entry in entries if isinstance(entry, Mapping))]
    return any("plasticity" in table for table in tables)


def measurable(criteria: Iterable[Mapping], conditions: Sequence[str], first: str) -> tuple:
    """Return the criteria that can be judged where only some conditions were run.

    Parameters
    ----------
    criteria : iterable of mapping
    conditions : sequence of str
        That were run.
    first : str
        First condition of the run file, which a criterion without ``condition`` means.
    """
    have = {"*", *conditions}
    return tuple(
        c
        for c in criteria
        if (c.get("condition") or first) in have and (c.get("reference") or "*") in have
    )


def _names(document: Mapping) -> list[str]:
    return [entry["name"] for entry in document["condition"]] or ["baseline"]


def _check_blocks(entry: Mapping, given: Mapping[str, int], at: str) -> None:
    """Raise if a condition says of the blocks what only the whole run can say."""
    for name, own in _keys(entry.get("blocks", {}), tuple(given), f"{at} [blocks]").items():
        here = f"{at} [blocks] '{name}'"
        cycles = _keys(own, _BLOCK, here).get("cycles", given[name])
        if cycles != given[name]:
            raise InputError(f"{here} cycles: {cycles}, but {given[name]} in the other conditions;"
                             " the cycles of a block are the same in all")  # fmt: skip


def _check_wiring(found: Sequence[Condition], begin: str) -> None:
    """Raise if a projection that learns has other synapses in another condition."""
    known: dict[str, tuple] = {}
    for condition in found:
        for number in condition.learning.chosen(condition.spec) if condition.learning else ():
            p = condition.spec.projections[number]
            mine = p.indegree, p.topography
            first, other = known.setdefault(p.name, (condition.name, mine))
            if mine != other:
                raise InputError(
                    f"{begin} condition '{condition.name}': '{p.name}' learns with indegree"
                    f" {mine[0]} and topography '{mine[1]}', but in '{first}' with {other[0]} and"
                    f" '{other[1]}'; they must agree"
                )


def _conditions(document, begin, cycle, folder, wanted, given, blocks) -> tuple[Condition, ...]:
    entries = document["condition"]
    if not isinstance(entries, list):
        raise InputError(f"{begin} condition: expected [[condition]] tables")
    for k, entry in enumerate(entries, 1):
        at = f"{begin} condition {k}"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise InputError(f"{at}: no key 'name'")
        at = f"{begin} condition '{entry['name']}'"
        for key in entry:
            if key in _ONCE and key not in ("name", "source"):
                raise InputError(f"{at}: '{key}' is the same in all conditions;"
                                 f" valid here: {', '.join(_AGAIN)}")  # fmt: skip
        _keys(entry, ("name", "meaning", *_AGAIN), at)
        _check_blocks(entry, given, at)
    entries = entries or [{"name": "baseline"}]
    names = [entry["name"] for entry in entries]
    if len(set(names)) != len(names):
        raise InputError(f"{begin} condition: a name comes twice")
    for name in wanted or ():
        _chosen(name, names, begin, "condition")
    run = {"begin": begin, "cycle": cycle, "size": document["size"],
           "scale": float(document["scale"]), "folder": folder, "blocks": blocks,
           "seeds": document["seeds"], "wanted": lambda name: not wanted or name in wanted,
           "several": bool(document["condition"])}  # fmt: skip
    base = {key: document.get(key, {}) for key in _AGAIN} | {
        "plasticity": document.get("plasticity")
    }
    found = []
    for entry in entries:
        merged = _merged(base, entry, f"{begin} condition '{entry['name']}'")
        one = _condition(merged, entry["name"], str(entry.get("meaning", "")), run)
        if found and one.spec.channels != found[0].spec.channels:
            raise InputError(
                f"{begin} condition '{one.name}': {one.spec.channels} channels, but"
                f" '{found[0].name}' has {found[0].spec.channels}; n_x and polarities must agree"
            )
        found.append(one)
    _check_wiring(found, begin)
    return tuple(c for c in found if not wanted or c.name in wanted)


def _resolve_synapse(document, path, cycles, conditions) -> Run:
    from circuits.plasticity import biophysical
    from circuits.plasticity.bench import DEVICES as BENCH_DEVICES
    from circuits.plasticity.bench import validate

    begin = f"{path.name}:"
    if cycles is not None or conditions:
        raise InputError(f"{begin} a synapse run has no cycles or conditions to choose from")
    # the abstract rules run in numpy whatever the device, and have no size
    size = document.pop("size", "tiny")
    _chosen(size, SIZES, f"{begin} size", "size")
    device = document.pop("device", "numpy")
    _chosen(device, [d for d in DEVICES if d in BENCH_DEVICES or d == "cython"],
            f"{begin} device", "device")  # fmt: skip
    seeds = _seeds(document.get("seeds", [1]), f"{begin} seeds")
    document["seeds"] = list(seeds)
    validate(document, path.name)
    biophysical.validate(document, path.name)
    criteria = _criteria(document.get("criteria", []), f"{begin} criterion", None)
    return Run(
        path.name, "synapse", str(document["name"]), str(document.get("claim", "")),
        str(document.get("source", "")), size, 1.0, seeds,
        "numpy" if device == "cython" else device, Cycle(), (), criteria, document,
    )  # fmt: skip
