"""What run files of rate networks do: one kind of experiment in each file."""
