"""The CUDA project is generated and checked; it is never compiled or run here."""

import gc

import numpy as np
import pytest

from cells.parameters import InputError
from circuits.assemble import draw_arrays
from circuits.cuda import generate_cuda
from circuits.plan import make_plan
from circuits.spec import load_circuit


@pytest.fixture(scope="module")
def inputs():
    spec = load_circuit("tiny")
    plan = make_plan(spec, bins=40, bin_ms=5)
    arrays = draw_arrays(spec, plan, seed=1, cycle_ms=200)
    return plan, {**arrays, "stimulus": np.full((40, spec.channels), 5.0)}


def test_a_folder_that_exists_is_refused(inputs, tmp_path):
    pytest.importorskip("brian2cuda")
    with pytest.raises(InputError, match="exists already"):
        generate_cuda(*inputs, tmp_path)


def test_without_brian2cuda_the_extra_is_named(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("circuits.cuda.find_spec", lambda name: None)
    with pytest.raises(InputError, match="install the extra"):
        generate_cuda(*inputs, tmp_path / "project")
    assert not (tmp_path / "project").exists()


@pytest.mark.slow
@pytest.mark.cuda
def test_the_whole_circuit_is_generated(inputs, tmp_path):
    pytest.importorskip("brian2cuda")
    plan, arrays = inputs
    gc.collect()  # names of a program that another test has run are free only then
    files = generate_cuda(plan, arrays, tmp_path / "project")
    names = {path.name for path in files}
    for group in plan.groups:
        assert f"{group.name}_stateupdater_codeobject.cu" in names
    for synapses in plan.synapses:
        assert f"{synapses.name}_pre_codeobject.cu" in names
    main = (tmp_path / "project" / "main.cu").read_text()
    assert main.count(".run(") >= 1
    # no plan may rely on what Brian2CUDA gets wrong: synapses on another clock than their source
    for synapses in plan.synapses:
        assert synapses.dt_ms == plan.group(synapses.source).dt_ms
