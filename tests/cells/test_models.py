import re

import numpy as np
import pytest
from brian2 import Equations, Network, NeuronGroup, Quantity, ms, mV, pA, prefs, second
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS

from cells.currents import CURRENTS
from cells.integration import METHODS
from cells.models import CELL_CLASSES, MODELS, TABLES, add_classes, cell_class, steady_state
from cells.parameters import InputError
from cells.physiology import current_clamp, resting_potential


def test_every_current_is_used_and_every_model_has_a_class():
    used = {c for m in MODELS.values() for part in m.compartments for c in part.currents}
    assert used == set(CURRENTS)
    assert {cell_class(name).model.name for name in CELL_CLASSES} == set(MODELS)


@pytest.mark.parametrize("name", CELL_CLASSES)
def test_every_class_has_all_parameters_with_source(name):
    cell = cell_class(name)
    units = dict(cell.model.parameters)
    assert set(units) == set(cell.parameters)
    for parameter in cell.parameters.parameters:
        assert parameter.source and parameter.meaning
        signed = parameter.name.startswith("E_") or parameter.name in ("V_T", "shift_T")
        assert signed or parameter.value >= 0


@pytest.mark.parametrize("name", ["L23", "SST", "L5IB", "TRC", "TRN"])
def test_steady_state_is_where_a_long_simulation_ends(name):
    """From 2 mV above, with the gates of there, it returns to the root of the steady current."""
    cell = cell_class(name)
    injected = "\n".join(f"{part.injected} = 0*amp : amp" for part in cell.model.compartments)
    equations = Equations(cell.model.equations() + "\n" + injected)
    previous, prefs.codegen.target = prefs.codegen.target, "numpy"
    group = NeuronGroup(1, equations, method=METHODS["staggered"].updater, dt=0.2 * ms)
    for key, quantity in cell.parameters.items():
        setattr(group, key, quantity)
    rest = float(resting_potential(cell))
    for key, value in steady_state(cell, rest + 2e-3).items():
        if key != "current":
            setattr(group, key, Quantity(float(value), dim=equations[key].dim))
    for part in cell.model.compartments:
        setattr(group, part.v, (rest + 2e-3) * 1000 * mV)
    # the h current of relay cells takes most of a second
    Network(group).run((3 if cell.kind == "TRC" else 1) * second, namespace={})
    prefs.codegen.target = previous
    potential = float(np.array(getattr(group, cell.model.compartments[0].v))[0])
    # two compartments differ at rest, since their leaks differ
    two = len(cell.model.compartments) == 2
    assert abs(potential - rest) * 1e3 < (0.2 if two else 0.02)
    for key, value in steady_state(cell, potential).items():
        if key != "current" and not two:
            got = float(np.array(getattr(group, key))[0])
            assert got == pytest.approx(float(value), rel=0.02, abs=1e-6)


@pytest.mark.parametrize("kind", ["L23", "L5IB", "TRC", "SST", "TRN"])
def test_no_function_of_a_step_is_wrapped_in_a_unit_check(kind, monkeypatch):
    """Brian2's wrapper formats its arguments at each call: ten times the time of a step."""
    equations = Equations(cell_class(kind).model.equations())
    code = str(METHODS["staggered"].updater(equations, {}, {}))
    used = {n for n in DEFAULT_FUNCTIONS if re.search(rf"\b{n}\(", code)}
    assert {"expm1", "nonzero"} <= used
    for name in used:
        found = DEFAULT_FUNCTIONS[name].implementations[NumpyCodeGenerator].get_code(None)
        assert found.__name__ != "wrapper_function", name


def test_a_variant_is_of_a_class_that_there_is(tmp_path):
    table = (TABLES / "thalamus.toml").read_text(encoding="utf-8")
    table = table[: table.index("[TRN]")].replace("[TRC]", "[Mine]")
    path = tmp_path / "mine.toml"
    path.write_text(table.replace("class = {", 'class = { variant_of = "TRCs",'))
    with pytest.raises(
        InputError, match=r"mine.toml: \[Mine\] class variant_of: no class 'TRCs'.* mean 'TRC'"
    ):
        add_classes(path)


def test_no_rest_is_an_input_error():
    cell = cell_class("TRC")
    with pytest.raises(InputError, match="TRC: no resting potential"):
        resting_potential(cell, low=-95 * mV, high=-90 * mV)


def test_clamp_refuses_what_it_does_not_know():
    cell = cell_class("L23")
    with pytest.raises(InputError, match="compartment 'apikal'"):
        current_clamp(cell, [0] * pA, duration=1 * ms, compartment="apikal")
    with pytest.raises(InputError, match="did you mean 'staggered'"):
        current_clamp(cell, [0] * pA, duration=1 * ms, method="stagered")
    with pytest.raises(InputError, match="'g_SK_d'"):
        current_clamp(cell, [0] * pA, duration=1 * ms, g_SK_d=0)
