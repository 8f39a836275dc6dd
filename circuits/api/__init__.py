"""The Python API: a circuit as an object, and running it; `circuits.load`, `circuits.run`."""
