"""Runs of a sweep on the workers of a client: built here, measured there, kept here."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import xarray as xr

from circuits.driver.programs import build_all, programs_of
from circuits.driver.progress import Progress
from circuits.engine.devices import DEVICES
from circuits.runfiles.model import Run
from circuits.sweeps.axes import Axis
from circuits.sweeps.cluster import prepare, ship
from circuits.sweeps.folder import SweepFolder
from circuits.sweeps.remote import attempt

__all__ = ["Runner"]


class Runner:
    """Measures points, and remembers all of them.

    Parameters
    ----------
    folder : SweepFolder
    client : distributed.Client
    progress : Progress
    remote : bool
        Whether workers may have a cache of their own, to which programs are sent.

    Attributes
    ----------
    outcomes : dict of (int, int) to Dataset
        By number of the point, from 0 in the order in which points came, and seed.
    failed : dict of (int, int) to str
        Why a run gave nothing.
    """

    def __init__(self, folder: SweepFolder, client, progress: Progress, remote: bool):
        self.folder, self.client, self.progress, self.remote = folder, client, progress, remote
        self.outcomes: dict[tuple[int, int], xr.Dataset] = {}
        self.failed: dict[tuple[int, int], str] = {}
        self.measured = 0
        self._built: set[str] = set()
        self._shipments = self._points = 0
        prepare(client)

    def run(self, runs: Sequence[Run]) -> dict[tuple[int, int], xr.Dataset]:
        """Measure every seed of some points, and return what succeeded by number in ``runs``."""
        begin = self._points
        self._points += len(runs)
        tasks = {(begin + k, s): (run, s) for k, run in enumerate(runs) for s in run.seeds}
        for key, (run, seed) in tasks.items():
            if (known := self.folder.read(run, seed)) is not None:
                self.outcomes[key] = known
        open_ = {key: task for key, task in tasks.items() if key not in self.outcomes}
        self._build([run for run, _ in open_.values()])
        self._measure(open_)
        return {(k - begin, s): self.outcomes[k, s] for k, s in tasks if (k, s) in self.outcomes}

    def _build(self, runs: Sequence[Run]) -> None:
        """Compile what is not compiled yet, and send it to the workers."""
        new: set[str] = set()
        for run in runs:
            if run.experiment != "circuit" or not DEVICES[run.device].cached:
                continue
            digests = set(programs_of(run))
            if digests - self._built:
                build_all(run, self.progress)
            new |= digests - self._built
            self._built |= digests
        if new and self.remote:
            self._shipments += 1
            ship(self.client, sorted(new), self._shipments)

    def _measure(self, tasks: dict[tuple[int, int], tuple[Run, int]]) -> None:
        from distributed import as_completed

        if not tasks:
            return
        packed = {id(run): pickle.dumps(run) for run, _ in tasks.values()}
        futures = {
            self.client.submit(attempt, packed[id(run)], seed, pure=False): key
            for key, (run, seed) in tasks.items()
        }
        name = next(iter(tasks.values()))[0].name
        self.progress.begin(f"{name}: {len(tasks)} runs")
        for done, future in enumerate(as_completed(futures, loop=self.client.loop), 1):
            key = futures[future]
            error = future.exception()
            ds, why = (None, f"{type(error).__name__}: {error}") if error else future.result()
            if ds is None:
                self.failed[key] = why
                self.progress.note(f"{name}: point {key[0]}, seed {key[1]} failed: {why}")
            else:
                self.folder.keep(*tasks[key], ds)
                self.outcomes[key] = ds
                self.measured += 1
            future.release()
            self.progress.update(done / len(tasks))

    def told(self, axes: Sequence[Axis], points: Sequence[tuple]) -> dict:
        """Return what sweep.json says of the runs."""
        return {
            "runs": len(self.outcomes) + len(self.failed),
            "programs": sorted(self._built),
            "failed": [
                {"point": {a.name: v for a, v in zip(axes, points[k], strict=True)},
                 "seed": seed, "why": why}
                for (k, seed), why in sorted(self.failed.items())
            ],
        }  # fmt: skip
