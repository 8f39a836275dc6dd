"""The shape of a result: one run out of many, the cycles of a block."""
