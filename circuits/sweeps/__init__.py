"""Many runs of one run file: other values of some keys, on any number of processes."""
