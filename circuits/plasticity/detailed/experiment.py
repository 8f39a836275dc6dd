"""The detailed synapse in the theta-window experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from brian2.units import Quantity, ms
from brian2.units.fundamentalunits import have_same_dimensions

from cells.parameters import InputError, ParameterTable, nearest
from circuits.plasticity.detailed.glun2b import FITTED, TARGET, respond, values_of
from circuits.plasticity.rules.trains import window_trains

__all__ = ["DetailedProtocol", "published_target", "run_detailed", "sensitivity"]


@dataclass(frozen=True)
class DetailedProtocol:
    """Timing of the theta-window experiment.

    Attributes
    ----------
    phases : tuple of Quantity [time]
        Durations of the two halves.
    gap : Quantity [time]
    repeats : int
    n_phase : int
        Regular and jittered trains run over an ``n_phase`` x ``n_phase`` grid of start phases.
    jitter : Quantity [time]
        Standard deviation of the displacement of each spike.
    """

    phases: tuple[Quantity, Quantity] = field(default_factory=lambda: (100 * ms, 100 * ms))
    gap: Quantity = field(default_factory=lambda: 400 * ms)
    repeats: int = 10
    n_phase: int = 4
    jitter: Quantity = field(default_factory=lambda: 5 * ms)

    def __post_init__(self) -> None:
        """Refuse times without unit and protocols that do not fit."""
        for what, value in (("phases", self.phases[0]), ("phases", self.phases[-1]),
                            ("gap", self.gap), ("jitter", self.jitter)):  # fmt: skip
            if not (isinstance(value, Quantity) and have_same_dimensions(value, ms)):
                raise InputError(f"detailed protocol: {what} needs a unit of time, e.g. 100*ms")
        if len(self.phases) != 2 or min(float(p / ms) for p in self.phases) < 5:
            raise InputError("detailed protocol: phases must be two durations of at least 5 ms")
        if self.gap < 0 * ms or self.repeats < 1 or self.n_phase < 1:
            raise InputError(
                "detailed protocol: gap >= 0, repeats >= 1 and n_phase >= 1 are needed"
            )


_KINDS = ("regular", "jittered", "poisson")


def condition_rates(condition: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the pre- and postsynaptic rates (Hz) of each half.

    Parameters
    ----------
    condition : str
        ``"25-50"`` for both cells, ``"25-50/25-25"`` for the presynaptic and the postsynaptic cell.

    Returns
    -------
    tuple of two pairs of float, Hz
    """
    parts = str(condition).split("/")
    try:
        pairs = [tuple(float(x) for x in part.split("-")) for part in parts]
    except ValueError:
        pairs = []
    if len(pairs) not in (1, 2) or any(len(p) != 2 for p in pairs):
        raise InputError(
            f"condition '{condition}' is not like '25-50' or '25-50/25-25' (pre/post, Hz)"
        )
    if min(min(p) for p in pairs) <= 0 or max(max(p) for p in pairs) > 500:
        raise InputError(f"condition '{condition}': rates must be > 0 and at most 500 Hz")
    return pairs[0], pairs[-1]


def published_target(epsp: Mapping[str, float]) -> float:
    """Return chi2 against `TARGET`; 17.0 for no change, NaN if a condition is missing."""
    if not set(TARGET) <= set(epsp):
        return float("nan")
    return float(sum(((epsp[k] - mean) / sem) ** 2 for k, (mean, sem) in TARGET.items()))


@dataclass(frozen=True)
class _Times:
    """A protocol in ms."""

    phases: tuple[float, ...]
    gap: float
    jitter: float
    repeats: int
    n_phase: int

    @classmethod
    def of(cls, protocol) -> _Times:
        return cls(
            tuple(_as_ms(p) for p in protocol.phases),
            _as_ms(protocol.gap),
            _as_ms(getattr(protocol, "jitter", 5.0)),
            int(protocol.repeats),
            int(getattr(protocol, "n_phase", 4)),
        )

    @property
    def window(self) -> float:
        """Duration of a window with the gap after it."""
        return sum(self.phases) + self.gap


def _windows(kind: str, condition: str, times: _Times, seeds: Sequence[list[int]]) -> list:
    """Return the trains of a condition: one Poisson trial a seed, else one of each start phase."""
    rates = condition_rates(condition)
    common = {"phases": times.phases, "gap": times.gap, "repeats": times.repeats,
              "jitter": times.jitter}  # fmt: skip
    if kind == "poisson":
        return [window_trains(*rates, kind=kind, n_trial=1, seed=s, **common) for s in seeds]
    return [window_trains(*rates, kind=kind, n_phase=times.n_phase, seed=seeds[0], **common)]


def run_detailed(
    conditions: Sequence[str] = tuple(TARGET),
    *,
    trains: Sequence[str] = _KINDS,
    protocol: DetailedProtocol | None = None,
    parameters: ParameterTable | None = None,
    seeds: Sequence[int] = tuple(range(100, 124)),
    dt: float = 0.5,
) -> xr.Dataset:
    """Put the detailed synapse through the theta-window experiment.

    Parameters
    ----------
    conditions : sequence of str
        See `condition_rates`.
    trains : sequence of {"regular", "jittered", "poisson"}
    protocol : DetailedProtocol, optional
        Or any object with attributes of these names, times as Quantity or in ms.
    parameters : ParameterTable, optional
        `synapse_table` by default.
    seeds : sequence of int
        One Poisson trial each; the first is the seed of the jitter.
    dt : float, ms

    Returns
    -------
    Dataset
        ``epsp`` and ``epsp_sem`` (train, condition) over trials, ``chi2`` (train); traces of the
        first window of the regular trains, mean over start phases, (condition, time): ``Ca``,
        ``CaM`` (three calcium ions), ``CaMKII_bound``, ``DAPK1_bound``, all uM.

    Raises
    ------
    InputError
        For an unknown train or condition, or a protocol that does not fit.
    """
    protocol = protocol or DetailedProtocol()
    for kind in trains:
        if kind not in _KINDS:
            raise InputError(f"detailed synapse: train '{kind}'{nearest(kind, _KINDS)}")
    if not len(seeds) or not len(conditions):
        raise InputError("detailed synapse: at least one condition and one seed are needed")
    times = _Times.of(protocol)
    lead = 20.0
    pre, post, owner = [], [], []
    for ti, kind in enumerate(trains):
        for ci, condition in enumerate(conditions):
            for one in _windows(kind, condition, times, [[int(s), ci] for s in seeds]):
                pre.extend(lead + one.pre)
                post.extend(lead + one.post)
                owner += [(ti, ci)] * one.n_trial
    duration = lead + times.repeats * times.window
    wanted = ("Ca", "CaM", "SK", "SKP", "SD")
    result = respond(pre, post, duration=duration, dt=dt, parameters=parameters, record=wanted)
    owner = np.array(owner)
    shape = (len(trains), len(conditions))
    epsp, sem = np.empty(shape), np.empty(shape)
    for ti, ci in np.ndindex(shape):
        x = result.epsp[(owner == (ti, ci)).all(1)]
        epsp[ti, ci], sem[ti, ci] = x.mean(), x.std(ddof=1) / np.sqrt(x.size) if x.size > 1 else 0
    chi2 = [published_target(dict(zip(conditions, row, strict=True))) for row in epsp]
    cut = result.time <= lead + times.window

    def cycle(*names):
        total = sum(result.traces[name] for name in names)
        rows = [total[cut][:, (owner == (0, ci)).all(1)].mean(1) for ci in range(shape[1])]
        return ("condition", "time"), np.stack(rows), {"units": "umolar"}

    return xr.Dataset(
        {
            "epsp": (("train", "condition"), epsp, {"units": "1"}),
            "epsp_sem": (("train", "condition"), sem, {"units": "1"}),
            "chi2": ("train", chi2, {"units": "1", "null": 17.0}),
            "Ca": cycle("Ca"),
            "CaM": cycle("CaM"),
            "CaMKII_bound": cycle("SK", "SKP"),
            "DAPK1_bound": cycle("SD"),
        },
        coords={
            "train": list(trains),
            "condition": list(conditions),
            "time": ("time", result.time[cut] - lead, {"units": "ms"}),
        },
    )


def sensitivity(
    names: Sequence[str | tuple[str, ...]] | None = None,
    *,
    factors: Sequence[float] = (0.5, 0.8, 1.0, 1.2, 2.0),
    kind: str = "regular",
    protocol: DetailedProtocol | None = None,
    parameters: ParameterTable | None = None,
    seed: int = 100,
    n_trial: int = 8,
) -> xr.Dataset:
    """Change one constant at a time and run the four published conditions.

    Parameters
    ----------
    names : sequence of str or tuple of str, optional
        Constants; a tuple is changed as one. The fitted ones by default. Rates of the NMDA
        receptor's states and of calcium binding to calmodulin cannot be varied here.
    factors : sequence of float
    kind : {"regular", "jittered", "poisson"}
    protocol, parameters, seed
        As in `run_detailed`.
    n_trial : int
        Poisson trials for each condition.

    Returns
    -------
    Dataset
        ``epsp`` (constant, factor, condition), ``chi2`` (constant, factor) and ``order``
        (constant, factor): whether 25-50 is the largest and 50-25 the smallest of the four.
    """
    names = FITTED if names is None else tuple(names)
    protocol = protocol or DetailedProtocol(n_phase=3)
    phases = tuple(_as_ms(p) for p in protocol.phases)
    gap = _as_ms(protocol.gap)
    sets = [
        window_trains(*condition_rates(c), kind=kind, phases=phases, gap=gap,
                      repeats=protocol.repeats, n_phase=protocol.n_phase, n_trial=n_trial,
                      jitter=_as_ms(protocol.jitter), seed=[seed, ci])
        for ci, c in enumerate(TARGET)
    ]  # fmt: skip
    pre = [row for one in sets for row in 20.0 + one.pre]
    post = [row for one in sets for row in 20.0 + one.post]
    owner = np.repeat(np.arange(len(sets)), [one.n_trial for one in sets])
    base = values_of(parameters)
    shape = (len(names), len(factors))
    values = dict(base)
    copies = len(names) * len(factors)
    for i, name in enumerate(names):
        for key in (name,) if isinstance(name, str) else name:
            if key not in base:
                raise InputError(f"sensitivity: no constant '{key}'{nearest(key, base)}")
            if not np.ndim(values[key]):
                values[key] = np.full((copies, owner.size), float(base[key]))
            for j, factor in enumerate(factors):
                values[key][i * len(factors) + j] *= factor
    values = {k: v.ravel() if np.ndim(v) else v for k, v in values.items()}
    duration = 20.0 + protocol.repeats * (sum(phases) + gap)
    result = respond(pre * copies, post * copies, duration=duration, parameters=values)
    each = result.epsp.reshape(*shape, owner.size)
    epsp = np.stack([each[..., owner == c].mean(-1) for c in range(len(sets))], axis=-1)
    mean, sem = np.array(list(TARGET.values())).T
    labels = [n if isinstance(n, str) else "+".join(n) for n in names]
    return xr.Dataset(
        {
            "epsp": (("constant", "factor", "condition"), epsp, {"units": "1"}),
            "chi2": (("constant", "factor"), (((epsp - mean) / sem) ** 2).sum(-1), {"units": "1"}),
            "order": (
                ("constant", "factor"),
                (epsp.argmax(-1) == 0) & (epsp.argmin(-1) == 1),
            ),
        },
        coords={"constant": labels, "factor": list(factors), "condition": list(TARGET)},
    )


def _as_ms(value) -> float:
    return float(value / ms) if isinstance(value, Quantity) else float(value)
