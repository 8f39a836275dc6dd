"""The report page: what it shows of circuit runs, learning runs and the synapse bench."""
