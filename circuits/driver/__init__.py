"""Running a run file: every condition and seed, one Dataset, one folder."""
