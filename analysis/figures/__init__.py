"""Figures: the circuit diagram, circuit runs, learning runs, rate networks, the synapse bench."""
