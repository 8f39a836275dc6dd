from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from analysis import observables
from analysis.data import schema
from analysis.data.recordings import recording
from analysis.figures import circuit as figures
from analysis.figures import diagram, recordings
from analysis.measures.theta import phase_rates
from analysis.report import page as pages
from analysis.report import vector
from analysis.report.circuit import Section, circuit_sections
from analysis.report.page import write_report
from analysis.verdicts import judge

CRITERIA = [
    {"id": "rate", "claim": "One burst a cycle", "observable": "burst_rate",
     "source": "S1, doi:10.1016/S0896-6273(01)00542-6",
     "min": 4, "max": 6, "unit": "Hz"},
    {"id": "locked", "claim": "Locked even when <ablated>", "observable": "burst_vector_strength",
     "min": 0.6, "condition": "no pacing"},
]  # fmt: skip
RUN = {"name": "v1_pulvinar", "seeds": [1, 2], "wall_s": {"runs": 12.5},
       "versions": {"numpy": "2.5.5"}, "command": "pulvinar run v1_pulvinar --seeds 1,2",
       "cells_SI": {"TRC": {"g_leak": 0.3}, "PV": {}},
       "cell_units": {"g_leak": {"unit": "mS/cm**2", "SI": 10.0}},
       "run": {"cycle": {"length": "200 ms"}, "condition": [{"name": "own", "factors": {"a": 2.0}}],
               "criteria": CRITERIA}}  # fmt: skip


class Page(HTMLParser):
    VOID = ("meta", "br", "wbr", "link")

    def __init__(self):
        super().__init__()
        self.open, self.images, self.headings, self.external, self.text = [], [], [], [], []
        self.links, self.anchors = [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "svg":
            self.images.append(attrs["aria-label"])
        if tag == "a":
            self.links.append(attrs["href"])
        else:
            self.external += [
                v for k, v in attrs.items() if k in ("src", "href") and v[:5] != "data:"
                and v[:1] != "#"
            ]  # fmt: skip
        self.anchors += [attrs["id"]] if "id" in attrs else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data.strip())
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def read(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert not page.open
    return page


@pytest.fixture(scope="module")
def page(many, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(many, judge.evaluate(many, CRITERIA), RUN, path)
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    return read(path)


def test_the_page_has_every_figure_and_needs_no_other_file(page):
    assert len(page.images) == 11
    assert page.external == []
    assert len(set(page.anchors)) == len(page.anchors)
    inner = [link[1:] for link in page.links if link.startswith("#")]
    assert inner[0] == "claims" and inner[-1] == "tables" and set(inner) <= set(page.anchors)
    assert [link for link in page.links if link[0] != "#"] == [
        "result.nc", "run.json", "verdicts.json", "https://doi.org/10.1016/S0896-6273(01)00542-6",
    ]  # fmt: skip


def test_what_is_of_a_work_is_a_link_and_the_rest_is_text():
    link = pages.linked("A <b> 2026 doi:10.1/x, doi:10.7554/eLife.73046; arXiv:2109.08063.")
    assert link == (
        'A &lt;b&gt; 2026 doi:10.1/x, <a href="https://doi.org/10.7554/eLife.73046">doi:10.7554/'
        'eLife.73046</a>; <a href="https://arxiv.org/abs/2109.08063">arXiv:2109.08063</a>.'
    )


def test_the_page_starts_with_the_verdicts(page):
    text = [t for t in page.text if t]
    first = text.index("1 of 2 claims hold (n = 2 seeds); falsified: locked.")
    wanted = ["What was judged", "Spikes by condition", "Rates by population, phase and condition",
              "Conditions compared", "Circuit", "When drivers burst"]  # fmt: skip
    assert page.headings[: len(wanted)] == wanted and first < text.index("One burst a cycle")
    assert "✓ holds" in text and "✗ falsified" in text
    assert any("<ablated>" in t for t in text)
    assert any("condition 'intact', seed 1" in t for t in text)


def test_the_page_tells_parameters_versions_and_tables(page):
    text = " ".join(page.text)
    for word in ("numpy 2.5.5", "wall_s.runs 12.5 s", "Connectivity table", "Populations",
                 "cycle.length 200 ms", "condition 'own'.factors.a 2", "weight (nS)",
                 "g_leak mS/cm**2 0.03 –", "pulvinar run v1_pulvinar --seeds 1,2"):  # fmt: skip
        assert word in " ".join(text.split()), word


def test_what_is_missing_is_named_and_the_rest_is_drawn(circuit, tmp_path):
    bare = circuit.drop_vars(["stimulus", *(v for v in circuit.variables if "record_" in str(v))])
    bare = bare.assign_attrs(projections="[]")
    del bare.attrs["populations"]
    page = read(write_report(bare, [], {}, tmp_path / "r.html"))
    text = " ".join(page.text)
    assert "No claims were tested." in text
    for missing in ("variable 'stimulus'", "nothing was recorded", "attribute 'populations'"):
        assert missing in text
    assert len(page.images) == 6


def test_another_experiment_has_its_own_figures_only(tmp_path):
    figure = Figure()
    figure.add_subplot().plot([0, 1], [0, 1])
    bench = xr.Dataset({"epsp": ("rule", [1.0, 2.0], {"units": "%"})})
    for ds in (bench, None):
        page = read(
            write_report(
                ds, [], {"title": "In vitro"}, tmp_path / "r.html",
                extra_sections=[("Potentiation", "Model over data", figure)],
            )
        )  # fmt: skip
        assert page.headings == ["Potentiation"] and len(page.images) == 1
        assert "In vitro" in page.text


def test_the_same_figure_gives_the_same_page(circuit, tmp_path):
    pages = []
    for name in ("a", "b"):
        figure = Figure()
        diagram.plot_circuit(
            schema.population_table(circuit),
            schema.projection_table(circuit),
            schema.loops(circuit),
            figure.add_subplot(),
        )
        extra = [("Circuit", "as vectors", figure)]
        path = write_report(None, [], RUN, tmp_path / name, extra_sections=extra)
        pages.append(path.read_bytes())
    assert pages[0] == pages[1]


def test_an_undefined_value_is_written_as_undefined(tmp_path):
    judged = [judge.verdict("x", "claim", "obs", [float("nan")], "Hz", 1.0)]
    page = read(write_report(None, judged, {}, tmp_path / "r.html"))
    assert any(t.startswith("undefined") for t in page.text) and "? undecided" in page.text


def test_a_circuit_without_spikes_is_still_reported(circuit, tmp_path, recwarn):
    silent = circuit.isel(spike=slice(0, 0))
    silent["rate"] = silent["rate"] * 0
    page = read(write_report(silent, [], {}, tmp_path / "r.html"))
    assert len(page.images) == 9
    assert not [w for w in recwarn.list if "constrained_layout" in str(w.message)]


def test_every_figure_draws_on_the_axis_it_is_given(circuit):
    from analysis.measures import patterns, spectra, theta

    rate = spectra.rate_signal(circuit, "V1.L5IB")
    calls = [
        (figures.plot_raster, (circuit,)),
        (figures.plot_population_rates, (circuit,)),
        (figures.plot_phase_rates, (theta.phase_rates(circuit),)),
        (figures.plot_pattern, (patterns.pattern(circuit, "pulvinar.TRC", "plus"),)),
        (figures.plot_pattern_correlation, ({"a": np.array([0.1, np.nan, 1])},)),
        (figures.plot_aligned_rates, (theta.aligned_rates(circuit),)),
        (figures.plot_spectrum, ({"V1.L5IB": spectra.spectrum(rate)},)),
        (recordings.plot_potentials, (circuit, recording(circuit, what="V"))),
        (recordings.plot_recorded, (circuit, recording(circuit, "V1.L5IB"))),
    ]
    for plot, data in calls:
        ax = Figure().add_subplot()
        assert plot(*data, ax=ax) is ax
        assert ax.has_data()
    ax = Figure().add_subplot(projection="polar")
    assert figures.plot_burst_phases(theta.burst_phases(circuit), ax=ax) is ax


def test_the_diagram_shows_every_population_once_and_apart(circuit):
    populations, projections = schema.population_table(circuit), schema.projection_table(circuit)
    ax = Figure().add_subplot()
    diagram.plot_circuit(populations, projections, schema.loops(circuit), ax=ax)
    written = [t.get_text() for t in ax.texts]
    assert sum(t.startswith("n = ") for t in written) == len(populations)
    found = diagram.layout(populations, schema.loops(circuit), projections)
    places = list(found.places.values())
    for i, (x, y) in enumerate(places):
        for u, v in places[i + 1 :]:
            assert abs(x - u) > 1.06 or abs(y - v) > 0.5


def test_arrows_of_the_diagram_come_from_the_tables(circuit):
    populations, projections = schema.population_table(circuit), schema.projection_table(circuit)
    arrows = {(a.source, a.target): a for a in diagram.merge_projections(populations, projections)}
    assert arrows["V1.L5IB", "pulvinar.TRC"].kind == "driver"
    assert arrows["V2.L6CT", "pulvinar.TRC"].kind == "modulator"
    assert arrows["V2.L6CT", "pulvinar.TRC"].plastic
    assert arrows["V1.SST", "V1.L5IB"].kind == "inhibitory"
    assert arrows["V1.SST", "V1.L5IB"].rows == ("31",)
    assert len(arrows) == len({(p["source"], p["target"]) for p in projections})
    unknown = [
        *projections,
        projections[0] | {"target": "V4.L4"},
        projections[0] | {"target": "V2.SST", "weight_nS": 0.0},
    ]
    assert len(diagram.merge_projections(populations, unknown)) == len(arrows)


def test_the_diagram_stands_a_third_area_a_second_nucleus_and_unknown_classes(circuit):
    populations = schema.population_table(circuit)
    more = [
        {"name": f"{area}.{c}", "area": area, "layer": layer, "cell_class": c, "n": 1,
         "excitatory": c != "NGF"}
        for area, layer, c in (("V4", "2/3", "L23"), ("V4", "4", "L4"), ("V4", "1", "NGF"),
                               ("V4", "", "odd"), ("P2", "relay", "TRC"), ("P2", "TRN", "TRN"))
    ]  # fmt: skip
    loops = [*schema.loops(circuit), {"relay": "P2.TRC"}]
    found = diagram.layout(populations + more, loops)
    assert len(set(found.places.values())) == len(populations) + 6
    assert (found.cortical, found.nuclei) == (("V1", "V2", "V4"), ("pulvinar", "P2"))
    x = {name: found.places[name][0] for name in ("V1.L23", "pulvinar.TRC", "V2.L23", "P2.TRC")}
    assert list(x.values()) == sorted(x.values()) and x["P2.TRC"] < found.places["V4.L23"][0]
    diagram.plot_circuit(populations + more, [], loops, ax=Figure().add_subplot())


def test_a_depressing_synapse_within_an_area_is_no_driver():
    populations = [
        {"name": f"{a}.{c}", "area": a, "cell_class": c, "n": 1, "excitatory": True}
        for a, c in (("V1", "L5IB"), ("pulvinar", "TRC"))
    ]
    rows = [
        {"row": i, "source": "V1.L5IB", "target": t, "release": "driver", "weight_nS": 1.0}
        for i, t in enumerate(("V1.L5IB", "pulvinar.TRC"))
    ]
    kinds = [a.kind for a in diagram.merge_projections(populations, rows)]
    assert kinds == ["excitatory", "driver"]


def test_bare_names_of_thalamic_populations_are_understood(circuit, tmp_path):
    names = circuit["population"].values.astype(str)
    bare = np.where(names == "pulvinar.TRC", "TRC", names)
    kinds = np.where(np.isin(names, ["LGN", "THETA", "MATRIX"]), "input", circuit["cell_class"])
    renamed = circuit.assign_coords(
        population=("neuron", bare), cell_class=("neuron", kinds.astype(str))
    )
    for name in ("pulvinar.TRN", "pulvinar.TRC"):
        renamed.attrs["projections"] = renamed.attrs["projections"].replace(name, name[9:])
        renamed.attrs["populations"] = renamed.attrs["populations"].replace(name, name[9:])
    drawn = {s.title: s.figure for s in circuit_sections(renamed)}
    assert all(drawn.values())
    value = observables.evaluate(renamed, "plus_pattern_r")
    assert value == observables.evaluate(circuit, "plus_pattern_r")


def test_a_figure_that_fails_is_a_note_and_the_rest_is_drawn(circuit, tmp_path, monkeypatch):
    def fail(*args, **options):
        raise ValueError("no such colour")

    monkeypatch.setattr(figures, "plot_raster", fail)
    broken = Figure()
    broken.text(0.5, 0.5, "$x_$")  # mathtext outside of the style
    with pytest.warns(RuntimeWarning, match="figure '(Spikes|Own)': Not drawn: ValueError") as told:
        write_report(circuit, [], RUN, tmp_path / "r.html", [("Own", "A caption.", broken)])
    assert len(told) == 2
    page = read(tmp_path / "r.html")
    text = " ".join(page.text)
    assert "Not drawn: ValueError: no such colour" in text and "Spectra" in page.headings
    assert "Own" in page.headings and "A caption." not in text


def test_figures_do_not_depend_on_the_settings_of_a_user(monkeypatch):
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "text.usetex": True}):
        with figures.style():
            assert matplotlib.rcParams["font.size"] == 9
            assert not matplotlib.rcParams["axes.grid"] and not matplotlib.rcParams["text.usetex"]


def test_letters_without_a_font_are_told_of_and_leak_no_warning(recwarn):
    def caption(text):
        with figures.style():
            drawn = Figure()
            drawn.subplots().set_title(text)
        return pages._shown(Section("Raster", "Spikes.", drawn))["caption"]

    assert caption("cortex") == "Spikes."
    # of a private plane: no font has it
    assert caption("\U0010fffd") == "Spikes. Boxes: letters that no font of this machine has."
    assert not recwarn.list


def test_a_figure_as_svg_keeps_its_words_and_its_points():
    figure = Figure(figsize=(4, 2))
    ax = figure.add_subplot()
    ax.set_title("p = 0.00837 <b>")
    ax.plot(np.arange(3000) % 7, np.sin(np.arange(3000)), "o", color="#123456")
    text, _ = vector.inline(figure, "a & b", "f1-")
    assert "p = 0.00837 &lt;b&gt;" in text and 'aria-label="a &amp; b"' in text
    assert text.count("<use") > 3000 and 'href="#f1-' in text and "--c-123456" in text
    light, dark = vector.colour_rules(text)
    assert "--c-123456:#123456;" in light and f"--c-123456:{vector.dark('123456')};" in dark
    assert vector.dark("123456") != "#123456" and vector.dark("000001") == "#000001"
    small, _ = vector.inline(figure, "", "f1-", limit=10_000)
    assert "p = 0.00837" in small and "data:image/png" in small and len(small) < len(text) / 3
    assert vector.dark("ffffff") == "#171717" and vector.dark("000000") == "#ebebeb"


def test_rates_by_phase_are_a_table_too(circuit):
    (section,) = [s for s in circuit_sections(circuit) if s.title.startswith("Rates by pop")]
    columns, rows = section.table
    assert columns == ["population", "minus, Hz", "plus, Hz"]
    means = phase_rates(circuit)["mean"]
    for name, *cells in rows:
        assert [float(c.partition(" ")[0]) for c in cells] == pytest.approx(
            means.sel(population=name).values.tolist(), rel=0.006
        )
