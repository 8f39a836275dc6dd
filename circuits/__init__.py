"""Circuits: receptors, release, plasticity, anatomy, stimuli, devices and how a run is driven."""
