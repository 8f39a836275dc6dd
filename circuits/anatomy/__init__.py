"""Populations and projections: their tables, the description made of them, topography."""

from circuits.anatomy.spec import CircuitSpec, Population, Projection
from circuits.anatomy.tables import load_circuit

__all__ = ["CircuitSpec", "Population", "Projection", "load_circuit"]
