"""Figures and tables of a learning run: does the minus phase come to predict the plus phase."""

from analysis.learning.gradients import gradient_cosines, gradient_table
from analysis.learning.numbers import (
    headline,
    is_learning,
    lesion_table,
    report_blocks,
    running_mean,
    site_changes,
    weight_matrix,
    weights_by_offset,
)
from analysis.learning.page import sections
from analysis.learning.plots import (
    plot_curve,
    plot_offsets,
    plot_sites,
    plot_weight_change,
    plot_weight_matrix,
)
from analysis.learning.rivals import rival_conditions, rival_scores, rival_table

__all__ = [
    "gradient_cosines",
    "gradient_table",
    "headline",
    "is_learning",
    "lesion_table",
    "plot_curve",
    "plot_offsets",
    "plot_sites",
    "plot_weight_change",
    "plot_weight_matrix",
    "report_blocks",
    "rival_conditions",
    "rival_scores",
    "rival_table",
    "running_mean",
    "sections",
    "site_changes",
    "weight_matrix",
    "weights_by_offset",
]
