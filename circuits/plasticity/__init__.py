"""Plasticity rules as interchangeable parts, and the bench that puts them through experiments.

Every rule is a frozen description with a parameter table (`tables/*.toml`), `dw` for spike trains
in vitro and `brian2` for the circuit.
"""
