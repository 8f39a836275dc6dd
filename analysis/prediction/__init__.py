"""How well the minus phase predicts the plus phase, and what the weights have to do with it.

In every cycle the pattern of the pulvinar's relay cells late in the minus phase is compared with
the outcome, the spikes of V1 L5IB cells in the whole cycle, position by position. Only positions
count that could be predicted: what is seen there was in the window one cycle before.

A silent prediction is no prediction. Where the outcome is defined and the minus pattern is not,
the observables count a correlation of 0, and `r_pred_defined` tells how often that was so.
"""

from analysis.prediction.phases import (
    block_cycles,
    cell_rates,
    phase_patterns,
    position_patterns,
)
from analysis.prediction.scores import SCORES, add_scores, block_means, scored
from analysis.prediction.sites import classify_sites
from analysis.prediction.weights import (
    WEIGHT_CLASSES,
    classify_synapses,
    movement,
    placed_synapses,
    plastic_projection,
)

__all__ = [
    "SCORES",
    "WEIGHT_CLASSES",
    "add_scores",
    "block_cycles",
    "block_means",
    "cell_rates",
    "classify_sites",
    "classify_synapses",
    "movement",
    "phase_patterns",
    "placed_synapses",
    "plastic_projection",
    "position_patterns",
    "scored",
]
