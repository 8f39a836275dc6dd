"""From results to numbers, figures and reports; works on xarray Datasets alone.

Modules
-------
schema
    The shape of a result, one run out of many, rates by theta cycle and phase.
spikes, theta, patterns, spectra
    Measures: bursts and irregularity, phase, patterns over positions, spectra.
prediction
    Learning runs: how well the minus phase predicts the plus phase, weights by offset.
gradient
    Learning runs: weight changes beside the gradient of the prediction error.
observables, verdicts
    The named numbers that claims are about, and whether the claims hold.
diagram, figures, learning, report
    Circuit diagram, figures of circuit and of learning runs, the report page.
"""

from analysis.schema import AnalysisError, check, load, select

__all__ = ["AnalysisError", "check", "load", "select"]
