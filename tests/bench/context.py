"""What the parts of the bench share: sizes, folders, the learning circuit and its programs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from circuits.driver.inputs import arrays_of
from circuits.engine import cpp, devices, machine
from circuits.engine.launch import Recording
from circuits.runfiles.resolve import resolve
from tests.bench.measure import Usage, fresh, usage

RUN = "predictive_learning"
SEED = 11


@dataclass(frozen=True)
class Context:
    """How the bench runs.

    Attributes
    ----------
    quick : bool
        Few cells and short runs.
    sizes : tuple of str
        Sizes of the circuit; targets are about the last one.
    """

    quick: bool
    sizes: tuple[str, ...]

    @property
    def rounds(self) -> int:
        """Interleaved rounds of a timing."""
        return 3 if self.quick else 5

    @property
    def largest(self) -> str:
        """The size that targets are about."""
        return self.sizes[-1]

    @property
    def folder(self) -> Path:
        """Where programs of the bench are kept."""
        return machine.cache_folder() / "others"


@dataclass
class Circuit:
    """The learning circuit in one variant, with its numbers.

    Attributes
    ----------
    size : str
    cycles : int
        Of training, with which the run begins; a launch may be shorter.
    settings : tuple of str
        Changes of the run file.
    """

    size: str
    cycles: int = 40
    settings: tuple[str, ...] = ()
    _plan: object = field(default=None, repr=False)

    @cached_property
    def run(self):
        """The resolved run file."""
        return resolve(
            RUN, size=self.size, conditions=["learning"],
            settings=[f"blocks.training.cycles={self.cycles}", *self.settings],
        )  # fmt: skip

    @property
    def condition(self):
        """Its only condition."""
        return self.run.conditions[0]

    @property
    def plan(self):
        """Its plan, unless another one was put in its place."""
        return self._plan or self.condition.plan

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """Its numbers."""
        return self.drawn(SEED)

    def drawn(self, seed: int) -> dict[str, np.ndarray]:
        """Draw the numbers of another seed."""
        return arrays_of(self.condition, self.run.cycle, seed)[0]

    @property
    def cells(self) -> int:
        """Cells with a membrane."""
        return sum(g.n for g in self.plan.groups if g.name != "inputs")

    @property
    def synapses(self) -> int:
        """Synapses."""
        return sum(s.n for s in self.plan.synapses)

    def build(self) -> dict[str, float]:
        """Compile it in a new process with an empty cache; keep the program."""
        return fresh(_build, self.plan, self.arrays)

    def launch(
        self, duration: float, *, seed: int = SEED, memory: bool = False
    ) -> tuple[Usage, Recording]:
        """Run the compiled program, compiling it first if need be; ``seed`` is of the noise."""
        cpp.build(self.plan, self.arrays)
        arrays = {**self.arrays, **self._keys(seed)}
        with usage(memory) as used:
            recording = devices.run_plan(self.plan, arrays, duration=duration)
        return used, recording

    def _keys(self, seed: int) -> dict[str, np.ndarray]:
        if seed == SEED:
            return {}
        other = self.drawn(seed)
        return {key: values for key, values in other.items() if key.endswith(".key")}

    def cost(self, duration: float, start: float = 0.2) -> float:
        """Return CPU seconds for each biological second, launching apart."""
        short = self.launch(start)[0].cpu
        return (self.launch(start + duration)[0].cpu - short) / duration


def _build(plan, arrays) -> dict[str, float]:
    with usage() as used:
        cpp.build(plan, arrays)
    return {"wall": used.wall, "cpu": used.cpu + used.own}


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0))
