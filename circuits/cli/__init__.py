"""The command ``pulvinar``."""
