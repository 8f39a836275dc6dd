"""The report of a learning run."""

import html
import re

import numpy as np
import pytest

from analysis.data import schema
from analysis.measures import scores as scoring
from analysis.measures.learning import headline, lesion_table, report_blocks
from analysis.report import gradients, learning, page
from analysis.report.rivals import rival_conditions, rival_scores, rival_table
from tests.analysis.learner import TURNED, make_learner, value


def test_rival_rules_are_found_and_scored(rivals):
    both = {"kinase": "kinase_difference", "STDP": "stdp"}
    assert rival_conditions(rivals) == both | {"STDP slow": "stdp"}
    assert rival_conditions(rivals, best=True) == both
    blocks = report_blocks(rivals)
    assert (blocks["reversal"], blocks["reversal_test"]) == ("reversal", "reversal_test")
    scores = rival_scores(rivals)
    for condition in ("kinase", "STDP"):
        for k, seed in enumerate((1, 2)):
            one = schema.select(rivals, seed, condition)
            here = scores.sel(condition=condition).isel(seed=k)
            after, before = (value(one, "r_pred", block=b) for b in ("reversal_test", "test"))
            assert float(here["r_pred"]) == before
            assert float(here["recovery"]) == pytest.approx(after / before)
            cycles = value(one, "cycles_to_recover", block="reversal", reference="test")
            assert float(here["cycles"]) == cycles
            assert float(here["old"]) == pytest.approx(0.45 / 0.7 - 1)
    assert (scores["cycles"].sel(condition="STDP") == 41).all()
    columns, rows = rival_table(rivals, scores)
    cells = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [c["rule"] for c in cells] == ["kinase_difference", "stdp", "stdp"]
    assert cells[0]["settings"] == "rate 0.1, k_D 1.2" and cells[1]["settings"] == "rate 0.02"
    assert cells[1]["old weights, change"] == "-0.36 ± 0.00"
    mean, sd = (float(getattr(scores["r_pred"].isel(condition=1), f)(**k))
                for f, k in (("mean", {}), ("std", {"ddof": 1})))  # fmt: skip
    assert cells[1]["r_pred in 'test'"] == f"{mean:.2f} ± {sd:.2f}"


def test_conditions_that_learn_by_one_rule_are_no_rivals(rivals, lesioned):
    assert rival_conditions(lesioned) == {}
    frozen = rivals["learning"].where(~rivals["condition"].isin(["STDP", "STDP slow"]), 0.0)
    off = rivals.assign(learning=frozen.assign_attrs(units="1"))
    assert rival_conditions(off) == {}
    assert "Rival rules" not in [title for title, *_ in learning.sections(lesioned)]


def test_cosines_with_the_gradient_are_shown_beside_their_nulls(rivals):
    cosines = gradients.gradient_cosines(rivals)
    columns, rows = gradients.gradient_table(cosines)
    assert [row[:2] for row in rows] == [
        ["kinase", "V2.L6CT->pulvinar.TRC"],
        ["STDP", "V2.L6CT->pulvinar.TRC"],
    ]
    for row in rows:
        cell = dict(zip(columns[:7], row[:7], strict=True))
        runs = [schema.select(rivals, s, row[0]) for s in (1, 2)]
        got = [value(run, "gradient_cosine", block="training") for run in runs]
        assert cell["cosine"] == f"{np.mean(got):.2f} ± {np.std(got, ddof=1):.2f}"
        got = [value(run, "gradient_cosine", block="training", centred=True) for run in runs]
        assert cell["centred"] == f"{np.mean(got):.2f} ± {np.std(got, ddof=1):.2f}"
        null = [value(run, "gradient_cosine_shuffled", block="training") for run in runs]
        assert cell["synapses shuffled"].startswith(f"{np.mean(null):.2f} ± ")
        # what the source predicts is where the weights grew
        assert min(value(run, "gradient_z", block="training", null="targets") for run in runs) > 4
    one = schema.select(rivals, 1, "kinase")
    _, alone = gradients.gradient_table(gradients.gradient_cosines(one))
    assert [row[0] for row in alone] == ["V2.L6CT->pulvinar.TRC"]


def test_a_page_with_five_blocks_and_rivals(rivals):
    sections = {title: (figure, table) for title, _, figure, table in learning.sections(rivals)}
    for title in ("Learning curve", "Rival rules"):
        axes = sections[title][0].axes[0]
        names = [t.get_text() for t in axes.texts]
        assert names == [b[0] for b in TURNED]
        edges = {line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1}
        assert set(np.cumsum([b[1] for b in TURNED])[:-1] - 0.5) <= edges
    assert list(sections)[4:] == ["Weight change and the gradient of the error",
                                  "Lesions and controls", "Rival rules"]  # fmt: skip


def parsed(path):
    text = path.read_text(encoding="utf-8")
    body = text[text.index("<body>") :]
    return body, re.findall(r"<h2>(.*?)</h2>", body)


def test_the_page_says_in_its_first_line_what_was_learned(lesioned, tmp_path):
    raw = lesioned.drop_vars(list(scoring.SCORES))
    body, headings = parsed(page.write_report(raw, [], {"name": "x"}, tmp_path / "r.html"))
    first = re.search(r"<p[^>]*>(.*?)</p>", body, re.DOTALL)
    assert html.unescape(first.group(1)) == headline(lesioned)
    wanted = ["Learning curve", "Prediction and outcome",
              "Weight change against the temporal derivative", "Weights before and after",
              "Weight change and the gradient of the error", "Lesions and controls"]  # fmt: skip
    assert headings[:6] == wanted
    assert "Circuit" in headings[6:]
    upto = body.index(f"<h2>{headings[6]}</h2>")
    assert body[:upto].count("<svg") == 6
    _, rows = lesion_table(lesioned)
    for row in rows:
        joined = "</td>.*?<td[^>]*>".join(re.escape(html.escape(cell)) for cell in row)
        assert re.search(joined, body[:upto])


def notes(ds):
    """What is said where a figure is missing, and the titles of the figures that are there."""
    shown = learning.sections(scoring.add_scores(ds))
    missing = [caption for _, caption, figure, table in shown if figure is None and table is None]
    return missing, [title for title, _, figure, _ in shown if figure is not None]


def test_one_run_is_reported_and_what_is_missing_is_named(tmp_path):
    ds = make_learner()
    _, headings = parsed(page.write_report(ds, [], {}, tmp_path / "a.html"))
    assert "Scores by block" in headings and "Conditions compared" not in headings
    assert notes(ds)[0] == [] and len(notes(ds)[1]) == 5
    bare = ds.drop_vars(["dw", "weight", "synapse_source", "synapse_target"])
    missing, drawn = notes(bare.drop_vars("synapse_projection"))
    assert missing[0] == "Not drawn: no variable 'dw'." and "no variable 'weight'" in missing[1]
    assert drawn == ["Learning curve", "Prediction and outcome"]
    frozen = make_learner(blocks=(("a", 10, False), ("b", 20, False)), quality={"a": 0, "b": 1})
    assert notes(frozen)[0] == ["Not drawn: no block that learns."] * 2
    silent = make_learner().isel(spike=slice(0, 0))
    silent["rate"] = silent["rate"] * 0
    assert notes(silent)[0] == []
    line = headline(scoring.add_scores(silent))
    assert "from undefined to undefined" in line
    assert line.endswith("no cycle has an outcome to compare with: not judged.")


def test_a_run_that_does_not_learn_has_no_headline(circuit, tmp_path):
    body, headings = parsed(page.write_report(circuit, [], {}, tmp_path / "r.html"))
    assert "headline" not in body and "Learning curve" not in headings
