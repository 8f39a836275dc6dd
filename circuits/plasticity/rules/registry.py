"""The rules by name; every file of this folder registers its own."""

from __future__ import annotations

from collections.abc import Callable

from cells.parameters import InputError, nearest
from circuits.plasticity.rules.rule import Rule

__all__ = ["RULES", "WHY", "register", "rule"]

#: What makes each rule with its published parameters.
RULES: dict[str, Callable[[], Rule]] = {}
#: Why each rule scores as it does in the theta-window experiment, in one sentence.
WHY: dict[str, str] = {}


def register(name: str, make: Callable[[], Rule], why: str) -> None:
    """Add a rule.

    Parameters
    ----------
    name : str
    make : callable
        Makes it, with its published parameters.
    why : str
        Why it scores as it does in the theta-window experiment, in one sentence.
    """
    RULES[name], WHY[name] = make, why


def rule(name: str) -> Rule:
    """Return the rule of that name with its published parameters; InputError names the nearest."""
    if name not in RULES:
        raise InputError(f"rule '{name}'{nearest(name, RULES)}")
    return RULES[name]()
