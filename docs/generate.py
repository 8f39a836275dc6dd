"""The reference, made of the tables and registries that the programs run from.

Everything lies in ``generated/`` and ``reference/``, which git ignores, and is written anew at each
build. A key without a meaning here, or a meaning without a key, stops the build.
"""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import MISSING, fields
from pathlib import Path

import mechanisms
import runfile_keys

from analysis.observables import OBSERVABLES
from cells.models import CELL_CLASSES
from circuits.anatomy.folder import DEFAULT
from circuits.anatomy.tables import load_circuit
from circuits.cli.params import parameters
from circuits.driver.dataset import population_rows, projection_rows
from circuits.manipulations import VERBS

ROOT = Path(__file__).parents[1]
_API = {
    "The circuit": ("circuits", "circuits.sweeps.sweep"),
    "Results": (
        "analysis.accessor.dataset", "analysis.data.schema", "analysis.exports",
        "analysis.observables.registry",
    ),
    "Measures": (
        "analysis.measures.theta", "analysis.measures.patterns", "analysis.measures.spikes",
        "analysis.measures.spectra", "analysis.measures.scores", "analysis.measures.weights",
        "analysis.measures.gradient", "analysis.measures.baselines",
    ),
    "Figures": ("analysis.figures.circuit", "analysis.figures.learning",
                "analysis.figures.synapse"),
    "Cells and synapses": ("cells.models", "cells.currents", "cells.physiology",
                           "circuits.synapses.receptors", "circuits.plasticity.rules.rule"),
}  # fmt: skip


def table(header, rows) -> str:
    """Return a Markdown table; what would end a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    texts = (" | ".join(_cell(value) for value in row) for row in lines)
    return "\n".join(f"| {text} |" for text in texts) + "\n"


def _cell(value) -> str:
    return " ".join(str(value).split()).replace("|", "\\|") or " "


def write(here: Path) -> None:
    """Write all generated pages into ``here``."""
    for name in ("generated", "reference"):
        shutil.rmtree(here / name, ignore_errors=True)
        (here / name).mkdir()
    for name, figure in (("circuit", _circuit()), ("frameworks", _frameworks())):
        (here / "generated" / f"{name}.svg").write_text(_svg(figure), encoding="utf-8")
    pages = {
        "runfile": _run_file(),
        "observables": _observables(),
        "manipulations": _manipulations(),
        "circuit": _anatomy(),
        "parameters": _parameters(),
        "api": _api(),
    }
    for name, text in pages.items():
        (here / "reference" / f"{name}.md").write_text(text, encoding="utf-8")
    mechanisms.write(here)
    names = [*[*pages][:5], "mechanisms/index", "api"]
    toc = "\n".join(names)
    (here / "reference" / "index.md").write_text(
        "# Reference\n\nMade at each build from the tables and registries that run.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n{toc}\n```\n", encoding="utf-8",
    )  # fmt: skip
    (here / "notebooks").mkdir(exist_ok=True)
    _notebooks(here / "notebooks")


def _svg(figure) -> str:
    import io

    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "pulvinar"}):
        figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    return text.getvalue()


def _circuit():
    """Draw the diagram of the default circuit."""
    import matplotlib.pyplot as plt

    from analysis.figures.diagram import plot_circuit

    spec = load_circuit()
    loops = [{f.name: getattr(loop, f.name) for f in fields(loop)} for loop in spec.loops]
    ax = plot_circuit(population_rows(spec), projection_rows(spec), loops)
    plt.close(ax.figure)
    return ax.figure


def _frameworks():
    """Draw what is stored of the frameworks of learning."""
    from analysis.figures.frameworks import plot_frameworks
    from analysis.verdicts.frameworks import framework_rows

    return plot_frameworks(framework_rows(ROOT / "runs" / "results"))


def _run_file() -> str:
    parts = ["# Keys of a run file\n", runfile_keys.INTRODUCTION]
    for part in runfile_keys.tables():
        rows = [[f"`{key}`", default, meaning] for key, default, meaning in part.rows]
        parts += [f"## {part.title}\n", part.note, table(["key", "default", "meaning"], rows)]
    return "\n".join(parts)


def _observables() -> str:
    parts = ["# Observables\n", "What a criterion may be about; each is a function of one run.\n"]
    for experiment in dict.fromkeys(o.experiment for o in OBSERVABLES.values()):
        mine = sorted((o for o in OBSERVABLES.values() if o.experiment == experiment),
                      key=lambda o: o.name)  # fmt: skip
        rows = [[f"`{o.name}`", o.unit, o.meaning, ", ".join(f"`{a}`" for a in o.signature)]
                for o in mine]  # fmt: skip
        parts += [f"## Of a {experiment} run\n", table(["name", "unit", "meaning", "args"], rows)]
    return "\n".join(parts)


def _manipulations() -> str:
    rows = [
        [f"`{v.name}`", ", ".join(v.targets), "" if v.unit is None else v.unit.dim,
         ", ".join(f"`{key}`" for key in v.takes), v.meaning]
        for v in VERBS.values()
    ]  # fmt: skip
    return (
        "# Manipulations\n\nHow they are said: [lesion, silence, stimulate](../howto/manipulations"
        ".md).\n\n" + table(["what", "to", "unit of the value", "keys", "meaning"], rows)
    )


def _anatomy() -> str:
    spec = load_circuit()
    populations = [[r["name"], r["area"], r["layer"], r["cell_class"], r["n"], r["meaning"]]
                   for r in population_rows(spec)]  # fmt: skip
    projections = [
        [r["row"], r["name"], "+".join(r["receptors"]), r["indegree"], r["weight_nS"],
         r["delay_ms"], r["release"], "yes" if r["plastic"] else "", r["basis"], r["mark"]]
        for r in projection_rows(spec)
    ]  # fmt: skip
    heads = ["row", "projection", "receptors", "in-degree", "nS", "ms", "release", "plastic",
             "basis", "mark"]  # fmt: skip
    return (
        f"# The circuit\n\nAnatomy `{DEFAULT}`, size `tiny`. A thick arrow is a driver, a dashed "
        "one a modulator, a blue line with a bar an inhibitory projection.\n\n"
        "```{image} ../generated/circuit.svg\n:alt: diagram of the circuit\n:width: 100%\n```\n\n"
        "## Populations\n\n"
        + table(["name", "area", "layer", "class", "cells", "meaning"], populations)
        + "\n## Projections\n\n"
        + table(heads, projections)
    )


def _parameters() -> str:
    from cells.parameters import MARKS

    marks = "; ".join(f"`{mark}` {meaning}" for mark, meaning in MARKS.items())
    parts = ["# Parameters\n", f"Every number of the model with its source. Marks: {marks}.\n"]
    by_table: dict[str, dict[str, list]] = {}
    for row in parameters():
        mine = by_table.setdefault(row.table, {}).setdefault(row.object, [])
        mine.append([f"`{row.parameter}`", row.value, row.unit, row.meaning, row.source, row.mark])
    head = ["parameter", "value", "unit", "meaning", "source", "mark"]
    for name, objects in by_table.items():
        parts.append(f"## {name}\n")
        for who, rows in objects.items():
            parts += [f"**{who}**\n", table(head, rows)]
    return "\n".join(parts)


def _api() -> str:
    parts = ["# Python\n"]
    for title, modules in _API.items():
        names = "\n   ".join(modules)
        parts.append(
            f"## {title}\n\n```{{eval-rst}}\n.. autosummary::\n   :toctree: api\n"
            f"   :template: module.rst\n\n   {names}\n```\n"
        )
    return "\n".join(parts)


def _notebooks(folder: Path) -> None:
    """Copy the executed notebooks beside their index."""
    for old in folder.glob("*.ipynb"):
        old.unlink()
    found = sorted((ROOT / "runs" / "notebooks").glob("*.ipynb"))
    for path in found:
        shutil.copy(path, folder)
    toc = "\n".join(path.stem for path in found)
    (folder / "index.md").write_text(
        textwrap.dedent(
            """\
            # Notebooks

            One for each question, as executed; the files lie in `runs/notebooks/` and come with the
            wheel. They need no compiler.

            ```{{toctree}}
            :maxdepth: 1
            {toc}
            ```
            """
        ).format(toc=toc), encoding="utf-8",
    )  # fmt: skip


def default_of(one) -> str:
    """Return the default of a dataclass field as a run file says it."""
    if one.default is MISSING:
        return "" if one.default_factory is MISSING else repr(one.default_factory())
    return "" if one.default is None else repr(one.default).replace("'", '"')


assert CELL_CLASSES, "no cell classes: the package is incomplete"
