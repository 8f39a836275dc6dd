"""Plasticity: rules as interchangeable parts, what learns by them, and the bench.

Every rule is a frozen description with a parameter table (`rules/tables/*.toml`), `dw` for spike
trains in vitro and `brian2` for the circuit.
"""
