"""Run files: what to run, in which conditions, and what must come out.

A run file is TOML. Everything but ``cycle``, ``size``, ``scale``, ``seeds`` and ``device`` may be
said again in a ``[[condition]]``, for that condition alone. Keys are strict: a mistake is told in
one line, before anything runs.

A run that learns has a table ``[plasticity]``, and tables ``[blocks.NAME]`` of training and test,
which follow one another in the order of the file.
"""
