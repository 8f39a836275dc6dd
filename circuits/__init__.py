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
cli
    The command.
"""
