"""From results to numbers, figures and reports; works on xarray Datasets alone.

Packages
--------
statistics
    Intervals over seeds, equivalence, many claims at once.
data
    The shape of a result, one run out of many, rates by theta cycle and phase; cycles of a block.
measures
    Bursts, phases, patterns, spectra; of learning runs predictions, sites, weights, gradients.
observables
    The named numbers that claims are about; a file there registers its own.
verdicts
    Whether the claims hold, and whether two results have the same statistics.
exports
    Results in the formats of other programs, and spike trains from them.
figures
    Circuit diagram, figures of circuit, learning and synapse runs.
report
    The report page.
accessor
    ``ds.pulvinar``: all of it from a Dataset, registered when this package is imported.
"""

from analysis.accessor import Accessor
from analysis.data.schema import AnalysisError, check, load, select

__all__ = ["Accessor", "AnalysisError", "check", "load", "select"]
