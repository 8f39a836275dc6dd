"""Every cell class alone under constant currents."""

from __future__ import annotations

import numpy as np
from brian2 import Network, NeuronGroup, Quantity, SpikeMonitor, amp, volt

from cells.integration import METHODS
from cells.models import CELL_CLASSES, cell_class, steady_state
from cells.physiology import resting_potential

DRIVES = 64
_CURRENTS = np.geomspace(20e-12, 2e-9, DRIVES)  # A
_LARGEST = 4.0  # of the rheobase


def make(method: str) -> tuple[Network, dict[str, SpikeMonitor]]:
    """Return all cell classes under `DRIVES` currents each: (network, monitors by class)."""
    network, monitors = Network(), {}
    plain = method == "exponential_euler"
    for name in CELL_CLASSES:
        cell = cell_class(name)
        parts = cell.model.compartments
        lines = cell.model.equations().splitlines()
        if plain:
            lines = [line for line in lines if "_last" not in line]
        lines += [f"{part.injected} : amp (constant)" for part in parts]
        soma = parts[0].v
        group = NeuronGroup(
            DRIVES, "\n".join(lines), method=METHODS[method].updater, reset="",
            name=f"alone_{name}",
            threshold=f"{soma} > -15*mV" if plain else cell.model.threshold,
            refractory=f"{soma} > -15*mV" if plain else False,
        )  # fmt: skip
        for key, value in cell.parameters.items():
            setattr(group, key, value)
        rest = float(resting_potential(cell))
        for key, value in steady_state(cell, np.full(DRIVES, rest)).items():
            if key != "current":
                variable = group.variables[key]
                setattr(group, key, Quantity(np.full(DRIVES, value), dim=variable.dim))
        for part in parts:
            setattr(group, part.v, rest * volt)
            if not plain:
                setattr(group, f"{part.v}_last", rest * volt)
        setattr(group, parts[0].injected, _CURRENTS * amp)
        monitors[name] = SpikeMonitor(group, name=f"spikes_{name}")
        network.add(group, monitors[name])
    return network, monitors


def driven(spikes: dict, start: float) -> dict[str, np.ndarray]:
    """Return the cells of each class whose current is 1 to `_LARGEST` times the rheobase.

    The rheobase is the smallest of the currents at which a cell fires from ``start`` (s) on.
    """
    found = {}
    for name, (index, time) in spikes.items():
        low = index[time >= start].min()
        found[name] = np.flatnonzero(
            (np.arange(DRIVES) >= low) & (_CURRENTS <= _LARGEST * _CURRENTS[low])
        )
    return found


def counts(spikes: dict, start: float, cells: dict) -> dict[str, int]:
    """Return the spikes from ``start`` (s) on of the chosen cells of each class."""
    return {
        name: int((np.isin(index, cells[name]) & (time >= start)).sum())
        for name, (index, time) in spikes.items()
    }
