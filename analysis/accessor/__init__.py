"""The accessor ``pulvinar`` of Datasets: what a run is asked, as arrays and figures."""

from analysis.accessor.dataset import Accessor

__all__ = ["Accessor"]
