"""Intervals over seeds, equivalence, many claims at once; imports nothing of ours."""
