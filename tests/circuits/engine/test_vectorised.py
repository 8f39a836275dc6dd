"""The loops over cells of every circuit are vector code, and they do what scalar code does."""

import platform
import re
import shutil
import subprocess
from itertools import pairwise

import brian2
import numpy as np
import pytest
from brian2 import Network, NeuronGroup, SpikeMonitor, Synapses, get_device, ms, set_device
from brian2.devices.device import reset_device
from brian2.stateupdaters.exact import linear
from brian2.utils import caching

from cells.fast_math import COMPILE_FLAGS, use_fast_math
from cells.models import CELL_CLASSES, cell_class
from circuits.driver.inputs import arrays_of
from circuits.engine import cpp, program, project
from circuits.engine.units import put_together
from circuits.runfiles.resolve import resolve

pytestmark = [
    pytest.mark.standalone,
    pytest.mark.skipif(shutil.which("g++") is None, reason="no g++"),
]
LOOP = re.compile(
    r"for\((?:int|size_t) _idx=(?:0|_first); _idx<(?:_N|N|_last); _idx\+\+\)"
    r"|for\(int32_t _index_events=0;"
)
KINDS = ("stateupdater", "noise", "thresholder", "upstroke_resetter")


# it is compiled for, not run on: processors without it have no conversion of 64-bit integers
AVX512 = ["-march=x86-64-v4"] if platform.machine() == "x86_64" else []


def scalar_loops(folder, names) -> list[str]:
    """Return those of the code objects whose first loop over cells is not vectorised."""
    flags = [flag for flag in COMPILE_FLAGS if flag != "-w"] + AVX512
    found = []
    for name in names:
        file = folder / "code_objects" / f"{name}.cpp"
        lines = file.read_text().splitlines()
        main = next(k for k, line in enumerate(lines, 1) if LOOP.search(line))
        done = subprocess.run(
            ["g++", "-w", "-std=c++11", "-I.", "-include", "objects.h", *flags,
             "-fopt-info-vec-optimized", "-c", str(file), "-o", "tested.o"],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        pattern = rf"{name}\.cpp:{main}:\d+: optimized: loop vectorized"
        if not re.search(pattern, done.stderr):
            found.append(name)
    return found


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Return the folder of a learning circuit's C++ with its header compiled, and its models."""
    folder, condition = learning_circuit(tmp_path_factory.mktemp("tiny"), "tiny")
    compile_header(folder)
    cells = {p.cell for p in condition.spec.populations if not p.is_input}
    return folder, {cell_class(cell).model.name for cell in cells}


def learning_circuit(folder, size):
    run = resolve(
        "predictive_learning", size=size, conditions=["learning"], cycles=2,
        settings=["integration.upstroke=4"],
    )  # fmt: skip
    condition = run.conditions[0]
    project.generate(condition.plan, arrays_of(condition, run.cycle, 1)[0], folder)
    return folder, condition


def compile_header(folder):
    subprocess.run(
        ["g++", *COMPILE_FLAGS, "-std=c++11", "-I.", "-x", "c++-header", "objects.h",
         "-o", "objects.h.gch"],
        cwd=folder, check=True,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_loops_over_cells_are_vectorised(generated, kind):
    folder, models = generated
    files = sorted((folder / "code_objects").glob(f"*_{kind}*.cpp"))
    # inputs look their rates up in a table, on a slow clock: about 2 % of the time; so does the
    # gate of the relay cells, behind a time that is seldom right
    apart = re.compile("after_run|inputs|relay_learn")
    names = [file.stem for file in files if not apart.match(file.stem)]
    of = {re.sub(r"_(spike|upstroke)$", "", name.split(f"_{kind}")[0]) for name in names}
    assert of == models
    # courses of manipulations, which conditions of one program share, are looked up in a table
    computed = [
        name for name in names
        if " courses(" not in (folder / "code_objects" / f"{name}.cpp").read_text()
    ]  # fmt: skip
    assert len(names) - len(computed) <= 1
    assert not scalar_loops(folder, computed)


def test_another_size_is_the_same_code(generated, tmp_path):
    """So what is vectorised in one is in the other, and its object files are."""
    tiny, _ = generated
    column, _ = learning_circuit(tmp_path, "column")
    looped = re.compile(rf"void _run_(?!inputs)\w+_({'|'.join(KINDS)})_codeobject")
    ours, theirs = ({t for t in put_together(f).parts if looped.search(t)} for f in (tiny, column))
    assert len(ours) > 10 and ours == theirs


def test_with_threads_each_loop_has_one_pragma(tmp_path):
    run = resolve(
        "first_light", size="tiny", conditions=["baseline"], cycles=2,
        settings=["integration.threads=2"],
    )  # fmt: skip
    (condition,) = run.conditions
    project.generate(condition.plan, arrays_of(condition, run.cycle, 1)[0], tmp_path)
    text = "\n".join(file.read_text() for file in (tmp_path / "code_objects").glob("*.cpp"))
    assert text.count("#pragma omp") > 10
    assert not re.search(r"#pragma.*\s*#pragma", text)


def test_every_model_is_looked_at():
    (condition,) = resolve(
        "predictive_learning", size="tiny", conditions=["learning"], cycles=2
    ).conditions
    cells = {p.cell for p in condition.spec.populations if not p.is_input}
    looked_at = {cell_class(cell).model.name for cell in cells}
    assert looked_at == {c.model.name for c in CELL_CLASSES.values()}


BRANCHES = """
double staircase(double x)
{
    if(x < 0.0)
        return std::sin(x);
    while(x > 1.0)
        x = x*0.5 - std::sin(x);
    return x;
}
"""


def test_a_function_with_branches_is_noticed(tmp_path):
    """One function that is not inlined and branches loses the vector code of its group alone."""
    staircase = brian2.Function(
        lambda x: x, arg_units=[1], return_unit=1, arg_names=["x"],
    )  # fmt: skip
    staircase.implementations.add_implementation("cpp", BRANCHES)
    equations = "dx/dt = (1 - {x})/(10*ms) : 1"
    folder = generate(
        tmp_path,
        lambda: [
            NeuronGroup(256, equations.format(x="exp(x)"), method="rk4", name="smooth"),
            NeuronGroup(
                256, equations.format(x="staircase(x)"), method="rk4", name="branchy",
                namespace={"staircase": staircase},
            ),
        ],
    )  # fmt: skip
    names = [f"{name}_stateupdater_codeobject" for name in ("smooth", "branchy")]
    assert scalar_loops(folder, names) == ["branchy_stateupdater_codeobject"]


def generate(folder, make, compiled=False):
    use_fast_math()
    set_device("cpp_standalone", build_on_run=False)
    try:
        Network(*make()).run(0.3 * ms)
        get_device().build(directory=str(folder), compile=False, run=False)
        if compiled:
            cpp._compile(folder, None)
            get_device().run(str(folder), with_output=False, run_args=[])
        else:
            compile_header(folder)
        return folder
    finally:
        if not compiled:
            get_device().reinit()
            reset_device()


def test_spikes_of_all_blocks_are_found(tmp_path):
    """The threshold looks at 64 cells at a time: first, last, and those at the seams."""
    sizes = (64, 200)
    firing = {n: [k for k in (0, 63, 64, 127, 130, n - 1) if k < n] for n in sizes}
    made = {}

    def make():
        for n in sizes:
            group = NeuronGroup(
                n, "x : 1", threshold="x > 0.5", reset="", name=f"blocks_{n}", dt=0.1 * ms
            )  # fmt: skip
            group.x = np.isin(np.arange(n), firing[n]).astype(float)
            made[n] = [group, SpikeMonitor(group)]
        return [o for pair in made.values() for o in pair]

    try:
        generate(tmp_path, make, compiled=True)
        for n, (_, spikes) in made.items():
            index, step = np.asarray(spikes.i), np.round(spikes.t / (0.1 * ms))
            np.testing.assert_array_equal(index, np.tile(np.unique(firing[n]), 3))
            assert all(a <= b for a, b in pairwise(step))
    finally:
        get_device().reinit()
        reset_device()


@pytest.mark.parametrize("plastic", [False, True])
def test_event_driven_equations_are_solved_as_brian2_does(plastic):
    """Line by line the same formulas, in the equations of release and of the kinases."""
    run = resolve("predictive_learning", size="tiny", conditions=["learning"], cycles=2)
    s = next(s for s in run.conditions[0].plan.synapses if s.plastic == plastic)
    group = NeuronGroup(1, "v : 1", threshold="v > 1", reset="")
    synapses = Synapses(group, group, s.equations)
    arguments = synapses.event_driven, synapses.variables
    ours, theirs = program._solve(*arguments), linear(*arguments)
    assert sorted(ours.splitlines()) == sorted(theirs.splitlines())


def test_what_brian2_remembers_has_the_keys_of_its_own_function(monkeypatch):
    variables = NeuronGroup(3, "dv/dt = -v/(5*ms) : volt\nn : integer (constant)").variables
    value = [dict(variables), {"a", 1}, (2.5, None, True), np.float64, 3 * ms, "text"]
    monkeypatch.setattr(caching, "_hashable", program._brian2_hashable)
    expected = caching._hashable(value)
    monkeypatch.setattr(caching, "_hashable", program._hashable)
    assert caching._hashable(value) == expected
    with pytest.raises(TypeError):
        caching._hashable(np.zeros(3))


def test_coupled_event_driven_equations_are_left_to_brian2():
    group = NeuronGroup(1, "v : 1", threshold="v > 1", reset="")
    coupled = "dx/dt = -x/(5*ms) : 1 (event-driven)\ndy/dt = (x - y)/(9*ms) : 1 (event-driven)"
    synapses = Synapses(group, group, coupled)
    arguments = synapses.event_driven, synapses.variables
    assert program._solve(*arguments) == linear(*arguments)
