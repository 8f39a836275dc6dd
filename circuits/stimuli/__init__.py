"""What the eye sees, as firing rates of LGN relay cells."""

from circuits.stimuli.lgn import lgn_table
from circuits.stimuli.pictures import photograph
from circuits.stimuli.stimulus import Stimulus

__all__ = ["Stimulus", "lgn_table", "photograph"]
