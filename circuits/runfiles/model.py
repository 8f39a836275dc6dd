"""A run file that is checked and complete: what the driver runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from circuits.anatomy.spec import CircuitSpec
from circuits.engine.plan import Plan
from circuits.manipulations import Change
from circuits.manipulations.model import Course
from circuits.plasticity.learning import Learning
from circuits.recordings import Record
from circuits.runfiles.trained import Trained
from circuits.stimuli.stimulus import Stimulus

__all__ = ["BIN_MS", "Block", "Condition", "Cycle", "Run"]

BIN_MS = 5.0
# The stimulus of a program has room for 64 cycles of 200 ms, or twice, four times ... as many, so
# that another number of cycles rarely compiles another program.
_BINS = 2560


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
    def starts(self) -> np.ndarray:
        """Starts of the analysed cycles, (count,), s from the start of the warm-up."""
        return (self.warmup + np.arange(self.count)) * self.length * 1e-3

    @property
    def plus_starts(self) -> np.ndarray:
        """Starts of their plus phases, (count,), s."""
        return self.starts + self.plus * self.length * 1e-3

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
    manipulated : Change
        What its manipulations come to.
    like : Condition or None
        Whose mean rates a manipulation ``restore`` is after.
    records : tuple of Record
        What is recorded, in all conditions the same.
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
    manipulated: Change | None = None
    like: Condition | None = None
    records: tuple[Record, ...] = ()

    @property
    def restoring(self) -> tuple[Course, ...]:
        """Courses of which the driver has yet to find the value."""
        return () if self.manipulated is None else self.manipulated.restoring


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
    setup : dict
        Of an experiment on the bench, what `circuits.runfiles.bench.validate` makes of it.
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
    setup: dict = field(default_factory=dict)
