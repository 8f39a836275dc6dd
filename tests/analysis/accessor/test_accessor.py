"""The accessor gives what the modules of analysis compute, with the Dataset's own coordinates."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from analysis import AnalysisError, observables, select
from analysis.measures import theta

DRIVER = "V1.L5IB"


def test_an_observable_has_the_coordinates_of_the_dataset(many):
    found = many.pulvinar.observable("burst_rate", population=DRIVER)
    assert found.identical(observables.by_condition(many, "burst_rate", population=DRIVER))
    assert found["seed"].dtype.kind == "i"
    rate = many["rate"].mean(("cycle", "phase", "neuron"))
    assert (found - rate).sizes == {"condition": 2, "seed": 2}
    assert found.sel(seed=1, condition="intact") > 0


def test_spikes_are_those_of_the_population(many):
    found = many.pulvinar.spikes(DRIVER, "intact", 2)
    run = select(many, 2, "intact")
    cells = many.pulvinar.cells(DRIVER)
    assert set(found["neuron"].values) <= set(cells)
    assert (cells[found["cell"].values] == found["neuron"].values).all()
    assert found.sizes["spike"] == np.isin(run["spike_neuron"], cells).sum()
    assert (np.diff(found["time"]) >= 0).all() and found["time"].attrs["units"] == "s"
    every = many.pulvinar.spikes(condition="intact", seed=2)
    np.testing.assert_array_equal(every["time"], run["spike_time"])


def test_bursts_have_the_phases_that_theta_measures(many):
    found = many.pulvinar.bursts(DRIVER, "intact", 1)
    run = select(many, 1, "intact")
    np.testing.assert_array_equal(found["phase"], theta.burst_phases(run, DRIVER))
    assert found.sizes["burst"] > 10 and (found["cycle"] >= 0).all()
    inside = found["onset"] - run["cycle_start"].values[found["cycle"].values]
    assert ((inside >= 0) & (inside < 0.2)).all()


def test_rates_and_phases_are_of_every_run(many):
    rates = many.pulvinar.rates(DRIVER)
    assert set(rates["population"].values.astype(str)) == {DRIVER}
    phases = many.pulvinar.phases()
    assert phases["mean"].dims == ("condition", "seed", "population", "phase")
    for condition, seed in many.pulvinar.runs:
        one = theta.phase_rates(select(many, seed, condition))
        here = phases.sel(condition=condition, seed=seed).drop_vars(("condition", "seed"))
        xr.testing.assert_equal(here, one)
    np.testing.assert_allclose(
        phases["mean"].sel(population=DRIVER), rates.mean(("cycle", "neuron")), rtol=1e-5
    )
    assert many.pulvinar.aligned([DRIVER]).sizes["condition"] == 2


def test_phases_are_chosen_by_population_and_phase(many):
    phases = many.pulvinar.phases()
    chosen = many.pulvinar.phases("driver", "plus")
    assert chosen.identical(phases.sel(population=DRIVER, phase="plus"))
    assert many.pulvinar.phases(["relay", DRIVER]).sizes["population"] == 2
    with pytest.raises(AnalysisError, match=r"^no phase 'mid'; .*minus"):
        many.pulvinar.phases(phase="mid")
    with pytest.raises(AnalysisError, match=r"^no population 'V1\.L5IC'; did you mean 'V1\.L5IB'"):
        many.pulvinar.phases("V1.L5IC")


def test_a_single_run_has_no_dims_of_runs(circuit):
    assert "seed" not in circuit.pulvinar.phases().dims
    assert circuit.pulvinar.observable("burst_rate").shape == (1, 1)


def test_weights_are_of_a_projection(learner):
    name = str(learner["synapse_projection"].values[0])
    found = learner.pulvinar.weights(name)
    assert found.dims[-2:] == ("snapshot", "synapse")
    keep = learner["synapse_projection"].values == name
    np.testing.assert_array_equal(found["synapse_target"], learner["synapse_target"][keep])
    np.testing.assert_array_equal(found, learner["weight"].isel(synapse=np.flatnonzero(keep)))
    with pytest.raises(AnalysisError, match="no plastic projection"):
        learner.pulvinar.weights("A->B")


def test_what_does_not_learn_has_no_weights(many):
    with pytest.raises(AnalysisError, match="nothing learns"):
        many.pulvinar.weights()
    with pytest.raises(AnalysisError, match="nothing is learned"):
        many.pulvinar.plot.learning()


def test_verdicts_are_those_of_the_criteria_that_can_be_judged(many):
    low = {"id": "low", "claim": "a", "observable": "burst_rate", "max": 1e3}
    other = low | {"id": "other", "condition": "not run"}
    ds = many.assign_attrs(
        run='{"condition": [{"name": "intact"}], "criteria": ['
        '{"id": "low", "claim": "a", "observable": "burst_rate", "max": 1000.0},'
        '{"id": "other", "claim": "a", "observable": "burst_rate", "max": 1.0,'
        ' "condition": "not run"}]}'
    )
    (found,) = ds.pulvinar.verdicts()
    assert (found["id"], found["verdict"]) == ("low", "holds")
    assert ds.pulvinar.verdicts([low]) == [found]
    with pytest.raises(AnalysisError, match="not run"):
        ds.pulvinar.verdicts([other])


@pytest.mark.parametrize("name", ["raster", "rates", "phases", "bursts", "circuit"])
def test_a_run_is_drawn(many, name, tmp_path):
    figure = getattr(many.pulvinar.plot, name)()
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "figure.png", dpi=20)
    assert figure.axes[0].has_data() or name == "circuit"


def test_a_figure_says_which_run_it_shows(many):
    figure = many.pulvinar.plot.raster("no pacing", 2)
    assert figure.axes[0].get_title(loc="left") == "no pacing, seed 2"


def test_observables_are_drawn_by_condition(many):
    ax = many.pulvinar.plot.observable("burst_rate").axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["intact", "no pacing"]


@pytest.mark.parametrize("name", ["learning", "patterns", "weights"])
def test_what_was_learned_is_drawn(lesioned, name, tmp_path):
    getattr(lesioned.pulvinar.plot, name)().savefig(tmp_path / "figure.png", dpi=20)


def test_a_result_without_rates_and_a_phase_that_is_none_are_told(many):
    bare = many.drop_vars("rate")
    for ask in (bare.pulvinar.phases, bare.pulvinar.rates):
        with pytest.raises(AnalysisError, match="stored without rates"):
            ask()
    with pytest.raises(AnalysisError, match="no phase 'mid'; did you mean 'minus'"):
        many.pulvinar.observable("phase_rate", population="TRC", phase="mid")
