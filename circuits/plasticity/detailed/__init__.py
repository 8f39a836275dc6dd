"""The detailed synapse and the whole cell: biophysics beside the abstract rules."""
