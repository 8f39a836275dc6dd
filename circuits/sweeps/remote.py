"""What a scheduler reads of a task: next to nothing, for it may not import Brian2.

Brian2 sets a signal handler when it is imported, which only the main thread of a process may do. A
scheduler reads tasks in another thread, and workers do them in another one.
"""

from __future__ import annotations

import pickle

__all__ = ["attempt"]


def attempt(run: bytes, seed: int):
    """Do `circuits.sweeps.task.attempt` with a pickled run, where `cluster.prepare` has been."""
    from circuits.sweeps import task

    return task.attempt(pickle.loads(run), seed)
