"""Descriptions of manipulations: what, of what, how much, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from circuits.anatomy.spec import CircuitSpec

__all__ = ["ADDED", "DURING", "SYNAPTIC", "Change", "Course", "Manipulation", "Timeline", "When"]

DURING = ("all", "training", "test")
#: Variables to which a value is added, and their Brian2 units; all others are multiplied.
ADDED = {"I_inject": "amp", "g_silence": "siemens"}
#: Variables of synapses that can be multiplied.
SYNAPTIC = ("released", "U", "factor")


@dataclass(frozen=True)
class Timeline:
    """The cycles of a run, warm-up included.

    Attributes
    ----------
    block : tuple of str
        Name of the block of every cycle; empty in the warm-up, and where a run has no blocks.
    learns : tuple of bool
        Whether the cycle learns.
    warmup : int
        Cycles before the first that is analysed.
    bins : int
        Of one cycle.
    """

    block: tuple[str, ...]
    learns: tuple[bool, ...]
    warmup: int
    bins: int


@dataclass(frozen=True)
class When:
    """When a manipulation is on: all of these must be true, or with ``outside`` not all of them.

    Attributes
    ----------
    block : tuple of str
        In these blocks; empty: in all, and in the warm-up.
    cycles : (int, int) or None
        From the first to the last of these cycles, counted from 0: within each of the blocks, or
        from the first cycle that is analysed.
    every : int
        Of the cycles that remain, the first and then every so many.
    phase : (float, float)
        Part of the cycle.
    during : {"all", "training", "test"}
        In cycles in which plasticity is on, or off.
    outside : bool
        On at all other times, the warm-up among them.
    """

    block: tuple[str, ...] = ()
    cycles: tuple[int, int] | None = None
    every: int = 1
    phase: tuple[float, float] = (0.0, 1.0)
    during: str = "all"
    outside: bool = False

    @property
    def always(self) -> bool:
        """Whether it is on all the time."""
        return self == When()

    def in_cycles(self, timeline: Timeline) -> np.ndarray:
        """Return, as a (cycle,) array of bool, the cycles in some part of which it is on."""
        return self.in_bins(timeline).reshape(len(timeline.block), -1).any(axis=1)

    def in_bins(self, timeline: Timeline) -> np.ndarray:
        """Return, as a (bin,) array of bool, when it is on."""
        share = (np.arange(timeline.bins) + 0.5) / timeline.bins
        inside = (share >= self.phase[0]) & (share < self.phase[1])
        return (self._named(timeline)[:, None] & inside).ravel() != self.outside

    def _named(self, timeline: Timeline) -> np.ndarray:
        """Cycles of the blocks, numbers and training or test that are told, (cycle,) bool."""
        block = np.array(timeline.block)
        on = np.ones(len(block), bool)
        number = np.arange(len(block)) - timeline.warmup
        if self.block:
            on &= np.isin(block, self.block)
            for name in set(self.block):
                mine = block == name
                number[mine] = np.arange(mine.sum())
        if self.during != "all":
            learns = np.array(timeline.learns)
            on &= learns if self.during == "training" else ~learns
            on &= np.arange(len(block)) >= timeline.warmup
        if self.cycles is not None:
            on &= (number >= self.cycles[0]) & (number <= self.cycles[1])
        if self.every > 1:
            on &= number >= 0
            found = np.flatnonzero(on)
            on[:] = False
            on[found[:: self.every]] = True
        return on


@dataclass(frozen=True)
class Manipulation:
    """One row of the table ``[[manipulation]]``.

    Attributes
    ----------
    what : str
        One of `circuits.manipulations.VERBS`.
    target : str
        A population or projection (``*`` matches), ``"pacing"`` or ``"stimulus"``.
    value : float or None
        In the unit of the verb.
    parameter : str
        Membrane current or parameter that it is about.
    positions : tuple of int
        Only cells (of a projection: synapses onto cells) at these positions; empty: all.
    share : float
        Only such a share of them, to the nearest whole cell, drawn from the seed.
    when : When
    shown : object
        Of ``replace``: what is shown instead, a `circuits.stimuli.Stimulus`.
    like : str
        Of ``restore``: the condition whose mean rate is restored.
    cells : tuple of int
        Only these cells of the population, from 0 (of a projection: synapses onto them); empty:
        all.
    seeds : tuple of int
        Of ``restore``: on which the current is found; none of those of the run.
    """

    what: str
    target: str
    value: float | None = None
    parameter: str = ""
    positions: tuple[int, ...] = ()
    share: float = 1.0
    when: When = When()
    shown: object = None
    like: str = ""
    seeds: tuple[int, ...] = ()
    cells: tuple[int, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether it is about all of its target."""
        return not self.positions and not self.cells and self.share == 1


@dataclass(frozen=True)
class Course:
    """What a manipulation does to one variable of cells or synapses while it is on.

    Attributes
    ----------
    name : str
        Of a population or a projection.
    variable : str
        ``I_inject`` (A) and ``g_silence`` (S) are added to; ``rate`` of an input, ``released``,
        ``U`` or ``factor`` (of the learning rate) of a synapse, and any parameter of a membrane are
        multiplied.
    value : float
        In SI units.
    of : Manipulation
        Which cells or synapses, and when.
    """

    name: str
    variable: str
    value: float
    of: Manipulation

    @property
    def added(self) -> bool:
        """Whether the value is added, not multiplied."""
        return self.variable in ADDED


@dataclass(frozen=True)
class Change:
    """What the manipulations of a condition come to.

    Attributes
    ----------
    spec : CircuitSpec
        With what holds for the whole run.
    courses : tuple of Course
    pacing, stimulus : tuple of Manipulation
        Those of the rhythm and of what is shown, for the driver.
    """

    spec: CircuitSpec
    courses: tuple[Course, ...] = ()
    pacing: tuple[Manipulation, ...] = ()
    stimulus: tuple[Manipulation, ...] = ()

    @property
    def restoring(self) -> tuple[Course, ...]:
        """Courses of which the driver has yet to find the value."""
        return tuple(course for course in self.courses if course.of.what == "restore")

    @property
    def varied(self) -> tuple[tuple[str, str], ...]:
        """Names and variables that a program must let vary."""
        return tuple(sorted({(course.name, course.variable) for course in self.courses}))

    @property
    def columns(self) -> int:
        """Different courses that cells or synapses may have, at most."""
        found = 0
        for varied in self.varied:
            mine = [c for c in self.courses if (c.name, c.variable) == varied]
            everywhere = all(c.of.everywhere for c in mine)
            found += 1 if everywhere else 2 ** len(mine) - 1
        return found
