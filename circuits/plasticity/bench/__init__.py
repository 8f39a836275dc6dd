"""The bench: every rule in published experiments in vitro."""
