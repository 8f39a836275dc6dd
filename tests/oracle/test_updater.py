"""The staggered updater on problems with a known solution, and the C++ that it is compiled to."""

import math
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from brian2 import (
    Equations,
    Network,
    NeuronGroup,
    Quantity,
    StateMonitor,
    get_device,
    ms,
    mV,
    pA,
    prefs,
    set_device,
)
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.device import reset_device
from brian2.stateupdaters.base import UnsupportedEquationsException

from cells.fast_math import COMPILE_FLAGS, INLINED, use_fast_math
from cells.integration import METHODS, Upstroke, staggered
from cells.models import CELL_CLASSES, MODELS, CellModel, Compartment, cell_class


def run(equations, until, dt, method=staggered, **start):
    """Integrate one copy on the numpy target and return its variables in SI units."""
    previous, prefs.codegen.target = prefs.codegen.target, "numpy"
    try:
        group = NeuronGroup(1, Equations(equations), method=method, dt=dt * ms)
        for name, value in start.items():
            setattr(group, name, Quantity(value, dim=group.equations[name].dim))
        Network(group).run(until * ms, namespace={})
        return {name: float(np.array(getattr(group, name))[0]) for name in group.equations.names
                if name in group.equations.diff_eq_names}  # fmt: skip
    finally:
        prefs.codegen.target = previous


def order(error, steps):
    """Return the smallest factor by which the error falls per halving."""
    errors = [error(dt) for dt in steps]
    return min(a / b for a, b in pairwise(errors))


@pytest.mark.parametrize("rate", [0.01, 1.0, 4.0])
def test_one_linear_gate_is_nearly_exact(rate):
    """dx/dt = (1 - x) rate: only the Pade approximant of phi is not exact, z**5/720 a step."""
    got = run(f"dx/dt = (1 - x)*{rate}/ms : 1", 2.0, 0.1)["x"]
    z = -0.1 * rate
    pade = 1 + z / (1 - z / 2 + z * z / 12)
    assert got == pytest.approx(1 - pade**20, rel=1e-12)
    assert got == pytest.approx(1 - math.exp(-2.0 * rate), rel=1e-4)


def test_fast_gates_stay_stable():
    """A gate 50 times faster than the step approaches its steady state without ringing."""
    values = [run("dx/dt = (0.3 - x)*500/ms : 1", n * 0.1, 0.1, x=1.0)["x"] for n in (1, 2, 40)]
    assert all(0.3 - 1e-9 <= v <= 1 for v in values) and values[2] < values[1] < values[0]


PAIR = """
dv/dt = (-0.2*(v + 65*mV) + 0.7*(v_d - v) + 0.1*mV)/ms : volt
dv_d/dt = (-0.1*(v_d + 55*mV) + 1.3*(v - v_d))/ms : volt
"""


def test_two_coupled_potentials_match_the_matrix_exponential():
    from scipy.linalg import expm

    matrix = np.array([[-0.9, 0.7], [1.3, -1.4]])
    drive = np.array([-0.2 * 65 + 0.1, -0.1 * 55])
    rest = -np.linalg.solve(matrix, drive)
    start = np.array([-80.0, -40.0])
    exact = rest + expm(matrix * 2.0) @ (start - rest)
    for dt, tolerance in ((0.2, 1e-3), (0.1, 1e-4)):
        got = run(PAIR, 2.0, dt, v=-0.08, v_d=-0.04)
        assert got["v"] * 1e3 == pytest.approx(exact[0], abs=tolerance)
        assert got["v_d"] * 1e3 == pytest.approx(exact[1], abs=tolerance)


def test_instantaneous_gate_needs_the_derivative():
    """dv/dt with a steep instantaneous gate: order 2 with df/dv, order 1 with the chord of I(V)."""
    equation = """
    dv/dt = (-0.1*(v + 70*mV) + 3*s*(-v))/ms : volt
    s = 1/(1 + exp(-(v/mV + 57)/6.2)) : 1
    """
    from scipy.integrate import solve_ivp

    def f(t, v):
        return -0.1 * (v + 70) + 3 / (1 + np.exp(-(v + 57) / 6.2)) * (-v)

    exact = solve_ivp(f, (0, 2), [-64.0], rtol=1e-12, atol=1e-12).y[0, -1]

    def error(dt, method=staggered):
        return abs(run(equation, 2.0, dt, method=method, v=-0.064)["v"] * 1e3 - exact)

    def chord(equations, variables=None, method_options=None):
        return "_g = 0.1 + 3*s\n_e = -7*mV/_g\nv = _e + (v - _e)*exp(-dt*_g/ms)"

    assert order(error, (0.1, 0.05, 0.025)) > 3.6
    assert order(lambda dt: error(dt, chord), (0.1, 0.05, 0.025)) < 2.5


def test_a_pool_fed_by_a_gate_is_second_order():
    """The pool sees the gate in the middle of its step (initial values half a step earlier)."""
    equation = """
    dx/dt = (1 - x)/(3*ms) : 1
    dy/dt = x**2/ms - y/(8*ms) : 1
    """
    from scipy.integrate import solve_ivp

    exact = solve_ivp(
        lambda t, s: [(1 - s[0]) / 3, s[0] ** 2 - s[1] / 8], (0, 5), [0, 0], rtol=1e-11, atol=1e-12
    ).y[1, -1]
    assert order(lambda dt: abs(run(equation, 5.0, dt)["y"] - exact), (0.2, 0.1, 0.05)) > 3.6


def test_a_potential_and_its_gate_are_staggered():
    """v at whole steps and x half a step later: a harmonic oscillator keeps its energy."""
    equation = "dv/dt = -x*mV/ms : volt\ndx/dt = v/mV/ms : 1"
    # x starts half a step early, at sin(-dt/2)
    dt = 0.1
    end = run(equation, 200.0, dt, v=1e-3, x=math.sin(-dt / 2))
    assert math.hypot(end["v"] * 1e3, end["x"]) == pytest.approx(1, abs=0.06)

    def drift(dt):
        got = run(equation, 20.0, dt, v=1e-3, x=math.sin(-dt / 2))
        return abs(got["v"] * 1e3 - math.cos(20.0))

    assert order(drift, (0.2, 0.1, 0.05)) > 3.6


def test_noise_and_three_coupled_potentials_are_refused():
    with pytest.raises(UnsupportedEquationsException, match="stochastic"):
        staggered(Equations("dv/dt = xi*mV/ms**0.5 : volt"))
    ring = Equations(
        "da/dt = (b - a)/ms : volt\ndb/dt = (c - b)/ms : volt\ndc/dt = (a - c)/ms : volt"
    )
    with pytest.raises(UnsupportedEquationsException, match="at most two"):
        staggered(ring)


@pytest.mark.parametrize("name", ["staggered", "rk4"])
def test_last_potential_is_that_before_the_step(name):
    previous, prefs.codegen.target = prefs.codegen.target, "numpy"
    group = NeuronGroup(
        1, "dv/dt = 2*mV/ms : volt\nv_last : volt", method=METHODS[name].updater, dt=0.1 * ms
    )
    Network(group).run(1 * ms, namespace={})
    prefs.codegen.target = previous
    assert float(group.v[0] - group.v_last[0]) == pytest.approx(2e-4)
    assert float(group.v[0] / mV) == pytest.approx(2)


def test_generated_code_is_the_same_in_every_process():
    import sys

    program = (
        "from brian2 import Equations\nfrom cells import MODELS, staggered\n"
        "m = MODELS['intrinsic_burster']\n"
        "print(staggered(Equations(m.equations() + '\\nI_syn : amp\\nI_syn_d : amp')))"
    )
    codes = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(codes) == 1 and "v_d" in codes.pop()


# compiled code

compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


@pytest.fixture
def fast_math():
    """Use the inlined functions, and put Brian2's own back."""
    functions = {name: dict(DEFAULT_FUNCTIONS[name].implementations._implementations)
                 for name in INLINED}  # fmt: skip
    flags = prefs.codegen.cpp.extra_compile_args_gcc
    use_fast_math()
    yield
    prefs.codegen.cpp.extra_compile_args_gcc = flags
    for name, implementations in functions.items():
        DEFAULT_FUNCTIONS[name].implementations._implementations = implementations


@compiler
@pytest.mark.standalone
def test_inlined_functions_are_accurate(tmp_path):
    """Errors below 1e-9 on [-600, 600] with the flags of production; exact at 0 and 1."""
    source = tmp_path / "functions.cpp"
    functions = "".join(sorted(set(INLINED.values())))
    source.write_text(
        "#include <cstdio>\n#include <cmath>\n" + functions + """
        static void worse(double &worst, long double got, long double exact, long double scale)
        {
            const double error = std::fabs((double)((got - exact)/scale));
            if (!(error <= worst)) worst = error;
        }
        int main() {
            double exp_error = 0, exprel_error = 0, expm1_error = 0, log_error = 0, cos_error = 0;
            double x[4096], y[4096];  // as vector code too, around 0
            for (int k = 0; k < 4096; k++) x[k] = (k - 2048)*1e-10;
            __asm__("" : : "r"(x) : "memory");
            for (int k = 0; k < 4096; k++) y[k] = _pulvinar_exprel(x[k]);
            __asm__("" : : "r"(y) : "memory");
            for (int k = 0; k < 4096; k++) worse(exprel_error, y[k], 1.0L + x[k]/2, 1.0L);
            for (int k = -6000000; k <= 6000000; k++) {
                const double x = k*1e-4;
                const long double e = expl((long double)x);
                const long double r = k == 0 ? 1.0L : expm1l((long double)x)/(long double)x;
                worse(exp_error, _pulvinar_exp(x), e, e);
                worse(exprel_error, _pulvinar_exprel(x), r, r);
                worse(expm1_error, _pulvinar_expm1(x*1e-3), expm1l((long double)(x*1e-3)),
                      k == 0 ? 1.0L : expm1l((long double)(x*1e-3)));
                worse(cos_error, _pulvinar_cos(x), cosl((long double)x), 1.0L);
                worse(log_error, _pulvinar_log((double)e), logl((long double)(double)e), 1.0L);
            }
            std::printf("%.3e %.3e %.3e %.3e %.3e ", exp_error, exprel_error, log_error,
                        expm1_error, cos_error);
            std::printf("%.17g %.17g %.17g %.17g %.17g %.17g\\n", _pulvinar_exprel(0.0),
                        _pulvinar_exp(0.0), _pulvinar_exp(-1e4),
                        _pulvinar_exp(700.0)/std::exp(700.0),
                        _pulvinar_log(1.0), _pulvinar_log(-1.0));
        }""",
        encoding="utf-8",
    )  # fmt: skip
    program = tmp_path / "functions"
    subprocess.run(["g++", *COMPILE_FLAGS, str(source), "-o", str(program)], check=True)
    out = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    errors, values = np.split(np.array([float(word) for word in out.split()]), [5])
    assert (errors[[0, 1, 3]] < 1e-9).all()
    assert (errors[[2, 4]] < 1e-12).all()  # absolute, since log and cos have zeros
    exprel_zero, exp_zero, exp_far, exp_large, log_one, log_negative = values
    assert exprel_zero == pytest.approx(1, rel=1e-15) and exp_zero == 1 and log_one == 0
    assert 0 <= exp_far < 1e-300 and exp_large == pytest.approx(1, rel=1e-9)
    assert np.isnan(log_negative)
    print("largest errors of exp, exprel, log (absolute), expm1, cos (absolute):", *errors)


@compiler
@pytest.mark.standalone
def test_every_model_is_vectorised(tmp_path, fast_math):
    """The loop over cells of each state updater becomes vector code."""
    set_device("cpp_standalone", build_on_run=False)
    try:
        network = Network()
        for name, model in MODELS.items():
            injected = "\n".join(f"{part.injected} : amp" for part in model.compartments)
            network.add(NeuronGroup(
                256, model.equations() + "\n" + injected, threshold=model.threshold, reset="",
                method=METHODS["staggered"].updater, dt=0.1 * ms, name=name,
            ))  # fmt: skip
        network.run(0.1 * ms)
        get_device().build(directory=str(tmp_path), compile=False, run=False)
        flags = [flag for flag in COMPILE_FLAGS if flag != "-w"]
        import brian2

        include = [f"-I{tmp_path}", f"-I{next(iter(brian2.__path__))}/devices/cpp_standalone"]
        include += [f"-I{path}" for path in prefs.codegen.cpp.include_dirs]
        scalar = []
        for name in MODELS:
            file = tmp_path / "code_objects" / f"{name}_stateupdater_codeobject.cpp"
            report = subprocess.run(
                ["g++", "-w", "-std=c++11", "-c", *flags, "-fopt-info-vec-optimized", *include,
                 str(file), "-o", str(tmp_path / "x.o")],
                capture_output=True, text=True, cwd=tmp_path, check=True,
            ).stderr  # fmt: skip
            inside = [line for line in report.splitlines()
                      if file.name in line and "loop vectorized" in line]  # fmt: skip
            if not inside:
                scalar.append(name)
        assert not scalar
    finally:
        get_device().reinit()
        reset_device()


@pytest.mark.parametrize("name", MODELS)
def test_gates_of_every_model_make_the_step_of_the_formula(name):
    """x + dt f phi(dt f'), whatever the updater did to write it with one division.

    f is evaluated from the equations by Python; gates are linear, so f' = f(1) - f(0). Among the
    potentials are those at which exprel(0) is met.
    """
    from scipy.special import exprel

    model = MODELS[name]
    text = f"{model.equations()}\n" + "\n".join(f"{p.injected} : amp" for p in model.compartments)
    equations, rng, n, dt = Equations(text), np.random.default_rng(3), 200, 0.1
    cell = next(cell for cell in map(cell_class, CELL_CLASSES) if cell.model is model)
    values = {key: float(quantity) for key, quantity in cell.parameters.items()}
    values |= {p.v: rng.uniform(-0.11, 0.05, n) for p in model.compartments}
    if "V_T" in values:
        values["v"][:3] = values["V_T"] + np.array([0.013, 0.015, 0.040])
    values |= {gate: rng.uniform(0, 1, n) for gate in model.gates}
    values |= {x: 1e-3 for x in equations.diff_eq_names if x not in values}
    units = {"ms": 1e-3, "mV": 1e-3, "umolar": 1e-3, "mmolar": 1.0, "amp": 1.0}
    known = {**units, "exp": np.exp, "log": np.log, "exprel": exprel}
    known |= {p.injected: 0.0 for p in model.compartments}

    def f(x, **held):
        code = equations[x].expr
        inner = {s: held.get(s, values.get(s, known.get(s))) for s in code.identifiers}
        inner |= {s: f(s, **held) for s, value in inner.items() if value is None}
        return eval(code.code, {}, inner)

    previous, prefs.codegen.target = prefs.codegen.target, "numpy"
    try:
        group = NeuronGroup(n, equations, method=staggered, dt=dt * ms)
        for key, value in values.items():
            setattr(group, key, Quantity(value, dim=group.variables[key].dim))
        Network(group).run(dt * ms, namespace={})
    finally:
        prefs.codegen.target = previous
    for gate in model.gates:
        z = dt * 1e-3 * (f(gate, **{gate: 1.0}) - f(gate, **{gate: 0.0}))
        expected = values[gate] + dt * 1e-3 * f(gate) / (1 - z / 2 + z * z / 12)
        np.testing.assert_allclose(getattr(group, gate), expected, rtol=1e-10, atol=1e-13)


def test_what_decays_by_itself_does_so_exactly():
    shared = run("dg/dt = -g/(2*ms) : siemens", 5.0, 0.1, g=1.0)["g"]
    own = run("dg/dt = -g/tau : siemens\ntau : second\ndecay_g : 1", 5.0, 0.1, g=1.0, tau=2e-3,
              decay_g=math.exp(-0.1 / 2))["g"]  # fmt: skip
    assert shared == pytest.approx(math.exp(-5 / 2), rel=1e-13)
    assert own == pytest.approx(math.exp(-5 / 2), rel=1e-13)


# --- the steps of a spike, done again ------------------------------------------------------------


def with_upstroke(model, n, parts=4, **options):
    """Return copies of a model whose spikes are done again, unconnected."""
    upstroke = model.upstroke(parts)
    injected = "\n".join(f"{part.injected} : amp" for part in model.compartments)
    group = NeuronGroup(
        n, "\n".join([model.equations(), injected, upstroke.variables]), method=staggered,
        threshold=model.threshold, reset="", events={"upstroke": upstroke.condition},
        dt=0.1 * ms, **options,
    )  # fmt: skip
    upstroke.attach(group)
    return group


@pytest.mark.parametrize("name", MODELS)
def test_no_name_of_a_step_done_again_has_two_values(name):
    """Brian2 takes what is the same in all cells out of the loop: a second value would be first."""
    group = with_upstroke(MODELS[name], 2)
    lines = group.event_codes["upstroke"].splitlines()
    made = [line.split(" = ")[0] for line in lines if line.startswith("_")]
    assert len(made) == len(set(made)) > 50


def test_steps_done_again_in_parts_are_steps_of_a_part():
    """Where all steps are done again, and all gates are fast, the parts are the steps of a run."""
    soma = Compartment("soma", "v", "", ("I_leak", "I_Na", "I_Kd"))
    model, cell = CellModel("axon", (soma,)), cell_class("PV")
    upstroke = Upstroke("-1*volt", parts=4)
    start = {"v": -0.05, "m": 0.1, "h": 0.6, "n": 0.3}
    start |= {f"{x}_again": value for x, value in start.items()}
    found = {}
    previous, prefs.codegen.target = prefs.codegen.target, "numpy"
    try:
        for dt, again in ((0.1, True), (0.025, False)):
            more = f"\nI_syn : amp\n{upstroke.variables}"
            group = NeuronGroup(
                1, model.equations() + more, method=staggered, dt=dt * ms,
                events={"upstroke": upstroke.condition} if again else {},
            )  # fmt: skip
            if again:
                upstroke.attach(group)
            for key, _ in model.parameters:
                setattr(group, key, cell.parameters[key])
            group.I_syn = 300 * pA
            for key, value in start.items():
                setattr(group, key, Quantity(value, dim=group.variables[key].dim))
            trace = StateMonitor(group, "v", record=True, dt=0.1 * ms)
            Network(group, trace).run(20 * ms, namespace={})
            found[again] = np.array(trace.v[0])
    finally:
        prefs.codegen.target = previous
    assert found[True].max() > 0 and (np.diff(found[True] > -0.015).astype(int) != 0).sum() > 2
    np.testing.assert_allclose(found[True], found[False], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gates": ("m", "k")}, "no gate 'k' of a potential"),
        ({"gates": ("m", "I_syn")}, "no gate 'I_syn' of a potential"),
        ({}, "keeps no 'v_last'"),
    ],
)
def test_spikes_that_cannot_be_done_again_are_refused(change, message):
    equations = MODELS["cortical"].equations().replace("v_last : volt", "")
    group = NeuronGroup(1, f"{equations}\nI_syn : amp", method=staggered)
    with pytest.raises(UnsupportedEquationsException, match=message):
        Upstroke("V_T", **change).code(group.equations, group.variables)
