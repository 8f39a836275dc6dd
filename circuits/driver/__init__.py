"""Running a run file: every condition and seed, one Dataset, one folder."""

from brian2 import BrianLogger

# inputs have a slow clock on purpose; their delays are rounded to it
BrianLogger.suppress_name("synapses_dt_mismatch")
# what an interrupt or an error cuts short never gets into a network
BrianLogger.suppress_name("unused_brian_object")
