"""Bench: how fast and how accurate, against plain Brian2, NEST and NEURON, in one table.

``python -m tests.bench`` (or ``make bench``) measures everything side by side in one call and
writes ``runs/results/bench/bench.json`` and the table made of it, ``README.md``.
"""
