"""Tables [[record]] of a run file."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from cells.parameters import InputError
from circuits.driver import needs
from circuits.driver.dataset import _recorded
from circuits.driver.results import Result, keep_records
from circuits.engine.arrays import cells_of
from circuits.engine.launch import Recording
from circuits.recordings.quantities import of_cells, of_synapses
from circuits.runfiles.resolve import resolve

BASE = """
experiment = "circuit"
name = "small"
size = "tiny"
[cycle]
count = 4
warmup = 1
"""


@pytest.fixture
def resolved(tmp_path):
    def resolved(text, **options):
        (tmp_path / "small.toml").write_text(BASE + text)
        return resolve(tmp_path / "small.toml", **options)

    return resolved


def row(**keys):
    keys = {"target": '"V1.L5IB"', "what": '"V"'} | keys
    return "[[record]]\n" + "\n".join(f"{k} = {v}" for k, v in keys.items() if v) + "\n"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"target": '"V1.L5Ib"'}, "record 1 target: unknown 'V1.L5Ib'; did you mean 'V1.L5IB'?"),
        ({"target": '"LGN"'}, "record 1 target: 'LGN' is an input: it has no membrane"),
        ({"target": '"V1.L5IB->TRCs"'}, "record 1 target: unknown .* mean 'V1.L5IB->TRC'"),
        ({"target": ""}, "record 1: no key 'target'"),
        ({"what": '"I_Na2"'}, "record 1 what: 'V1.L5IB' has no 'I_Na2'; did you mean 'I_Na'"),
        ({"what": '"I_T"'}, "record 1 what: 'V1.L5IB' has no 'I_T'"),
        ({"what": '["V", "V"]'}, "record 1 what: a name comes twice"),
        ({"what": '["V", "LFP"]'}, "record 1 what: LFP is of a whole area"),
        ({"target": '"TRN->TRC"', "what": '"LFP"'}, "record 1 target: LFP is of an area or pop"),
        ({"what": "[]"}, "record 1 what: expected a list of names"),
        ({"cells": "49"}, "record 1 cells: 'V1.L5IB' has 48, not 49"),
        ({"cells": "[0, 48]"}, "record 1 cells: 48 is none of 'V1.L5IB', which has 0 to 47"),
        ({"cells": "[1, 1]"}, "record 1 cells: expected different indices"),
        ({"cells": "0"}, "record 1 cells: 0 is below 1"),
        ({"synapses": "3"}, "record 1 synapses: 'V1.L5IB' has cells; say 'cells'"),
        ({"interval": '"0.17 ms"'}, "record 1 interval: .* not of whole steps.* valid: 0.2 ms"),
        ({"interval": '"3 ms"'}, "record 1 interval: .* a whole part of a cycle;.* 2.5 ms"),
        ({"interval": '"0.01 ms"'}, "record 1 interval: .* nearest valid: 0.1 ms"),
        ({"interval": '"300 ms"'}, "record 1 interval: .* nearest valid: 200 ms"),
        ({"interval": '"0 ms"'}, "record 1 interval: .* nearest valid: 0.1 ms"),
        ({"interval": '"1 mV"'}, "record 1 interval: .* dimension"),
        ({"name": '"A b"'}, "record 1 name: 'A b' is not of small letters"),
        ({"when": "{ cycles = [9, 9] }"}, "record 1 when cycles: .* no part of 0 to 3"),
        ({"when": '{ during = "test" }'}, "record 1 when: unknown key 'during'"),
        ({"intervall": '"1 ms"'}, "record 1: unknown key 'intervall'; did you mean 'interval'"),
        ({"target": '"V2.L6CT->TRC"', "what": '"weight"'}, "'V2.L6CT->TRC' has no 'weight'"),
        ({"target": '"V9"', "what": '"LFP"'}, "record 1 target: unknown 'V9'; did you mean 'V"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_told_in_a_line(resolved, keys, message):
    with pytest.raises(InputError, match=message) as error:
        resolved(row(**keys))
    assert str(error.value).startswith("small.toml: ") and "\n" not in str(error.value)


def test_a_name_comes_once_and_the_table_is_of_the_file(resolved):
    with pytest.raises(InputError, match="record: the name 'a' comes twice"):
        resolved(row(name='"a"') + row(name='"a"'))
    with pytest.raises(InputError, match="'record' is the same in all conditions"):
        resolved('[[condition]]\nname = "c"\nrecord = []\n')


def test_a_record_can_be_set_on_the_command_line(resolved):
    setting = 'record=[{target="V1.L23", what="I_M", cells=[3], interval="0.5 ms"}]'
    run = resolved("", settings=[setting])
    (trace,) = run.conditions[0].plan.traces
    first = run.conditions[0].spec.count("V1.L4") + run.conditions[0].spec.count("V2.L4")
    assert (trace.of, trace.variables, trace.period_ms) == ("cortical", ("I_M",), 0.5)
    assert trace.indices == (first + 3,)
    assert run.document["record"][0]["what"] == "I_M"


def test_cells_are_spread_over_the_population(resolved):
    run = resolved(row(cells="4") + row(target='"V?.L5IB"', cells="2"))
    one, two = run.conditions[0].plan.traces
    assert one.indices == (0, 12, 24, 36)
    assert two.indices == (0, 24, 48, 72)


def test_what_only_some_conditions_have_is_missing_in_the_others(resolved):
    run = resolved(
        '[plasticity]\nprojections = ["V2.L6CT->TRC"]\n'
        '[[condition]]\nname = "learns"\n[[condition]]\nname = "other"\n'
        'plasticity.projections = ["V1.L6CT->TRC"]\n'
        + row(target='"V2.L6CT->TRC"', what='["weight", "P", "resources"]', synapses="3")
    )
    learns, other = (c.plan.traces[0] for c in run.conditions)
    assert learns.variables == ("noted_P", "noted_resources", "w")
    assert other.variables == ("noted_resources",)
    assert learns.of.endswith("_plastic") and not other.of.endswith("_plastic")


def test_names_are_those_of_the_cell_and_of_the_rule(resolved):
    run = resolved('[plasticity]\nprojections = ["V2.L6CT->TRC"]\n')
    (c,) = run.conditions
    cells = of_cells(c.spec, c.plan, "V1.L5IB")
    assert cells["V"].name == cells["V.soma"].name == "v" and cells["V.apical"].name == "v_d"
    assert cells["I_leak"].name == "I_leak" and cells["I_Ca"].name == "I_Ca_d"
    assert cells["calcium"].unit == "uM" and cells["I_h"].meaning.startswith("hyperpol")
    relay = of_cells(c.spec, c.plan, "TRC")
    assert relay["I_h"].name == "I_h" and relay["g_GABA_B"].equation.startswith("noted_g_GABA_B = ")
    rule = of_synapses(c.spec, c.plan, "V2.L6CT->TRC")
    assert {"weight", "efficacy", "P", "D", "x", "y", "resources", "utilisation"} <= set(rule)
    assert set(of_synapses(c.spec, c.plan, "V1.L5IB->TRC")) == {"resources", "utilisation"}


def test_memory_counts_what_is_recorded(resolved):
    def need(text):
        run = resolved(text)
        return needs._needs(run, 1)[2]

    samples = 5 * 200 / 0.1  # cycles, ms, step
    more = need(row(target='"V1.*"', what='["V", "I_Na"]', cells="16", interval='"0.1 ms"'))
    populations = 9
    assert more - need("") == needs._RECORDED * samples * 2 * 16 * populations


def test_only_the_asked_cycles_are_kept(resolved):
    run = resolved(row(cells="[2]", when="{ cycles = [1, 2], phase = [0.5, 1.0] }"))
    (c,) = run.conditions
    t = np.arange(1000) * 1e-3
    traces = {"record_1_intrinsic_burster": {"t": t, "v": t[None] * 1e-3}}
    result = Result(Recording({}, traces), np.zeros((4, 1)))
    keep_records(result, c, run.cycle, {})
    # cycles 1 and 2 behind a warm-up of one, second halves
    expected = np.concatenate([np.arange(500, 600), np.arange(700, 800)]) * 1e-3
    np.testing.assert_allclose(result.records["record_1_time"], expected)
    np.testing.assert_allclose(result.records["record_1_V"][:, 0], expected, rtol=1e-6)
    assert result.recording.traces == {}
    keep_records(replace(result), replace(c, records=()), run.cycle, {})


def test_populations_of_one_model_are_side_by_side(resolved):
    run = resolved(row(target='"*.L5*"', what='["V", "I_leak"]', cells="2"))
    (c,) = run.conditions
    traces = {}
    for one in c.plan.traces:
        values = np.array(one.indices)[:, None] + np.zeros(1000)
        traces[one.name] = {"t": np.arange(1000) * 1e-3} | dict.fromkeys(one.variables, values)
    result = Result(Recording({}, traces), np.zeros((4, 1)))
    keep_records(result, c, run.cycle, {})
    ds = result.records
    names = ds["record_1_population"].values.tolist()
    assert set(names) == {"V1.L5IB", "V2.L5IB", "V1.L5RS", "V2.L5RS"}
    cells = cells_of(c.spec)
    np.testing.assert_allclose(
        ds["record_1_V"][0], cells.index[ds["record_1_neuron"]] * 1e3
    )  # every cell has its own row, V in mV


def test_a_condition_that_lacks_something_has_nan_in_the_result():
    time = {"record_1_time": ("record_1_time", [0.0, 1.0], {"units": "s"})}
    one = xr.Dataset({"record_1_V": ("record_1_time", np.float32([1, 2]), {"units": "mV"}),
                      "record_1_source": ("record_1_time", np.int32([1, 2]))}, time)  # fmt: skip
    results = [Result(Recording({}), np.zeros((1, 1)), records=ds) for ds in (one, xr.Dataset())]
    variables, coordinates = _recorded(results, (2, 1))
    dims, values, attributes = variables["record_1_V"]
    assert dims == ("condition", "seed", "record_1_time") and attributes == {"units": "mV"}
    assert values[0, 0].tolist() == [1, 2] and np.isnan(values[1, 0]).all()
    assert variables["record_1_source"][1][1, 0].tolist() == [-1, -1]
    assert list(coordinates) == ["record_1_time"]
