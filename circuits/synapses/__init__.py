"""What a synapse is made of: receptors and short-term release."""

from circuits.synapses.receptors import RECEPTORS, conductance, receptor_tables
from circuits.synapses.release import release_class

__all__ = ["RECEPTORS", "conductance", "receptor_tables", "release_class"]
