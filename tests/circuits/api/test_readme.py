"""The code of README.md, as a newcomer pastes it: in an empty folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
SHORT = [code for code in BLOCKS if "circuits.sweep(" not in code]  # of it tests/circuits/sweeps


def test_readme_opens_with_ten_lines():
    assert len(BLOCKS[0].strip().splitlines()) <= 10 and "circuits.run(" in BLOCKS[0]


@pytest.mark.standalone
@pytest.mark.parametrize("code", SHORT, ids=lambda code: code.splitlines()[-1][:30])
def test_the_code_of_readme_runs(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if "raster.png" in code:
        assert [p.name for p in tmp_path.iterdir()] == ["raster.png"]
        assert "V1.L5IB->TRC" in done.stdout and "burst rate" in done.stdout
