"""Cores, compiler and cache as a job, a user and a system have them."""

import json
import os
from pathlib import Path

import pytest

from cells.parameters import InputError
from circuits.engine import cpp, machine
from circuits.engine.project import DeviceError


def test_the_cache_is_an_absolute_folder(monkeypatch, tmp_path):
    """A program is compiled and launched in other folders than the caller's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULVINAR_CACHE", "../cache")
    assert machine.cache_folder().is_absolute()
    assert machine.cache_folder().resolve() == tmp_path.parent / "cache"
    monkeypatch.setenv("PULVINAR_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for ignored in ("relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert machine.cache_folder() == tmp_path / "home" / ".cache" / "pulvinar"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert machine.cache_folder() == tmp_path / "pulvinar"


def test_without_a_home_the_way_out_is_told(homeless, monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"no home folder .*: set PULVINAR_CACHE"):
        machine.cache_folder()
    monkeypatch.setenv("PULVINAR_CACHE", str(tmp_path))
    assert machine.cache_folder() == tmp_path


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_cores_are_those_of_the_job():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert machine.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert machine.cores() == len(allowed)


@pytest.fixture
def program(tmp_path):
    """Return make(name) -> folder of a program with all of its parts."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        (folder / "static_arrays").mkdir(parents=True)
        (folder / "static_arrays" / "a").write_bytes(bytes(8))
        (folder / "main").write_text(name)
        (folder / "main").chmod(0o755)
        (folder / "program.json").write_text(
            json.dumps({"files": {"a": ["float64", 1]}, "size": len(name)})
        )
        return folder

    return make


@pytest.mark.parametrize("part", ["program.json", "main", "static_arrays/a"])
def test_a_program_without_one_of_its_parts_is_built_anew(program, tmp_path, part):
    home = program("home")
    assert machine.is_complete(home)
    (home / part).unlink()
    assert not machine.is_complete(home)
    machine.put_in_place(program("home.new"), home, machine.is_complete)
    assert machine.is_complete(home) and (home / "main").read_text() == "home.new"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_program_that_was_cut_short_is_built_anew(program):
    home = program("home")
    (home / "main").write_text("hom")
    assert not machine.is_complete(home)


def test_a_program_that_may_not_be_read_is_told(program, monkeypatch):
    """Of another user, in a cache that is shared."""

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    home = program("home")
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(InputError, match=r"home: may not be read; set PULVINAR_CACHE"):
        machine.is_complete(home)


def test_of_two_that_build_the_first_stays(program):
    home = program("home")
    machine.put_in_place(program("home.new"), home, machine.is_complete)
    assert (home / "main").read_text() == "home"


def test_what_cannot_be_put_in_place_is_an_error(program, tmp_path):
    with pytest.raises(OSError, match="No such file"):
        machine.put_in_place(program("new"), tmp_path / "none" / "home", machine.is_complete)


def test_programs_are_as_readable_as_the_umask_leaves_them(tmp_path):
    before = os.umask(0o027)
    try:
        folder = machine.new_sibling(tmp_path / "programs" / "home")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o750


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/programs: .*: set PULVINAR_CACHE"):
        machine.new_sibling(tmp_path / "file" / "programs" / "home")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("[ $LC_ALL = C ] && echo 'a.cpp:1: error: bad' >&2", "a.cpp:1: error: bad"),
        (
            "echo 'In Datei a.cpp:' >&2; echo 'a.cpp:1: Fehler: falsch' >&2",
            "a.cpp:1: Fehler: falsch",
        ),
        (":", "no message"),
    ],
)
def test_what_the_compiler_says_is_told_in_any_language(monkeypatch, tmp_path, script, message):
    compiler = tmp_path / "g++"
    compiler.write_text(f"#!/bin/sh\n{script}\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "objects.h").touch()
    with pytest.raises(DeviceError, match=f"^compiling failed: {message}$"):
        cpp._compile(tmp_path, None)
