"""Descriptions of a circuit: populations and projections.

Everything here is frozen, hashable and printable, and needs no compiler: a description can be
checked, changed and compared without building anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cells.models import cell_class
from cells.parameters import InputError, nearest
from circuits.synapses.receptors import RECEPTORS
from circuits.synapses.release import release_class

__all__ = ["RECIPROCAL", "ROLES", "TOPOGRAPHIES", "WHOLE", "CircuitSpec", "Loop", "Population",
           "Projection", "Spikes"]  # fmt: skip


#: Topographies in which a cell hears what it contacts, or what another cell contacts.
RECIPROCAL = ("reciprocal", "reciprocal_shuffled")
#: Topographies that know no distance.
WHOLE = ("all", "patches", *RECIPROCAL)
# width of the Gaussian over positions; None: the same channel or position only
TOPOGRAPHIES = {"channel": None, "position": None, "near": 1.0, "broad": 3.0,
                **dict.fromkeys(WHOLE)}  # fmt: skip


@dataclass(frozen=True)
class Spikes:
    """Spike trains that an input plays.

    Attributes
    ----------
    time : tuple of float
        s from the start of the warm-up, rising.
    cell : tuple of int
        Number of the cell of the population, from 0.
    path : str
        File that they come from; empty where they come from Python.
    """

    time: tuple[float, ...] = field(repr=False)
    cell: tuple[int, ...] = field(repr=False)
    path: str = ""


@dataclass(frozen=True)
class Population:
    """Cells of one class in one area.

    Attributes
    ----------
    name : str
        ``AREA.class``, or the bare name of an input or thalamic population.
    area, layer, cell, colour, meaning : str
        ``cell`` is a class of `cells`, or ``"input"`` for a source of spikes without membrane.
    cells : int
        At each channel if ``positions``, else in all.
    positions : bool
        Whether its cells belong to channels.
    bias, bias_sd, noise_sd : float
        pA: constant current, its spread over cells, and s.d. of the Ornstein-Uhlenbeck current.
    rate : float
        Hz, of an input: peak of its rhythm (0: it follows the stimulus).
    peak : float
        Of an input: phase of the peak, in cycles.
    cue : bool
        Of an input with positions: it is told the cue, not shown the stimulus; its channels are
        shared out among the columns of the cue.
    steady : float
        Hz, of an input: a constant rate, in place of the stimulus.
    spikes : Spikes or None
        Of an input: its spikes, in place of all others.
    """

    name: str
    area: str
    layer: str
    cell: str
    cells: int
    positions: bool = True
    bias: float = 0.0
    bias_sd: float = 0.0
    noise_sd: float = 0.0
    rate: float = 0.0
    peak: float = 0.0
    cue: bool = False
    colour: str = "#000000"
    meaning: str = ""
    steady: float = 0.0
    spikes: Spikes | None = None

    @property
    def is_input(self) -> bool:
        """Whether it has no membrane."""
        return self.cell == "input"

    @property
    def kind(self) -> str:
        """Its class, or that of which this is a variant: it says which receptors it has."""
        return self.cell if self.is_input else cell_class(self.cell).kind

    @property
    def excitatory(self) -> bool:
        """Whether it excites its targets."""
        return True if self.is_input else cell_class(self.cell).excitatory

    def size(self, channels: int) -> int:
        """Return the number of cells in a circuit of so many channels."""
        return self.cells * channels if self.positions else self.cells


@dataclass(frozen=True)
class Projection:
    """Synapses from one population onto one compartment of another.

    Attributes
    ----------
    row : int
        In the anatomical table.
    source, target : str
        Population names.
    at : {"soma", "apical"}
    receptors : tuple of (str, float)
        Receptor and its share of the weight.
    indegree : int
        Synapses on each target cell.
    weight : float
        nS of one synapse.
    topography : str
        One of `TOPOGRAPHIES`.
    delay, delay_sd : float
        ms.
    release : str
    plastic : bool
    basis, mark : str
        Anatomical source and provenance.
    shuffled : float
        Share of the target cells whose synapses are dealt anew among them.
    """

    row: int
    source: str
    target: str
    at: str
    receptors: tuple[tuple[str, float], ...]
    indegree: int
    weight: float
    topography: str
    delay: float
    delay_sd: float
    release: str
    plastic: bool
    basis: str
    mark: str
    shuffled: float = 0.0

    @property
    def name(self) -> str:
        """``source->target``, with the compartment if it is not the soma."""
        at = "" if self.at == "soma" else f".{self.at}"
        return f"{self.source}->{self.target}{at}"


#: Roles of populations in a prediction loop, which no population may be called.
ROLES = ("relay", "driver", "predictor")


@dataclass(frozen=True)
class Loop:
    """A prediction loop: relay cells that are told what happens, and what will.

    Attributes
    ----------
    name : str
    relay : str
        Population whose minus phase is the prediction and whose plus phase is the outcome.
    driver : str
        Population that drives the relay cells with what happens.
    predictor : str
        Population whose plastic synapses on the relay cells make the prediction.
    cortex : str
        Area that the relay cells write to.
    """

    name: str
    relay: str
    driver: str
    predictor: str
    cortex: str


@dataclass(frozen=True)
class CircuitSpec:
    """A whole circuit.

    Attributes
    ----------
    size : str
    n_x : int
        Positions of the stimulus.
    polarities : tuple of str
        Channels at each position.
    populations : tuple of Population
    projections : tuple of Projection
    cells : tuple of (str, str, float)
        (class, parameter, SI value) changed against the tables.
    areas : tuple of (str, int)
        Areas with another number of positions.
    loops : tuple of Loop
        The first one is what an observable is about unless it names another.
    cues : int
        Columns of the cue, which follow the channels of the stimulus.
    """

    size: str
    n_x: int
    polarities: tuple[str, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    cells: tuple[tuple[str, str, float], ...] = ()
    areas: tuple[tuple[str, int], ...] = ()
    loops: tuple[Loop, ...] = ()
    cues: int = 0

    @property
    def channels(self) -> int:
        """Positions of the stimulus times polarities."""
        return self.n_x * len(self.polarities)

    @property
    def steady(self) -> tuple[str, ...]:
        """Inputs of a constant rate: each is a column behind those of the stimulus and the cue."""
        return tuple(p.name for p in self.populations if p.is_input and p.steady > 0)

    def positions(self, name: str) -> int:
        """Return the number of positions in the area of a population."""
        return dict(self.areas).get(self.population(name).area, self.n_x)

    @property
    def readouts(self) -> tuple[str, ...]:
        """Plastic projections onto relay cells of a loop, from cells of the predictor's class."""
        pairs = {(self.population(loop.predictor).kind, loop.relay) for loop in self.loops}
        return tuple(
            p.name for p in self.projections
            if p.plastic and (self.population(p.source).kind, p.target) in pairs
        )  # fmt: skip

    def population(self, name: str) -> Population:
        """Return the population called ``name``; InputError names the nearest."""
        for p in self.populations:
            if p.name == name:
                return p
        names = [p.name for p in self.populations]
        raise InputError(f"unknown population '{name}'{nearest(name, names)}")

    def count(self, name: str) -> int:
        """Return the number of cells of a population."""
        return self.population(name).size(self.positions(name) * len(self.polarities))

    def with_populations(self, name: str, **changes) -> CircuitSpec:
        """Return a copy in which a population (``*`` and prefixes match) is changed."""
        chosen = _matching(name, [p.name for p in self.populations], "population")
        changed = tuple(replace(p, **changes) if p.name in chosen else p for p in self.populations)
        return replace(self, populations=changed)

    def scaled(self, name: str, factor: float) -> CircuitSpec:
        """Return a copy in which the weights of a projection are multiplied by ``factor``.

        Parameters
        ----------
        name : str
            ``source->target``, of which either side may be ``*``; 0 is a lesion.
        factor : float
            Not negative.
        """
        if not factor >= 0:
            raise InputError(f"scale of '{name}' is {factor}: a conductance cannot be negative")
        chosen = _matching(name, [p.name for p in self.projections], "projection")
        changed = tuple(
            replace(p, weight=p.weight * factor) if p.name in chosen else p
            for p in self.projections
        )
        return replace(self, projections=changed)

    def with_projection(self, name: str, **changes) -> CircuitSpec:
        """Return a copy in which fields of a projection are changed."""
        chosen = _matching(name, [p.name for p in self.projections], "projection")
        changed = tuple(replace(p, **changes) if p.name in chosen else p for p in self.projections)
        for p in changed:
            if p.name in chosen:
                check_projection(p, "run", {q.name for q in self.populations})
        return replace(self, projections=changed)

    def __str__(self) -> str:
        lines = [f"circuit '{self.size}': {self.n_x} positions x {len(self.polarities)} polarities"]
        lines += [f"  {p.name:12s} {self.count(p.name):5d} {p.cell}" for p in self.populations]
        lines += [
            f"  {p.row:2d} {p.name:24s} K {p.indegree:3d} x {p.weight:g} nS {dict(p.receptors)}"
            for p in self.projections
        ]
        return "\n".join(lines)


def _matching(pattern: str, names: list[str], what: str) -> set[str]:
    import fnmatch

    chosen = {n for n in names if fnmatch.fnmatchcase(n, pattern)}
    if not chosen:
        raise InputError(f"unknown {what} '{pattern}'{nearest(pattern, names)}")
    return chosen


def check_projection(p: Projection, where: str, populations: set[str]) -> None:
    """Raise InputError if a projection cannot be, or joins populations that are not there."""
    for side in (p.source, p.target):
        if side not in populations:
            raise InputError(f"{where}: {p.name}: unknown population '{side}'"
                             f"{nearest(side, populations)}")  # fmt: skip
    for receptor, share in p.receptors:
        if receptor not in RECEPTORS:
            raise InputError(f"{where}: {p.name}: unknown receptor '{receptor}'"
                             f"{nearest(receptor, RECEPTORS)}")  # fmt: skip
        if not share >= 0:
            raise InputError(f"{where}: {p.name}: share of {receptor} is {share}: a conductance"
                             " cannot be negative")  # fmt: skip
    if not p.weight >= 0:
        raise InputError(f"{where}: {p.name}: weight {p.weight} nS: a conductance cannot be"
                         " negative")  # fmt: skip
    if p.topography not in TOPOGRAPHIES:
        raise InputError(f"{where}: {p.name}: unknown topography '{p.topography}'"
                         f"{nearest(p.topography, TOPOGRAPHIES)}")  # fmt: skip
    if p.indegree < 1:
        raise InputError(f"{where}: {p.name}: indegree {p.indegree}; smallest valid: 1")
    if not p.delay > 0:
        raise InputError(f"{where}: {p.name}: delay {p.delay} ms; must be above 0")
    if not p.delay_sd >= 0:
        raise InputError(f"{where}: {p.name}: delay_sd {p.delay_sd} ms is below 0")
    try:
        release_class(p.release)
    except InputError as error:
        raise InputError(f"{where}: {p.name}: {error}") from None
