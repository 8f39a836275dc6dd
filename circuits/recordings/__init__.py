"""Recordings: what of which cells and synapses is kept over time, beside all spikes.

A `Record` is a table ``[[record]]`` of a run file. `with_records` puts records into the plan of a
program, `recorded` takes what a run left of them.
"""

from circuits.recordings.kept import recorded
from circuits.recordings.model import LFP, Record
from circuits.recordings.traces import lacking, with_records

__all__ = ["LFP", "Record", "lacking", "recorded", "with_records"]
