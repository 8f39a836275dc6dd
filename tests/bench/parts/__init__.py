"""Parts of the bench: each has a TITLE, and `rows(context)`, which yields rows and tables."""
