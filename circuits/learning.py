"""Learning in the circuit: which synapses, by which rule, when it is read.

A description; the rules themselves are in `circuits.plasticity`. What a program is compiled from
(rule, synapses, efficacy) is apart from what it is launched with (rate, gate, first weights).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from brian2 import Quantity, ms

from cells.parameters import InputError, load_tables, nearest, parse_unit
from circuits.plasticity.rules import RULES, rule
from circuits.spec import CircuitSpec

__all__ = [
    "EFFICACIES",
    "GATES",
    "LEARNING_RATE",
    "Learning",
    "Trained",
    "learning_rates",
    "pacing_shifts",
    "synapse_order",
]

LEARNING_RATE = "learning_rate"  # of the moment, a TimedArray of the program
TAG = "rule"
# of a weight w, as Brian2 and Python both read it
_EFFICACY = {
    "linear": "w",
    # contrast enhancement of the learned weight, Axon
    "sigmoid": "1/(1 + ((1 - w)/clip(w, 0.001, 1))**6)",
}
EFFICACIES = {name: f"efficacy = {expression}" for name, expression in _EFFICACY.items()}
GATES = ("theta", "shuffled", "onset")
# what a run file may say again of some projections
OWN = ("factor", "start", "start_sd", "gain")
# The local signal: a cell's synaptic conductance, integrated fast and slow. Where the fast one
# rises above the slow one, a phase begins; the cell's synapses are read a fixed time later.
# Time constants: tables/gate.toml.
ONSET_EQUATIONS = """
g_synaptic = {conductances} : siemens
dg_fast/dt = (g_synaptic - g_fast)/tau_fast : siemens
dg_slow/dt = (g_synaptic - g_slow)/tau_slow : siemens
t_onset : second
lag : second (constant)
rise : 1 (constant)
"""


@dataclass(frozen=True)
class Learning:
    """What learns, and how.

    Attributes
    ----------
    rule : str
        One of `circuits.plasticity.rules.RULES`.
    values : tuple of (str, float)
        Parameters of the rule that are changed, in the units of its table.
    projections : tuple of str
        Names; ``*`` matches.
    efficacy : {"linear", "sigmoid"}
        From the learned weight to the conductance.
    rate : float
        Learning rate.
    gate : float
        ms from the start of the cycle at which a gated rule is read.
    timing : {"theta", "shuffled", "onset"}
        Shuffled: the gate opens at a random time of every cycle. Onset: nothing refers to the
        cycle; the synapses of a cell are read ``lag`` after its synaptic conductance rose.
    lag : float
        ms from that rise to the reading, with timing "onset".
    rise : float
        What the fast integral must reach, in units of the slow one.
    start, start_sd : float
        First weights, 0 to 1.
    gain : float
        Conductance at weight one, in conductances of the anatomy table.
    bounds : float
        Exponent of the bounds of the weight: 0 hard, 1 soft.
    own : tuple of (str, tuple of (str, float))
        Of the projections that a name matches, other ``start``, ``start_sd``, ``gain``, and a
        ``factor`` of the rate; what comes later counts.
    """

    rule: str = "kinase_difference"
    values: tuple[tuple[str, float], ...] = ()
    projections: tuple[str, ...] = ("*.L6CT->TRC",)
    efficacy: str = "linear"
    rate: float = 1.0
    gate: float = 160.0
    timing: str = "theta"
    start: float = 0.05
    start_sd: float = 0.02
    gain: float = 1.0
    bounds: float = 1.0
    lag: float = 40.0
    rise: float = 1.2
    own: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()

    def __post_init__(self):
        """Refuse what no circuit could learn with."""
        for key, value, valid in (
            ("rule", self.rule, RULES), ("efficacy", self.efficacy, EFFICACIES),
            ("timing", self.timing, GATES),
        ):  # fmt: skip
            if value not in valid:
                raise InputError(f"{key}: unknown '{value}'{nearest(value, valid)}")
        for key in ("start", "bounds"):
            if not 0 <= getattr(self, key) <= 1:
                raise InputError(f"{key}: {getattr(self, key):g} is outside [0, 1]")
        for key in ("rate", "start_sd", "gain", "lag", "rise"):
            if not getattr(self, key) >= 0:
                raise InputError(f"{key}: {getattr(self, key):g} is below 0")
        for name, values in self.own:
            for key, value in values:
                if not 0 <= value or (key == "start" and value > 1):
                    valid = "[0, 1]" if key == "start" else "[0, inf)"
                    raise InputError(f"own '{name}': {key}: {value:g} is outside {valid}")

    def of(self, projection: str) -> dict[str, float]:
        """Return ``factor`` of the rate, ``start``, ``start_sd`` and ``gain`` of a projection."""
        found = {"factor": 1.0} | {key: getattr(self, key) for key in OWN[1:]}
        for pattern, values in self.own:
            if fnmatch.fnmatchcase(projection, pattern):
                found |= dict(values)
        return found

    def chosen(self, spec: CircuitSpec) -> tuple[int, ...]:
        """Return the numbers of the projections that learn.

        Raises
        ------
        InputError
            For a name that matches none, or one that the anatomy does not call plastic.
        """
        found: set[int] = set()
        for pattern in self.projections:
            mine = {
                k for k, p in enumerate(spec.projections) if fnmatch.fnmatchcase(p.name, pattern)
            }
            plastic = [p.name for p in spec.projections if p.plastic]
            if not mine:
                raise InputError(f"projections: unknown '{pattern}'{nearest(pattern, plastic)}")
            fixed = [
                spec.projections[k].name for k in sorted(mine) if not spec.projections[k].plastic
            ]
            if fixed and ("*" not in pattern or len(fixed) == len(mine)):
                raise InputError(
                    f"projections: '{fixed[0]}' is not plastic in the anatomy"
                    f"{nearest(fixed[0], plastic)}"
                )
            found |= {k for k in mine if spec.projections[k].plastic}
        names = [spec.projections[k].name for k in sorted(found)]
        for pattern, _ in self.own:
            if not fnmatch.filter(names, pattern):
                raise InputError(
                    f"own: '{pattern}' is none of what learns{nearest(pattern, names)}"
                )
        return tuple(sorted(found))

    def code(self):
        """Return the rule as Brian2 strings, all of its state in the synapse.

        Raises
        ------
        InputError
            If the rule has no such form.
        """
        chosen = rule(self.rule)
        if self.values:
            table = chosen.table
            units = {key: table.parameter(key).unit for key, _ in self.values}
            chosen = chosen.with_values(
                **{k: v if units[k] == "1" else f"{v} {units[k]}" for k, v in self.values}
            )
        options = {"lr": f"{LEARNING_RATE}(t)*factor", "tag": TAG, "bounds": self.bounds}
        if self.rule.startswith("kinase") or self.rule == "bcm":
            options["traces"] = "synapse"
            if self.rule != "bcm" and not chosen.lead > 0:
                options["gate"] = 0 * ms  # the circuit has its own; the default would be outside
        try:
            code = chosen.brian2(**options)
        except TypeError:  # it wants its learning rate as a number
            code = None
        if code is None or code.pre_model or code.post_model or code.learn_dt is not None:
            raise InputError(
                f"rule: '{self.rule}' cannot learn in a circuit: it needs all of its state in the"
                " synapse and no clock of its own"
            )
        return code

    @property
    def gated(self) -> bool:
        """Whether the rule is read at a gate."""
        return bool(self.code().learn)

    @property
    def gated_by_cycle(self) -> bool:
        """Whether the gate opens at a time of the theta cycle, not at a cell's own onset."""
        return self.gated and self.timing != "onset"


def efficacy(name: str, w: np.ndarray) -> np.ndarray:
    """Return the efficacy of weights, as the synapses compute it."""
    return eval(_EFFICACY[name], {"w": w, "clip": np.clip})


def constants(namespace) -> tuple[tuple[str, float, str], ...]:
    """Return a namespace as (name, SI value, unit) that can be printed and hashed."""
    found = []
    for name, value in sorted(namespace.items()):
        has_unit = hasattr(value, "dim") and not value.dim.is_dimensionless
        found.append((name, float(value), "second" if has_unit else "1"))
    return tuple(found)


def onset_constants() -> tuple[tuple[str, float, str], ...]:
    """Return the constants of `ONSET_EQUATIONS`, as `constants` does."""
    table = load_tables(Path(__file__).parent / "tables" / "gate.toml")["onset"]
    return constants({key: table[key] for key in table})


def brian_namespace(found) -> dict:
    """Return the namespace that `constants` was made of."""
    return {
        name: value if unit == "1" else Quantity(value, dim=parse_unit(unit).dim)
        for name, value, unit in found
    }


def learning_rates(
    learning: Learning,
    learns: Sequence[float],
    *,
    cycle_ms: float,
    bin_ms: float,
    bins: int,
    seed: int,
) -> np.ndarray:
    """Return the learning rate of every bin of a program.

    Parameters
    ----------
    learning : Learning
    learns : (cycle,) sequence of float
        Factor of the rate.
    cycle_ms, bin_ms : float
    bins : int
        Capacity of the program.
    seed : int
        Of a shuffled gate.

    Returns
    -------
    (bin,) array
        Of a rule with a gate of the cycle positive in the bin at whose start it opens, else in all
        bins of the cycles that learn.
    """
    per_cycle = round(cycle_ms / bin_ms)
    rates = np.zeros((-(-bins // per_cycle), per_cycle))
    learns = np.asarray(learns, float)
    rows = np.flatnonzero(learns)
    own = learning.rate * learns[rows]
    if learning.gated_by_cycle:
        gate = np.full(len(rates), round(learning.gate / bin_ms))
        if not 0 <= gate[0] < per_cycle:
            raise InputError(f"gate: {learning.gate:g} ms is outside the cycle of {cycle_ms:g} ms")
        if learning.timing == "shuffled":
            gate = np.random.default_rng([seed, 6]).integers(per_cycle, size=len(rates))
        rates[rows, gate[rows]] = own
    else:
        rates[rows] = own[:, None]
    return rates.ravel()[:bins]


def pacing_shifts(
    shift: float, shuffled: bool, *, cycle_ms: float, bin_ms: float, bins: int, seed: int
) -> np.ndarray:
    """Return the shift of the rhythmic inputs in every bin of a program.

    Parameters
    ----------
    shift : float
        Cycles; positive is later.
    shuffled : bool
        Another shift in every cycle, drawn from the seed, uniform over the cycle.
    cycle_ms, bin_ms : float
    bins : int
        Capacity of the program.
    seed : int

    Returns
    -------
    (bin,) array
        Cycles.
    """
    per_cycle = round(cycle_ms / bin_ms)
    shifts = np.full(-(-bins // per_cycle), float(shift))
    if shuffled:
        shifts += np.random.default_rng([seed, 7]).random(shifts.size)
    return np.repeat(shifts, per_cycle)[:bins]


def synapse_order(spec: CircuitSpec, plan) -> list[tuple[str, str, slice]]:
    """Return where the synapses of each plastic projection are.

    Parameters
    ----------
    spec : CircuitSpec
    plan : Plan

    Returns
    -------
    list of (str, str, slice)
        Name of the projection, of its Synapses, and its part of them; in the order of the anatomy.
    """
    found = []
    for s in plan.synapses:
        first = 0
        for number in s.projections if s.plastic else ():
            p = spec.projections[number]
            n = p.indegree * spec.count(p.target)
            found.append((number, p.name, s.name, slice(first, first + n)))
            first += n
    return [entry[1:] for entry in sorted(found, key=lambda entry: entry[0])]


@dataclass(frozen=True)
class Trained:
    """First weights that come from a finished run.

    Attributes
    ----------
    folder : str
        Run folder.
    snapshot : str
        Name of one of its snapshots; empty: the last.
    condition : str
        Name of one of its conditions; empty: that of the same name, or else its first.
    """

    folder: str
    snapshot: str = ""
    condition: str = ""

    def read(self, seed: int, condition: str) -> dict[str, tuple[np.ndarray, ...]]:
        """Return the weights of a seed.

        Parameters
        ----------
        seed : int
        condition : str
            Name of the condition that asks.

        Returns
        -------
        dict of str to (source, target, weight)
            By projection; numbers of cells, and weights, each (synapse,).

        Raises
        ------
        InputError
            If there is no such run, or it has no such weights.
        """
        import xarray as xr

        at = f"weights: {self.folder}:"
        path = Path(self.folder) / "result.nc"
        if not path.is_file():
            raise InputError(f"{at} no run folder (it has no result.nc)")
        try:
            with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as ds:
                if "weight" not in ds:
                    raise InputError(f"{at} nothing learned in this run")
                names = {
                    key: ds[key].values.astype(str).tolist() for key in ("condition", "snapshot")
                }
                name = self.condition or (
                    condition if condition in names["condition"] else names["condition"][0]
                )
                wanted = {"condition": name, "snapshot": self.snapshot or names["snapshot"][-1]}
                for key, value in wanted.items():
                    if value not in names[key]:
                        raise InputError(f"{at} no {key} '{value}'{nearest(value, names[key])}")
                seeds = ds["seed"].values.tolist()
                if seed not in seeds:
                    have = ", ".join(map(str, seeds))
                    raise InputError(f"{at} no weights of seed {seed}; it has {have}")
                one = ds[["weight", "synapse_source", "synapse_target", "synapse_projection"]]
                one = one.isel(
                    seed=seeds.index(seed),
                    **{key: names[key].index(value) for key, value in wanted.items()},
                ).load()
        except (OSError, KeyError) as error:
            raise InputError(f"{at} no result of a run ({error})") from None
        of = one["synapse_projection"].values.astype(str)
        columns = [one[k].values for k in ("synapse_source", "synapse_target", "weight")]
        found = {}
        for projection in dict.fromkeys(of.tolist()):
            here = of == projection
            if np.isfinite(columns[2][here]).all():
                found[projection] = tuple(column[here] for column in columns)
        return found
