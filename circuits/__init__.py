"""Circuits: from a description over a plan and a program to a run.

Packages
--------
synapses
    Receptors and short-term release.
anatomy
    Populations and projections: tables, description, topography.
stimuli
    What the eye sees, as firing rates of LGN relay cells.
plasticity
    Rules, what learns by them, and the bench that puts single synapses through experiments.
engine
    Plans, arrays, programs and the devices that run them.
runfiles
    What to run, in which conditions, and what must come out.
driver
    From a checked run to its folder.
predictions
    The registry of predictions, and running them.
sweeps
    Many runs of one run file, on any number of processes.
api
    A circuit as an object, and running it.
cli
    The command.

``circuits.load`` and ``circuits.Circuit`` are of `circuits.api.circuit`, ``circuits.run`` of
`circuits.api.run`, ``circuits.sweep`` of `circuits.sweeps.sweep`, ``circuits.InputError`` of
`cells.parameters`.
"""

from __future__ import annotations

__all__ = ["Circuit", "InputError", "load", "run", "sweep"]


def __getattr__(name: str):
    """Import what is heavy when it is asked for."""
    if name == "run":
        from circuits.api.run import run

        return run
    if name == "load":
        from circuits.api.circuit import load

        return load
    if name == "Circuit":
        from circuits.api.circuit import Circuit

        return Circuit
    if name == "sweep":
        from circuits.sweeps.sweep import sweep

        return sweep
    if name == "InputError":
        from cells.parameters import InputError

        return InputError
    raise AttributeError(f"module 'circuits' has no attribute '{name}'")
