"""The algorithmic level: networks of rates that learn by phases, errors, bursts or plateaus.

All arrays have the seeds as their first axis, so that the networks of all seeds of an experiment
are settled and trained together. Rates lie between 0 and 1 and have no unit.
"""
