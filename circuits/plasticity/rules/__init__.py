"""The rules: the interface, spike trains, and one file for each family."""
