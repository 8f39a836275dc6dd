"""Results in the formats of other programs, and spike trains from them.

`to_neo`, `to_nwb`, `to_sonata` and `to_tables` take a Dataset; `export` writes files of any format.
neo and NWB need the extra ``export``.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from analysis.data import schema
from analysis.data.versions import AnalysisError, read_json
from analysis.exports import tables
from analysis.exports.neo_block import to_neo, write_neo
from analysis.exports.nwb import to_nwb, write_nwb
from analysis.exports.read import read_spikes
from analysis.exports.sonata import to_sonata, write_sonata
from analysis.exports.text import to_tables, write_csv

__all__ = [
    "FORMATS",
    "check_format",
    "export",
    "read_spikes",
    "to_neo",
    "to_nwb",
    "to_sonata",
    "to_tables",
]

FORMATS = {"neo": write_neo, "nwb": write_nwb, "sonata": write_sonata, "csv": write_csv}
_NEEDS = {"neo": ("neo", "quantities"), "nwb": ("pynwb",)}


def check_format(to: str) -> None:
    """Refuse a format that is none, or whose library is not installed."""
    if to not in FORMATS:
        raise AnalysisError(tables.unknown("format", to, FORMATS))
    for library in _NEEDS.get(to, ()):
        tables.extra(library)


def export(
    folder: Path | str,
    to: str,
    out: Path | str,
    condition: str | None = None,
    seed: int | None = None,
    synapses: Path | str | None = None,
) -> list[Path]:
    """Write a finished circuit run in the format of other programs.

    Parameters
    ----------
    folder : path
        A run folder.
    to : {"neo", "nwb", "sonata", "csv"}
    out : path
        A folder that is there, to write into.
    condition : str, optional
        Default all.
    seed : int, optional
        Default all.
    synapses : path, optional
        To SONATA: all synapses, as ``pulvinar edges`` writes them.

    Returns
    -------
    list of Path
        What was written: of neo one pickle, of NWB a file and of SONATA a folder for each
        condition and seed, of CSV a file for each table.

    Raises
    ------
    AnalysisError
        For an unknown format, condition or seed, a run that is no circuit, a library that is not
        there.
    """
    check_format(to)
    if synapses is not None and to != "sonata":
        raise AnalysisError(f"a list of synapses goes to sonata, not to {to}")
    options: dict = {} if synapses is None else {"synapses": synapses}
    if to == "nwb" and Path(folder).is_dir():
        started = read_json(Path(folder, "run.json")).get("started")
        options = {"started": datetime.fromisoformat(started)} if started else {}
    return FORMATS[to](schema.load(folder), Path(out), condition, seed, **options)
