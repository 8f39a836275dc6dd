"""Figures: the circuit diagram, circuit runs, learning runs, the synapse bench."""
