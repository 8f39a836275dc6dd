"""Workers: processes here, those of a scheduler that runs somewhere, or jobs of SLURM."""

from __future__ import annotations

import contextlib
import io
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cells.parameters import InputError, nearest
from circuits.driver.progress import Progress
from circuits.engine.machine import (
    cores,
    is_complete,
    new_sibling,
    program_folder,
    put_in_place,
)

__all__ = ["connected", "prepare", "ship", "slurm_cluster"]

_SLURM = {"partition": "queue", "account": "account", "time": "walltime", "memory": "memory",
          "python": "python"}  # fmt: skip
_RETRIES = 5
_PLUGIN = "pulvinar"


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError("a sweep needs Dask: pip install 'pulvinar[sweep]'") from None
    return distributed


def slurm_cluster(options: Mapping[str, str]):
    """Return a cluster whose workers are jobs of SLURM, none submitted yet.

    Parameters
    ----------
    options : mapping of str to str
        ``partition``, ``account``, ``time`` (default 1:00:00), ``memory`` (2GB), ``python``.

    Raises
    ------
    InputError
        For another option, or where dask-jobqueue is missing.
    """
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        raise InputError("--slurm needs dask-jobqueue: pip install 'pulvinar[sweep]'") from None
    for key in options:
        if key not in _SLURM:
            raise InputError(f"--slurm {key}: unknown option{nearest(key, _SLURM)}")
    given: dict[str, Any] = {_SLURM[key]: value for key, value in options.items()}
    return SLURMCluster(
        cores=1, processes=1, job_name="pulvinar", scheduler_options={"dashboard_address": ":0"},
        **{"memory": "2GB", "walltime": "1:00:00", **given},
    )  # fmt: skip


@contextlib.contextmanager
def connected(
    scheduler: str | None, slurm: Mapping[str, str] | None, n_workers: int | None,
    progress: Progress,
) -> Iterator:  # fmt: skip
    """Give a client of Dask; workers that were started for it end with it.

    Parameters
    ----------
    scheduler : str, optional
        Address of one that runs.
    slurm : mapping, optional
        See `slurm_cluster`.
    n_workers : int, optional
        Processes or jobs; default one for each core of this machine.
    progress : Progress
        Is told the job script.

    Raises
    ------
    InputError
        If the scheduler does not answer, or options do not go together.
    """
    if scheduler is not None and (slurm is not None or n_workers is not None):
        raise InputError("--scheduler: its workers are there already; leave --slurm and --workers")
    if n_workers is not None and n_workers < 1:
        raise InputError(f"--workers {n_workers} is below 1")
    distributed = _distributed()
    import dask

    # not the default one: xarray would ask its scheduler for a lock whenever it writes a file
    client = partial(distributed.Client, set_as_default=False)
    dask.config.set({"distributed.scheduler.allowed-failures": _RETRIES,
                     "distributed.admin.large-graph-warning-threshold": "1GB"})  # fmt: skip
    with contextlib.ExitStack() as stack:
        if scheduler is not None:
            try:
                yield stack.enter_context(client(scheduler, timeout=10))
            except (OSError, ValueError, TimeoutError) as error:
                raise InputError(f"--scheduler {scheduler}: {error}") from None
            return
        if slurm is not None:
            cluster = stack.enter_context(slurm_cluster(slurm))
            progress.note(cluster.job_script())
            cluster.scale(n_workers or cores())
        else:
            cluster = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=n_workers or cores(), threads_per_worker=1, processes=True,
                    dashboard_address=None, memory_limit=0, silence_logs="CRITICAL",
                    scheduler_kwargs={"dashboard_address": ":0"},  # even without one it has a port
                )
            )  # fmt: skip
        yield stack.enter_context(client(cluster))


def _packed(program: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        tar.add(program, arcname=".")
    return buffer.getvalue()


def _unpack(digest: str, packed: bytes) -> None:
    """Put a program into the cache of this process, if it is not there."""
    home = program_folder(digest)
    if is_complete(home):
        return
    made = new_sibling(home)
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(made, filter="tar")
        put_in_place(made, home, is_complete)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def prepare(client) -> None:
    """Let every worker, and those that come later, import in its main thread what a task needs."""
    plugin: Any = _distributed().WorkerPlugin

    class Import(plugin):
        def setup(self, worker):
            import circuits.sweeps.task  # noqa: F401

    client.register_plugin(Import(), name=f"{_PLUGIN}-import")


def ship(client, digests: Iterable[str], number: int) -> None:
    """Send compiled programs to every worker of a client, and to those that come later.

    Parameters
    ----------
    client : distributed.Client
    digests : iterable of str
        Of programs in the cache of this process.
    number : int
        Of the shipment: each has a name of its own.
    """
    programs = {digest: _packed(program_folder(digest)) for digest in digests}
    plugin: Any = _distributed().WorkerPlugin

    class Programs(plugin):
        def setup(self, worker):
            for digest, packed in programs.items():
                _unpack(digest, packed)

    client.register_plugin(Programs(), name=f"{_PLUGIN}-programs-{number}")
