"""Learning in the circuit: which synapses, by which rule, when it is read.

A description; the rules themselves are in `circuits.plasticity.rules`. What a program is compiled
from (rule, synapses, efficacy) is apart from what it is launched with (rate, gate, first weights).
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path

import numpy as np

from cells.parameters import InputError, ParameterTable, load_tables, nearest
from circuits.anatomy.spec import CircuitSpec
from circuits.plasticity.homeostasis import HOMEOSTASIS, homeostatic
from circuits.plasticity.rules.registry import RULES, rule
from circuits.plasticity.rules.rule import Rule, table_rows

__all__ = ["EFFICACIES", "GATES", "LEARNING_RATE", "Learning", "efficacy", "onset_table"]


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
# what a run file may say again of some projections, beside the parameters of the rule
OWN = ("factor", "start", "start_sd", "gain", *HOMEOSTASIS)
# parameters that are one for the whole circuit
_SHARED = ("gate",)


@dataclass(frozen=True)
class Learning:
    """What learns, and how.

    Attributes
    ----------
    rule : str
        One of `circuits.plasticity.rules.registry.RULES`.
    values : tuple of (str, float)
        Parameters of the rule that are changed, in the units of its table.
    projections : tuple of str
        Names; ``*`` matches. Empty: the readouts of the prediction loops.
    efficacy : {"linear", "sigmoid"}
        From the learned weight to the conductance.
    rate : float
        Learning rate.
    gate : float or None
        ms from the start of the cycle at which a gated rule is read. None: at the share of the
        cycle that the table of the rule has, as in vitro.
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
    tau_scaling, goal : float
        Time constant (s) of synaptic scaling to a rate (Hz) of the target cell; 0: none. See
        `circuits.plasticity.homeostasis`.
    tau_decay : float
        Time constant (s) of the decay of the weight; 0: none.
    own : tuple of (str, tuple of (str, float))
        Of the projections that a name matches, other ``start``, ``start_sd``, ``gain``, scaling
        and decay, a ``factor`` of the rate (at 0 the weights stay, whatever scaling and decay), and
        other parameters of the rule than its gate; what comes later counts.
    others : tuple of (str, str)
        Of the projections that a name matches, the rule they learn by in place of ``rule``, with
        its published parameters; read when that one is.
    """

    rule: str = "kinase_ratio"
    values: tuple[tuple[str, float], ...] = ()
    projections: tuple[str, ...] = ()
    efficacy: str = "linear"
    rate: float = 1.0
    gate: float | None = None
    timing: str = "theta"
    start: float = 0.05
    start_sd: float = 0.02
    gain: float = 1.0
    bounds: float = 1.0
    lag: float = 40.0
    rise: float = 1.2
    tau_scaling: float = 0.0
    goal: float = 0.0
    tau_decay: float = 0.0
    own: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()
    others: tuple[tuple[str, str], ...] = ()

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
        for key in ("rate", "start_sd", "gain", "lag", "rise", *HOMEOSTASIS):
            if not getattr(self, key) >= 0:
                raise InputError(f"{key}: {getattr(self, key):g} is below 0")
        for name, other in self.others:
            if other not in RULES:
                raise InputError(f"others '{name}': unknown '{other}'{nearest(other, RULES)}")
        valid_keys = (*OWN, *self.own_parameters(self.rule))
        for name, values in self.own:
            for key, value in values:
                if key not in valid_keys:
                    raise InputError(f"own '{name}': unknown key '{key}'{nearest(key, valid_keys)}")
                if not 0 <= value or (key == "start" and value > 1):
                    valid = "[0, 1]" if key == "start" else "[0, inf)"
                    raise InputError(f"own '{name}': {key}: {value:g} is outside {valid}")

    @staticmethod
    def own_parameters(name: str) -> tuple[str, ...]:
        """Return the parameters of a rule that a projection may have of its own."""
        return tuple(key for key in rule(name).table if key not in _SHARED)

    def of(self, projection: str) -> dict[str, float]:
        """Return what is said of a projection.

        ``factor`` of the rate, ``start``, ``start_sd``, ``gain``, and parameters of its own.
        """
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
        patterns = self.projections or spec.readouts
        if not patterns:
            raise InputError(
                "projections: no loop of this anatomy has a plastic readout; name some"
            )
        for pattern in patterns:
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
        for name in names:
            own = self.of(name)
            if own["tau_scaling"] and not own["goal"]:
                raise InputError(f"tau_scaling: '{name}' has no goal; say a rate, as '5 Hz'")
        for key in ("own", "others"):
            for pattern, _ in getattr(self, key):
                if not fnmatch.filter(names, pattern):
                    raise InputError(
                        f"{key}: '{pattern}' is none of what learns{nearest(pattern, names)}"
                    )
        return tuple(sorted(found))

    def rule_of(self, projection: str) -> str:
        """Return the name of the rule that a projection learns by."""
        found = [name for pattern, name in self.others if fnmatch.fnmatchcase(projection, pattern)]
        return found[-1] if found else self.rule

    def chosen_rule(self, projection: str | None = None) -> Rule:
        """Return the rule with its parameters, or with those of a projection."""
        if projection is not None and (name := self.rule_of(projection)) != self.rule:
            return rule(name)
        chosen = rule(self.rule)
        values = dict(self.values)
        if projection is not None:
            values |= {k: v for k, v in self.of(projection).items() if k not in OWN}
        if values:
            units = {key: chosen.table.parameter(key).unit for key in values}
            chosen = chosen.with_values(
                **{k: v if units[k] == "1" else f"{v} {units[k]}" for k, v in values.items()}
            )
        return chosen

    def gate_at(self, cycle_ms: float, bin_ms: float) -> float:
        """Return when in the cycle a gated rule is read, ms; its own time to the nearest bin."""
        if self.gate is not None:
            return self.gate
        return round(self.chosen_rule().gate_at(cycle_ms) / bin_ms) * bin_ms

    def synapse(self, cycle_ms: float) -> list[dict]:
        """Return the constants of the synapse as they are here, a gate of its own included."""
        table = self.chosen_rule().table
        if self.gate is not None and "gate" in tuple(table):
            table = table.with_values(gate=self.gate / cycle_ms)
        return table_rows(table)

    @property
    def homeostatic(self) -> bool:
        """Whether any weight is scaled, or decays, beside the rule."""
        said = [dict(values) for _, values in self.own]
        return any(
            one.get(key) for one in (vars(self), *said) for key in ("tau_scaling", "tau_decay")
        )

    @property
    def individual(self) -> bool:
        """Whether the parameters of the rule are numbers of each synapse, not of the program."""
        return any(key not in OWN for _, values in self.own for key, _ in values)

    def code(self, projection: str | None = None):
        """Return the rule as Brian2 strings, all of its state in the synapse.

        Parameters
        ----------
        projection : str, optional
            The namespace has the constants of this one.

        Raises
        ------
        InputError
            If the rule has no such form, or parameters of a projection make another program.
        """
        chosen = self.chosen_rule(projection)
        name = self.rule if projection is None else self.rule_of(projection)
        options = {"named": True} if self.individual else {}
        if self.individual and "named" not in signature(chosen.in_circuit).parameters:
            raise InputError(f"own: '{name}' has no constants of single projections")
        try:
            code = chosen.in_circuit(
                lr=f"{LEARNING_RATE}(t)*factor", bounds=self.bounds, tag=TAG, **options
            )
        except InputError as error:
            raise InputError(f"rule: {error}") from None
        if code.pre_model or code.post_model or code.learn_dt is not None:
            raise InputError(f"rule: '{name}' has state outside of the synapse, or a clock")
        if self.homeostatic:
            if not code.learn:
                raise InputError(f"tau_scaling, tau_decay: '{name}' is not read at a gate, but"
                                 " at each spike")  # fmt: skip
            code = homeostatic(code)
        if name != self.rule and bool(code.learn) != bool(self.code().learn):
            raise InputError(f"others: '{name}' and '{self.rule}' are not read at the same times")
        if (
            name == self.rule
            and projection is not None
            and replace(code, namespace={}) != replace(self.code(), namespace={})
        ):
            raise InputError(f"own: the parameters of '{projection}' make '{self.rule}' another"
                             " program; put them into 'values'")  # fmt: skip
        if self.individual:
            text = "\n".join((code.synapse_model, code.on_pre, code.on_post, code.learn))
            used = set(re.findall(r"\w+", text))
            code = replace(code, namespace={k: v for k, v in code.namespace.items() if k in used})
        return code

    @property
    def gated(self) -> bool:
        """Whether the rule is read at a gate."""
        return bool(self.code().learn)

    @property
    def gated_by_cycle(self) -> bool:
        """Whether the gate opens at a time of the theta cycle, not at a cell's own onset."""
        return self.gated and self.timing != "onset"


def onset_table() -> ParameterTable:
    """Return the constants of the local signal that a phase begins, ``gate.toml``."""
    return load_tables(Path(__file__).parent / "gate.toml")["onset"]


def efficacy(name: str, w: np.ndarray) -> np.ndarray:
    """Return the efficacy of weights, as the synapses compute it."""
    return eval(_EFFICACY[name], {"w": w, "clip": np.clip})
