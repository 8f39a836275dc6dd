"""The figures and numbers of the synapse bench, on a Dataset that the bench made."""

import copy
import tomllib
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from analysis.figures.synapse import plot_bars
from analysis.observables import evaluate as measured
from analysis.report.synapse import figures
from circuits.driver.report import evaluate
from circuits.plasticity.bench.run import run_bench
from circuits.runfiles.bench import validate

RUN = Path(__file__).resolve().parents[3] / "runs" / "jang2026.toml"


@pytest.fixture(scope="module")
def run():
    return tomllib.loads(RUN.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ds(run):
    matplotlib.use("Agg")
    small = copy.deepcopy(run)
    small["protocol"] |= {"start_phases": 2, "trials": 10}
    small["rules"]["names"] = ["kinase_ratio", "kinase_difference", "pair_song", "btsp"]
    small["robustness"] = {"rules": ["kinase_difference", "kinase_ratio"], "start_phases": 1}
    small["classical"]["protocols"] = ["stdp_window", "paired_recordings"]
    small["forms"] |= {"rates": [30], "trials": 2, "bins": ["10 ms", "5 ms"]}
    return run_bench(validate(small), seeds=(1, 2))


def test_every_criterion_of_the_run_file_can_be_evaluated(run, ds):
    rules = set(ds["rule"].values)
    done = 0
    for criterion in run["criteria"]:
        args = criterion.get("args", {})
        # the whole cell has a test of its own, beside `circuits.plasticity.bench.biophysical`
        whole_cell = criterion["observable"].startswith("synapse_whole_cell")
        if args.get("rule", "kinase_ratio") in rules and not whole_cell:
            assert np.isfinite(measured(ds, criterion["observable"], **args)), criterion["id"]
            done += 1
    assert done >= 10


def test_a_run_is_judged_by_a_value_for_each_seed_of_random_trains(run, ds):
    latch = {"id": "a", "claim": "b", "observable": "synapse_chi2", "max": 3.0,
             "args": {"rule": "kinase_ratio", "train": "poisson"}}  # fmt: skip
    regular = latch | {"args": {"rule": "pair_song", "train": "regular"}}
    one, other = evaluate("synapse", ds, [latch, regular])
    assert one["n"] == ds.sizes["seed"] == 2
    assert one["values"] == list(ds["chi2_seed"].sel(rule="kinase_ratio", train="poisson").values)
    assert (other["n"], other["holds"]) == (1, False)


def test_best_rival_leaves_the_kinase_rules_out(ds):
    rivals = ds["chi2"].sel(rule=["pair_song", "btsp"], train="regular").min()
    assert measured(ds, "synapse_best_rival") == float(rivals)


def test_figures_come_with_title_and_caption(ds):
    first, *made = figures(ds)
    assert len(made) == 9
    for title, caption, figure in made:
        assert title and caption and figure.axes
    assert len({title for title, _, _ in made}) == len(made)
    title, caption, figure, (columns, rows) = first
    assert figure is None and columns[:2] == ["name", "value"]
    assert ["gate", "0.95"] in [row[:2] for row in rows]
    assert "theta, gate" in caption and "kinase: ratio" in caption
    plt.close("all")


def test_bars_show_the_published_values_and_the_models(ds):
    ax = plot_bars(ds, rules=["kinase_ratio"])
    tops = [bar.get_y() + bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(tops, ds["published_mean"])
    points = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(
        points.get_ydata(), ds["epsp"].sel(rule="kinase_ratio", train="regular")
    )
    plt.close(ax.figure)


def test_a_bench_without_rivals_still_has_its_figures(run):
    alone = copy.deepcopy(run)
    alone["protocol"] |= {"start_phases": 2, "trials": 4, "trains": ["regular"]}
    alone["rules"]["names"] = ["kinase_ratio"]
    alone["robustness"] = {"rules": []}
    alone["classical"] = {"protocols": ["stdp_window"]}
    alone["forms"] = {"rules": ["kinase_ratio"], "rates": [30], "trials": 2}
    alone["predictions"] = {"conditions": [], "halves": []}
    alone["derivative"] = {}
    made = figures(run_bench(validate(alone)))
    assert len(made) == 6
    plt.close("all")
