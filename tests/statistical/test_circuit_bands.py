"""The newcomer's run, on seeds that no number was tuned on, at a quarter of its length."""

import json

import pytest

from circuits.driver.run import run_file

# what needs more cycles than this to be judged is left to the run file itself
BANDS = {
    "burst-rate", "burst-plus", "burst-phase", "phase-lost", "isolated-spikes", "plus-pattern",
    "excitatory-low", "excitatory-high", "interneurons-low", "interneurons-high", "TRC-rate",
    "TRN-rate", "idle-TRC", "no-runaway",
}  # fmt: skip


@pytest.mark.standalone
def test_first_light_holds_on_fresh_seeds(tmp_path):
    folder = run_file(
        "first_light", seeds=[31, 32], cycles=20, device="cpp", out=tmp_path / "out", progress=None
    )
    verdicts = json.loads((folder / "verdicts.json").read_text())["verdicts"]
    judged = {v["id"]: v for v in verdicts}
    assert set(judged) >= BANDS
    failed = {
        k: (judged[k]["value"], judged[k]["criterion"]) for k in BANDS if not judged[k]["holds"]
    }
    assert not failed
