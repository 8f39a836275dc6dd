"""The CUDA project: generated for every kind of run, its guards tripped, built with a fake nvcc.

Only the last test compiles (markers slow and cuda); nothing here runs on a GPU.
"""

import gc
import json
import re
import shutil
import stat
import subprocess
from collections import Counter

import numpy as np
import pytest
from brian2 import Network, NetworkOperation, NeuronGroup, SpikeMonitor, Synapses, ms

from cells.parameters import InputError
from circuits.cli import main as cli
from circuits.driver.inputs import arrays_of
from circuits.driver.run import run_file
from circuits.engine import cuda, cuda_toolkit, devices, launch
from circuits.engine.program import check_network, construct
from circuits.engine.project import DeviceError, generate
from circuits.runfiles.resolve import resolve

KINDS = {
    "static": ("first_light", "tiny", []),
    "kinase": ("predictive_learning", "tiny", []),
    "rival": ("predictive_learning", "tiny", ["plasticity.rule=triplet_visual"]),
    "column": ("predictive_learning", "column", []),
}


class Project:
    """A generated project with the run that it is of."""

    def __init__(self, kind, folder):
        name, size, settings = KINDS[kind]
        self.run = resolve(name, size=size, seeds=[1, 2], cycles=4, settings=settings)
        self.condition = self.run.conditions[0]
        self.plan = self.condition.plan
        self.arrays, _ = arrays_of(self.condition, self.run.cycle, 1)
        self.folder = folder
        gc.collect()  # names of a program that another test has made are free only then
        self.description, self.files = cuda.generate_cuda(self.plan, self.arrays, folder)

    def text(self, name):
        return (self.folder / name).read_text()


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    pytest.importorskip("brian2cuda")
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = Project(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return make


@pytest.fixture(params=KINDS)
def project(request, projects):
    return projects(request.param)


# --- what is generated ---------------------------------------------------------------------------


def test_every_group_synapse_and_pathway_has_its_code(project):
    names = {path.stem for path in project.files}
    for group in project.plan.groups:
        assert f"{group.name}_stateupdater_codeobject" in names
        assert f"spikes_{group.name}_codeobject" in names
    for s in project.plan.synapses:
        expected = {"pre"} | ({"post"} if s.plastic else set()) | ({"learn"} if s.learn else set())
        for pathway in expected:
            assert f"{s.name}_{pathway}_codeobject" in names
            assert f"{s.name}_{pathway}_push_spikes" in names
    assert project.plan.learns == any("_post_codeobject" in name for name in names)


def test_kinds_cover_gated_and_spike_triggered_rules(projects):
    gated = [any(s.learn for s in projects(k).plan.synapses) for k in KINDS]
    learns = [projects(k).plan.learns for k in KINDS]
    assert gated == [False, True, False, True]
    assert learns == [False, True, True, True]


def test_every_array_of_the_run_is_there_and_is_read(project):
    loaded = project.text("objects.cu")
    for key, values in project.arrays.items():
        for name in project.description["static"][key]:
            dtype, _ = project.description["files"][name]
            stored = np.fromfile(project.folder / "static_arrays" / name, dtype=dtype)
            np.testing.assert_array_equal(stored, np.ravel(values).astype(dtype))
            assert f'"static_arrays/{name}"' in loaded


def test_numbers_of_another_condition_and_seed_fit_the_program(project, tmp_path):
    others = [c for c in project.run.conditions if c.plan.digest == project.plan.digest]
    assert len(others) > 1
    arrays, _ = arrays_of(others[-1], project.run.cycle, 2)
    cuda.check_delays(project.plan, arrays)
    launch._write_numbers(tmp_path, project.folder, project.description, arrays)
    assert {p.name for p in (tmp_path / "static_arrays").iterdir()} == {
        p.name for p in (project.folder / "static_arrays").iterdir()
    }


def test_duration_comes_at_launch_and_no_seed_is_needed(project):
    main = project.text("main.cu")
    runs = re.findall(r"\bnetwork\.run\((.*?),", main)
    assert runs == ['atof(getenv("PULVINAR_DURATION"))']
    assert "PULVINAR_SEED" not in main


def test_synapses_run_on_the_clock_of_the_group_whose_spikes_they_carry(project):
    main = project.text("main.cu")
    step = dict(re.findall(r"_array_(\w+_clock)_dt\[0\] = ([\d.e-]+);", main))
    clock_of = {code: clock for clock, code in re.findall(r"add\(&(\w+), _run_(\w+)\);", main)}
    for s in project.plan.synapses:
        for end, pathways in ((s.source, ["pre"]), (s.target, ["post", "learn"])):
            for pathway in pathways:
                name = f"{s.name}_{pathway}_codeobject"
                if name not in clock_of:
                    assert pathway != "pre"
                    continue
                mine = clock_of[f"{end}_stateupdater_codeobject"]
                assert clock_of[name] == mine
                asked = set(
                    re.findall(r"(\w+)\.timestep\[0\]", project.text(f"code_objects/{name}.cu"))
                )
                assert len(asked) == 1
                assert float(step[asked.pop()]) == float(step[mine])
    assert not any("defaultclock.timestep" in path.read_text() for path in project.files)


def test_every_code_object_is_compiled_once_and_can_be_called(project):
    units = [path.read_text() for path in project.folder.glob("unit_*.cu")]
    core = project.text("core_unit.cu")
    included = Counter(re.findall(r'#include "(code_objects/\w+\.cu)"', "\n".join(units)))
    included.update(re.findall(r'#include "(\w+\.cu)"', core))
    written = {str(path.relative_to(project.folder)) for path in project.files}
    # empty but for its header
    assert written - set(included) == {"synapses_classes.cu"}
    assert set(included.values()) == {1}
    main = project.text("main.cu")
    called = set(re.findall(r"\b(_(?:before_|after_)?run_\w+)\(\);", main))
    called |= set(re.findall(r"add\(&\w+, (_run_\w+)\);", main)) - {"_run_random_number_buffer"}
    units.append(project.text("queues.cu"))
    defined = Counter(re.findall(r"^void (_run_\w+|_\w+_run_\w+)\(\)\s", "\n".join(units), re.M))
    assert called <= set(defined)
    assert set(defined.values()) == {1}


def test_kernels_are_launched_in_the_namespace_that_defines_them(project):
    """A linker finds the others only after ten minutes."""
    units = "\n".join(path.read_text() for path in project.folder.glob("unit_*.cu"))
    home = {}
    for name, body in re.findall(r"^namespace (\w+) \{\n(.*?)^\}", units, re.MULTILINE | re.DOTALL):
        home |= dict.fromkeys(re.findall(r'#include "code_objects/(\w+)\.cu"', body), name)
    declared = {}
    for header in (project.folder / "code_objects").glob("*.h"):
        for kernel in re.findall(r"__global__ void (\w+)\(", header.read_text()):
            declared[kernel] = header.stem
    assert len(declared) >= len(project.plan.groups)
    for path in project.files:
        launched = set(re.findall(r"\b(\w+)<<<", path.read_text()))
        for kernel in launched & set(declared):
            assert home[path.stem] == home[declared[kernel]]


def test_makefile_says_what_the_configuration_says(project):
    makefile = project.text("makefile")
    assert "-std=c++17" in makefile
    assert "c++11" not in makefile
    assert "use_fast_math" not in makefile
    for digits in ("80", "90"):
        assert (
            makefile.count(f"-gencode=arch=compute_{digits},code=sm_{digits}") == 2
        )  # also linked


# --- guards --------------------------------------------------------------------------------------


def small_network(dt=0.1 * ms, name="two", extra=()):
    group = NeuronGroup(2, "v : 1", threshold="v > 1", dt=0.1 * ms, name="one")
    synapses = Synapses(group, group, on_pre="v += 1", dt=dt, name=name)
    return Network(group, synapses, SpikeMonitor(group, name="seen"), *extra)


def test_networks_that_a_compiled_program_gets_wrong_are_refused():
    check_network(small_network())
    operation = NetworkOperation(lambda: None, name="look")
    with pytest.raises(InputError, match="'look' is a network operation"):
        check_network(small_network(extra=[operation]))
    with pytest.raises(InputError, match=r"'two' has a step of 0.5 ms, but 'one'.*0.1 ms"):
        check_network(small_network(dt=0.5 * ms))
    with pytest.raises(InputError, match="'Two' has capitals; call it 'two'"):
        check_network(small_network(name="Two"))


@pytest.mark.parametrize("target", ["cpp_standalone", "cuda_standalone"])
def test_both_devices_check_the_network(projects, target, monkeypatch, tmp_path):
    project = projects("static")

    def with_operation(plan, arrays):
        program = construct(plan, arrays)
        program.network.add(NetworkOperation(lambda: None, name="look"))
        return program

    monkeypatch.setattr("circuits.engine.project.construct", with_operation)
    gc.collect()
    with pytest.raises(InputError, match="'look' is a network operation"):
        generate(project.plan, project.arrays, tmp_path, target)
    assert not list(tmp_path.iterdir())


def test_delays_that_are_all_the_same_are_refused(projects):
    project = projects("static")
    one = project.plan.synapses[0]
    same = dict(project.arrays)
    # a third of a step apart, and so in the same one
    same[f"{one.name}.delay"] = np.linspace(2.0, 2.0 + one.dt_ms / 3, one.n) * 1e-3
    with pytest.raises(InputError, match=f"cannot run {one.name}: all its delays are 2 ms"):
        cuda.check_delays(project.plan, same)
    same[f"{one.name}.delay"][0] += one.dt_ms * 1e-3
    cuda.check_delays(project.plan, same)


def test_projects_without_an_array_or_with_host_random_numbers_are_refused(projects, tmp_path):
    project = projects("static")
    folder = shutil.copytree(project.folder, tmp_path / "copy", symlinks=True)
    key = "inputs.peak"
    path = folder / "static_arrays" / project.description["static"][key][0]
    cuda.check_project(folder, project.description, project.arrays)
    with pytest.raises(DeviceError, match=r"no place for other\.v"):
        cuda.check_project(folder, project.description, {**project.arrays, "other.v": np.ones(2)})
    longer = {**project.arrays, key: np.append(project.arrays[key], 0)}
    with pytest.raises(DeviceError, match=f"no array of {longer[key].size} for {key}"):
        cuda.check_project(folder, project.description, longer)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DeviceError, match="values long"):
        cuda.check_project(folder, project.description, project.arrays)
    path.unlink()
    with pytest.raises(DeviceError, match=f"no array of .* for {key}"):
        cuda.check_project(folder, project.description, project.arrays)
    drawing = {k: v for k, v in project.arrays.items() if k != key}
    with (folder / "code_objects" / "relay_stateupdater_codeobject.cu").open("a") as file:
        file.write("CurandBuffer<double> _rand;\n")
    with pytest.raises(DeviceError, match="random numbers on the host"):
        cuda.check_project(folder, project.description, drawing)


def test_without_brian2cuda_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(cuda, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="install the extra"):
        cuda.generate_cuda(None, {}, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["sm_80", "8", "8.0;9.0", "8.0,,9.0"])
def test_architectures_that_are_none(monkeypatch, text):
    monkeypatch.setenv("PULVINAR_CUDA_ARCH", text)
    with pytest.raises(InputError, match=r"PULVINAR_CUDA_ARCH: .* valid: a list such as 8\.0,9\.0"):
        cuda_toolkit.architectures()


def test_architectures_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("PULVINAR_CUDA_ARCH", "9.0, 12.0")
    assert cuda_toolkit.architectures() == ("9.0", "12.0")
    assert "-gencode=arch=compute_120,code=sm_120" in cuda_toolkit.compile_flags()


# --- building, with a script for nvcc ------------------------------------------------------------

VERSION = """case "$1" in
--version) echo "Cuda compilation tools, release 13.0, V13.0.88"; exit;;
--list-gpu-arch) echo compute_80; echo compute_90; exit;;
esac
"""
COMPILE = """while [ $# -gt 0 ]; do [ "$1" = -o ] && { shift; echo object > "$1"; }; shift; done"""


@pytest.fixture
def nvcc(monkeypatch, tmp_path):
    """Put an nvcc first on the path, and a cache and GPU query of the test's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PULVINAR_CUDA_ARCH", raising=False)

    def write(script, name="nvcc"):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    write("exit 9", "nvidia-smi")
    write(VERSION + COMPILE)
    return write


@pytest.fixture
def quick(projects, monkeypatch):
    """Copy a project that is there already, instead of generating it; count how often."""
    project = projects("static")
    calls = []

    def copy(plan, arrays, folder):
        calls.append(folder)
        shutil.copytree(project.folder, folder, dirs_exist_ok=True, symlinks=True)
        return project.description, project.files

    monkeypatch.setattr(cuda, "generate_cuda", copy)
    return project, calls


def test_a_build_is_kept_and_told(nvcc, quick, tmp_path):
    project, calls = quick
    home = cuda.build_cuda(project.plan, project.arrays)
    assert cuda.build_cuda(project.plan, project.arrays) == home
    assert len(calls) == 1
    info = json.loads((home / "build.json").read_text())
    assert info["compiled"] is True
    assert info["files"] == len(project.files)
    assert info["units"] == 5
    assert info["nvcc"] == "13.0"
    assert info["program_bytes"] == (home / "main").stat().st_size > 0
    assert not list(home.glob("*.o"))
    assert [p.name for p in (tmp_path / "cache" / "programs").iterdir()] == [home.name]


def test_other_architectures_are_another_build(nvcc, quick, monkeypatch):
    project, calls = quick
    home = cuda.build_cuda(project.plan, project.arrays)
    monkeypatch.setenv("PULVINAR_CUDA_ARCH", "9.0")
    assert cuda.build_cuda(project.plan, project.arrays) != home
    monkeypatch.setenv("PULVINAR_CUDA_ARCH", "7.0")
    with pytest.raises(InputError, match=r"this nvcc has no 7.0; valid: 8.0, 9.0"):
        cuda.build_cuda(project.plan, project.arrays)
    assert len(calls) == 2


def test_what_does_not_compile_is_told_and_leaves_nothing(nvcc, quick, tmp_path):
    project, _ = quick
    nvcc(VERSION + 'echo "unit_0.cu(3): error: identifier is undefined" >&2; exit 2')
    with pytest.raises(DeviceError, match=r"compiling CUDA failed: unit_0\.cu.*undefined"):
        cuda.build_cuda(project.plan, project.arrays)
    assert not list((tmp_path / "cache" / "programs").iterdir())


def test_an_interrupt_ends_the_compilers_and_leaves_nothing(nvcc, quick, tmp_path):
    project, _ = quick
    nvcc(VERSION + f"echo $$ >> {tmp_path}/pids; sleep 60")

    def interrupt(done, elapsed):
        if (tmp_path / "pids").is_file():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cuda.build_cuda(project.plan, project.arrays, interrupt)
    for pid in (tmp_path / "pids").read_text().split():
        status = tmp_path.__class__(f"/proc/{pid}/stat")
        assert not status.is_file() or status.read_text().split()[2] == "Z"
    assert not list((tmp_path / "cache" / "programs").iterdir())


def test_without_nvcc_the_project_is_generated_and_compiled_once_there_is_one(
    nvcc, quick, monkeypatch
):
    project, calls = quick
    with monkeypatch.context() as without:
        without.setattr(cuda, "nvcc_release", lambda: None)
        home = cuda.build_cuda(project.plan, project.arrays)
        assert cuda.build_cuda(project.plan, project.arrays) == home
    assert json.loads((home / "build.json").read_text())["compiled"] is False
    assert not (home / "main").exists()
    assert len(calls) == 1
    assert cuda.build_cuda(project.plan, project.arrays) == home
    assert (home / "main").is_file()


def test_a_run_needs_a_gpu_and_a_build_does_not(nvcc, quick, tmp_path, capsys):
    project, _ = quick
    with pytest.raises(InputError, match="finds no GPU here"):
        devices.run_plan(project.plan, project.arrays, duration=0.1, device="cuda")
    arguments = ["run", "first_light", "--seeds", "1", "--cycles", "4", "--device", "cuda"]
    assert cli.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "compiled, not run: " in capsys.readouterr().out
    built = json.loads((tmp_path / "out" / "run.json").read_text())["built"]
    assert len(built) == 1
    assert (tmp_path.__class__(built[0]["program"]) / "main").is_file()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"]


def test_only_compiled_devices_can_be_built(tmp_path):
    for name, kind in (("first_light", "circuit"), ("jang2026", "synapse")):
        with pytest.raises(InputError, match=f"--build-only: a {kind} run on device 'numpy'"):
            run_file(name, device="numpy", build_only=True, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


GPU = 'echo "GPU 0: one that only this test has"'


def test_with_a_gpu_the_program_is_launched_and_its_results_are_checked(nvcc, quick):
    """The same launch and the same checks as for C++; the program is a script."""
    project, _ = quick
    run = {"duration": 0.1, "device": "cuda"}
    nvcc(GPU, "nvidia-smi")
    wrong = "#!/bin/sh\necho ERROR: out of memory >&2; exit 1\n"
    home = cuda.build_cuda(project.plan, project.arrays)
    (home / "main").write_text(wrong)
    (home / "main").chmod(0o755)
    with pytest.raises(DeviceError, match="the compiled program failed: ERROR: out of mem"):
        devices.run_plan(project.plan, project.arrays, **run)
    lines = ["#!/bin/sh", "printf '1.0 1.0' > results/last_run_info.txt"]
    for files in project.description["spikes"].values():
        lines.append(f"head -c 8 /dev/zero > results/{files['t'][0]}")
        lines.append(f"head -c 4 /dev/zero > results/{files['i'][0]}")
    for name, _ in project.description["potentials"].values():
        lines.append(f"head -c 8 /dev/zero > results/{name}")
    for files in project.description["traces"].values():
        lines += [f": > results/{name}" for name, _ in files.values()]
    (home / "main").write_text("\n".join(lines))
    recording = devices.run_plan(project.plan, project.arrays, **run)
    assert set(recording.spikes) == {g.name for g in project.plan.groups}
    for index, time in recording.spikes.values():
        assert (index.tolist(), time.tolist()) == ([0], [0.0])


# --- for real ------------------------------------------------------------------------------------


needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc")


@pytest.mark.cuda
@needs_nvcc
def test_fast_math_changes_single_precision_alone(tmp_path):
    """Why the project is compiled without it: there is nothing in double that it makes faster."""

    def instructions(real, *flags):
        source = f"__global__ void f({real}* x) {{ *x = exp(*x)/(1 + log(*x)) + sqrt(*x); }}"
        (tmp_path / "f.cu").write_text(source)
        command = ["nvcc", "-ptx", "-arch=compute_80", *flags, "f.cu", "-o", "f.ptx"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        lines = (tmp_path / "f.ptx").read_text().splitlines()
        return [line.split("//")[0].replace(".ftz", "") for line in lines]

    assert instructions("double") == instructions("double", "-use_fast_math")
    assert instructions("float") != instructions("float", "-use_fast_math")


@pytest.mark.slow
@pytest.mark.cuda
@pytest.mark.timeout(3600)
@needs_nvcc
def test_a_learning_circuit_compiles_and_links(projects, monkeypatch, tmp_path):
    """Static circuits are part of it; all of it is real but the GPU."""
    project = projects("kinase")
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path / "cache"))
    gc.collect()
    home = cuda.build_cuda(project.plan, project.arrays)
    assert (home / "main").stat().st_size > 1e6
    if not cuda_toolkit.has_gpu():
        with pytest.raises(DeviceError, match="the compiled program failed: ERROR"):
            launch.launch(home, project.plan, project.arrays, 0.1, 1, None)
