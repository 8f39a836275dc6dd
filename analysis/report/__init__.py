"""The report page: circuit runs, learning runs, rate networks and the synapse bench."""
