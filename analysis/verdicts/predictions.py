"""The verdict on a prediction, from those on its criteria."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.statistics.decide import FALSIFIED, HOLDS, UNDECIDED
from analysis.verdicts.judge import over_families

__all__ = ["CONTROL", "concluded"]

#: Begins the id of a criterion that says if the manipulation did what it should.
CONTROL = "control-"


def concluded(results: Sequence[dict]) -> list[dict]:
    """Return predictions with their conclusions, their criteria corrected as one family.

    Parameters
    ----------
    results : sequence of dict
        Key ``verdicts`` as `analysis.verdicts.judge.evaluate` gives them; ``blocked`` or ``failed``
        where there are none.

    Returns
    -------
    list of dict
        With ``conclusion``: holds if all criteria do, falsified if one is, else undecided; and
        undecided where a control does not hold. ``why`` says which criteria. Other words where
        nothing was run.
    """
    found = [r | {"verdicts": [dict(v) for v in r.get("verdicts") or ()]} for r in results]
    every = [v for r in found for v in r["verdicts"]]
    over_families(every, [None if v["id"].startswith(CONTROL) else "predictions" for v in every])
    return [r | dict(zip(("conclusion", "why"), _conclusion(r), strict=True)) for r in found]


def _conclusion(result: dict) -> tuple[str, str]:
    if result.get("blocked"):
        return "cannot be asked yet", result["blocked"]
    if result.get("failed"):
        return "failed", result["failed"]
    if not result["verdicts"]:
        return "not run yet", ""

    def named(word, control):
        return [
            v["id"] for v in result["verdicts"]
            if v["verdict"] == word and v["id"].startswith(CONTROL) == control
        ]  # fmt: skip

    lost = named(FALSIFIED, True) + named(UNDECIDED, True)
    if lost:
        return UNDECIDED, f"its control does not hold: {', '.join(lost)}"
    for word in (FALSIFIED, UNDECIDED):
        if mine := named(word, False):
            return word, ", ".join(mine)
    return HOLDS, ""
