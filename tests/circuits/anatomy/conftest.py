"""A small anatomy that extends the one that comes along."""

import pytest

_FILES = {
    "areas": """
        extends = "v1_v2_pulvinar"
        [groups]
        cortex = ["V1", "V2", "V3"]
        [[step]]
        lower = "V2"
        higher = "V3"
        nucleus = "second nucleus"
        relay = "TRC2"
        reticular = "TRN2"
        incerta = "ZI2"
    """,
    "sizes": """
        [size.small]
        positions = 12
    """,
}


@pytest.fixture
def third_area(tmp_path):
    """Folder of an anatomy with a third area, made of a step and a group."""
    folder = tmp_path / "third_area"
    folder.mkdir()
    for name, text in _FILES.items():
        (folder / f"{name}.toml").write_text(text)
    return folder
