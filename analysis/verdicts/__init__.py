"""Whether the claims hold, the committed verdicts as a table, and two results compared."""
