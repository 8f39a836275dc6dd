"""The weight change of a learning circuit beside the gradient of its prediction error.

The circuit is taken as a network of rate units. In a cycle the relay cell j says m_j in the minus
phase, which is the prediction, and p_j in the plus phase, which is the outcome. The error is

    E = 1/2 * sum over cycles and relay cells of (p_j - m_j)^2.

Its gradient with respect to weights comes from backpropagation (Rumelhart et al. 1986,
doi:10.1038/323533a0): with the drive u_j = sum_i s w_ij x_i and the response m_j = f(u_j),

    -dE/dw_ij  = sum over cycles of s delta_j x_i,
    delta_j    = f'(u_j) * (p_j - m_j)                          for a relay cell,
    delta_B    = f'(u_B) * sum over A of s w_AB delta_A         for a cell B further up.

The weight change of a block of learning is compared with that by its cosine: 1 is descent along
the gradient, 0 no relation, -1 ascent. Where all weights rise or fall together and most errors have
one sign, the cosine is near 1 or -1 for that alone. The mean of a null shows how near; the centred
cosine, of both without their mean over the synapses of the projection, leaves it out.

All rates are measured ones, so no cell is simulated here; only the response f, g * softplus(a u +
b), is fitted to drives and rates of each population, by least squares. The drive is that of the
projections whose weights the run has; s is the conductance of the projection in the anatomy,
negative for inhibitory sources. Weights are taken to go straight from the snapshot before the block
to the one after it.

Which spikes count is a matter of what the theory says a cell tells at which time:

===========  =========================  =========================================================
cell class   as a target                as a source
===========  =========================  =========================================================
relay        end of the minus phase     cycle before: what it sends to the cortex is the outcome
predictor    end of the minus phase     the same, onto relay cells and predictors; else the cycle
                                        before
cue          cycle before               end of the minus phase, onto predictors: it is told all the
                                        time what is so
all others   cycle before               cycle before: bursts load the context of the predictor
===========  =========================  =========================================================

Classes are those of the relay cells and predictors of the loops; cue cells are those of areas
outside of all loops. The error is that of the relay cells of one loop.

A source counts earlier by its axon delay, 10 ms where the run does not tell it. An error is passed
on only where a source counts in the window in which it counts as a target: so it goes from relay
cells to predictors and to what drove those in the cycle before, and ends there; through time it
goes no further.

What this leaves out: short-term release, NMDA and dendrites, the bounds of the weights, the
efficacy where it is not linear in the weight, and all inhibition that does not learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import expit

from analysis.data import blocks, schema
from analysis.measures import phases

__all__ = [
    "NULLS",
    "Connection",
    "Response",
    "backpropagate",
    "error_felt",
    "fit_response",
    "partial_coefficients",
    "weight_gradients",
]


#: What is permuted of the gradient to see which cosine is there by chance.
NULLS = {
    "synapses": "synapses of the projection: all structure is lost, also rates of cells",
    "targets": "whole target cells: how active a source is stays",
    "sources": "whole source cells: how wrong a target is on average stays",
    "cycles": "cycles of the errors against those of the sources: means of all cells stay",
}

_MINUS, _BEFORE = "minus", "before"
_DELAY, WINDOW = 10e-3, 60e-3
_SLOPES = ("fitted", "linear", "rate")
_BINS = 200


# --- the rate network ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Connection:
    """Weights from one group of rate units to another.

    Attributes
    ----------
    source, target : str
        Names of the groups.
    first, last : (n_target, n_source) array
        Conductances in the first and in the last cycle; in between they change evenly.
    """

    source: str
    target: str
    first: np.ndarray
    last: np.ndarray

    def _between(self, start, end):
        share = ((np.arange(len(start)) + 0.5) / max(len(start), 1))[:, None]
        return (1 - share) * start + share * end

    def drive(self, rate: np.ndarray) -> np.ndarray:
        """Return what sources at (cycle, n_source) rates give the targets, (cycle, n_target)."""
        return self._between(rate @ self.first.T, rate @ self.last.T)

    def back(self, delta: np.ndarray) -> np.ndarray:
        """Return what (cycle, n_target) errors mean for the sources, (cycle, n_source)."""
        return self._between(delta @ self.first, delta @ self.last)


def backpropagate(
    errors: Mapping[str, np.ndarray],
    slopes: Mapping[str, np.ndarray],
    connections: Sequence[Connection],
    depth: int = 6,
) -> dict[str, np.ndarray]:
    """Return minus the gradient of the error with respect to the drive of every unit.

    Parameters
    ----------
    errors : dict of str to (cycle, n) array
        Outcome minus prediction, of the groups that are judged.
    slopes : dict of str to (cycle, n) array
        f' of every group.
    connections : sequence of Connection
        Those along which an error goes back.
    depth : int
        Greatest number of synapses from a weight to a relay cell, its own one included: with 1
        only relay cells have an error. Recurrent loops are followed up to that length too.

    Returns
    -------
    dict of str to (cycle, n) array
        Groups that no error reaches are left out.
    """
    deltas = {name: slopes[name] * error for name, error in errors.items()}
    for _ in range(depth - 1):
        total = dict(errors)
        for connection in connections:
            if connection.target in deltas and connection.source in slopes:
                back = connection.back(deltas[connection.target])
                total[connection.source] = total.get(connection.source, 0) + back
        deltas = {name: slopes[name] * error for name, error in total.items()}
    return deltas


class Response(NamedTuple):
    """A unit's rate as a function of its drive, gain * softplus(scale * u + offset).

    Attributes
    ----------
    gain : float, Hz
    scale : float
        Per unit of drive.
    offset : float
    """

    gain: float
    scale: float
    offset: float

    def rate(self, drive: np.ndarray) -> np.ndarray:
        """Return the rate, Hz."""
        return self.gain * np.logaddexp(0, self.scale * np.asarray(drive, float) + self.offset)

    def slope(self, drive: np.ndarray) -> np.ndarray:
        """Return the derivative of the rate by the drive."""
        return self.gain * self.scale * expit(self.scale * np.asarray(drive, float) + self.offset)

    def slope_at(self, rate: np.ndarray) -> np.ndarray:
        """Return the same derivative where the unit has that rate, whatever drives it."""
        return -self.gain * self.scale * np.expm1(-np.asarray(rate, float) / self.gain)


def fit_response(drive: np.ndarray, rate: np.ndarray) -> Response | None:
    """Fit a rising softplus to the rates of units, by least squares.

    Parameters
    ----------
    drive, rate : array
        Of the same shape; rates in Hz.

    Returns
    -------
    Response or None
        None where drive or rate do not vary, so that there is nothing to fit.
    """
    from scipy.optimize import least_squares  # slow to load

    drive, rate = np.ravel(drive).astype(float), np.ravel(rate).astype(float)
    spread = drive.std() if drive.size else 0.0
    if not (spread > 1e-12 * np.abs(drive).max(initial=0) and np.ptp(rate) > 0):
        return None
    # the fit to the means of groups of equal drive is that to all units but for rounding
    order = np.argsort(drive, kind="stable")
    group = np.arange(drive.size) * min(_BINS, drive.size) // drive.size
    n = np.bincount(group)
    z = np.bincount(group, (drive[order] - drive.mean()) / spread) / n
    y = np.bincount(group, rate[order]) / n / rate.max()
    weight = np.sqrt(n / n.sum())

    def residual(p):
        return weight * (np.exp(p[0]) * np.logaddexp(0, np.exp(p[1]) * z + p[2]) - y)

    def jacobian(p):
        gain, scale = np.exp(p[:2])
        bent = gain * expit(scale * z + p[2])
        soft = gain * np.logaddexp(0, scale * z + p[2])
        return weight[:, None] * np.stack([soft, bent * scale * z, bent], axis=1)

    low, high = np.array([-30.0, np.log(0.02), -15.0]), np.array([30.0, np.log(30.0), 15.0])
    mean = max(y.mean(), 1e-3)
    # once almost straight and once bent: neither start finds the other's optimum for sure
    fits = [
        least_squares(residual, start, jacobian, bounds=(low, high))
        for start in ((np.log(mean / 3), -1.5, 3.0), (np.log(mean), 0.7, 0.0))
    ]
    gain, scale, offset = min(fits, key=lambda fit: fit.cost).x
    scale = np.exp(scale) / spread
    return Response(float(np.exp(gain) * rate.max()), float(scale),
                    float(offset - scale * drive.mean()))  # fmt: skip


# --- from a Dataset to the network ---------------------------------------------------------------


@dataclass(frozen=True)
class _Projection:
    """A plastic projection: its synapses and, of a block, what its two ends say in each cycle."""

    name: str
    synapse: np.ndarray
    source: np.ndarray
    target: np.ndarray
    scale: float
    change: np.ndarray
    rate: np.ndarray
    delta: np.ndarray | None

    def dense(self, cycles=slice(None)):
        """Minus gradient of every pair, target and source, whether it has a synapse or not."""
        return self.scale * (self.delta[cycles].T @ self.rate)

    def gradient(self):
        if self.delta is None:
            return np.full(self.synapse.size, np.nan)
        return self.dense()[self.target, self.source]

    @property
    def comparable(self):
        return self.delta is not None and np.all(np.isfinite(self.change)) and self.change.any()

    def cosine(self, centred=False):
        if not self.comparable:
            return np.nan
        pair = self.change, self.gradient()
        return float(_cosine(*(x - x.mean() for x in pair) if centred else pair))


class _Windows(NamedTuple):
    """Classes of cells that count at the end of the minus phase: relay cells, and predictors.

    And the populations of cue cells.
    """

    relay: set[str]
    predictor: set[str]
    cue: set[str]

    @classmethod
    def of(cls, ds):
        loops, table = schema.loops(ds), schema.population_table(ds)
        cell_class = {row["name"]: row["cell_class"] for row in table}
        relay, predictor = (
            {cell_class[loop[role]] for loop in loops} for role in ("relay", "predictor")
        )
        inside = {loop["cortex"] for loop in loops}
        inside |= {loop[role].split(".")[0] for loop in loops for role in ("driver", "predictor")}
        cue = {row["name"] for row in table
               if row.get("area", row["name"].split(".")[0]) not in inside
               and row["cell_class"] not in relay}  # fmt: skip
        return cls(relay, predictor, cue)

    def target(self, cell_class):
        return _MINUS if cell_class in self.relay | self.predictor else _BEFORE

    def source(self, population, cell_class, target):
        """Window in which a source counts, never later than its target."""
        holds = cell_class in self.predictor or population in self.cue
        return _MINUS if self.target(target) == _MINUS and holds else _BEFORE


def _snapshots(ds, block):
    names = ds["snapshot"].values.astype(str).tolist()
    if block not in names or not names.index(block):
        raise schema.AnalysisError(
            f"no snapshot before and after '{block}'{schema.nearest(block, names)}"
        )
    weight = ds["weight"].transpose("snapshot", "synapse").values
    return weight[names.index(block) - 1].astype(float), weight[names.index(block)].astype(float)


def block_projections(ds, block, window, slope, depth):
    """Measure a block of one run and pass its errors back."""
    if slope not in _SLOPES:
        raise schema.AnalysisError(f"no slope '{slope}'{schema.nearest(slope, _SLOPES)}")
    if int(depth) < 1:
        raise schema.AnalysisError(f"depth is {depth}, expected 1 or more")
    at = blocks.block_cycles(ds, block)
    before, after = _snapshots(ds, block)
    length = schema.cycle_length(ds)
    begin = ds["cycle_start"].values[at].astype(float)
    plus = ds["plus_start"].values[at].astype(float)
    time = ds["spike_time"].values
    # a block's spikes alone, and those of the cycle before it
    low, high = np.searchsorted(time, [begin[0] - 1.5 * length, begin[-1] + 1.01 * length])
    spikes = ds[["spike_time", "spike_neuron", "neuron_channel"]].isel(spike=slice(low, high))
    windows = {
        _MINUS: (np.maximum(begin, plus - window), plus),
        _BEFORE: (begin - length, begin),
        "plus": (plus, begin + length),
    }
    found: dict[tuple, np.ndarray] = {}

    def rates(population, key, delay=0.0):
        if (population, key, delay) not in found:
            first, last = windows[key]
            cells = np.flatnonzero(population_of == population)
            found[population, key, delay] = phases.cell_rates(
                spikes, cells, first - delay, last - delay
            )
        return found[population, key, delay]

    population_of = ds["population"].values.astype(str)
    table = {row["name"]: row for row in schema.population_table(ds)}
    described = {row["name"]: row for row in schema.projection_table(ds)}
    count_in = _Windows.of(ds)
    # place of each cell in its population
    place = np.zeros(population_of.size, int)
    for name in table:
        cells = np.flatnonzero(population_of == name)
        place[cells] = np.arange(cells.size)
    names = ds["synapse_projection"].values.astype(str)
    parts, connections, drives = [], [], {}
    for name in dict.fromkeys(names.tolist()):
        synapse = np.flatnonzero(names == name)
        source = ds["synapse_source"].values[synapse].astype(int)
        target = ds["synapse_target"].values[synapse].astype(int)
        ends = population_of[source[0]], population_of[target[0]]
        classes = [table[end]["cell_class"] for end in ends]
        row = described.get(name, {})
        scale = float(row.get("weight_nS", 1.0)) * (1 if table[ends[0]]["excitatory"] else -1)
        delay = row.get("delay_ms", 1e3 * _DELAY) * 1e-3
        key = count_in.source(ends[0], *classes)
        rate = rates(ends[0], key, delay)
        shape = table[ends[1]]["n"], table[ends[0]]["n"]
        flat = place[target] * shape[1] + place[source]
        dense = [
            scale * np.bincount(flat, np.nan_to_num(w[synapse]), shape[0] * shape[1]).reshape(shape)
            for w in (before, after)
        ]
        connection = Connection(*ends, *dense)
        drives[ends[1]] = drives.get(ends[1], 0) + connection.drive(rate)
        if key == count_in.target(classes[0]):
            connections.append(connection)
        change = after[synapse] - before[synapse]
        parts.append((name, synapse, place[source], place[target], scale, change, rate, ends[1]))

    errors, slopes = {}, {}
    for name, drive in drives.items():
        rate = rates(name, count_in.target(table[name]["cell_class"]))
        response = fit_response(drive, rate)
        judged = name == schema.population_name(ds, "relay")
        if response is None:
            slopes[name] = np.ones_like(drive)
        elif slope == "rate" and not judged:
            slopes[name] = response.slope_at(rate)
        else:
            slopes[name] = response.slope(drive)
        if slope == "linear":
            slopes[name] = np.full_like(drive, slopes[name].mean())
        if judged:
            errors[name] = rates(name, "plus") - rate
    deltas = backpropagate(errors, slopes, connections, int(depth))
    return [_Projection(*part[:-1], deltas.get(part[-1])) for part in parts]


# --- the comparison ------------------------------------------------------------------------------


def _cosine(a, b):
    size = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size > 0, (a * b).sum(-1) / size, np.nan)


def null_cosine(projection, kind, permutations, seed):
    """Mean and standard deviation of the cosine when the gradient is permuted."""
    change, gradient = projection.change, projection.gradient()
    if not projection.comparable:
        return np.nan, np.nan
    if kind == "synapses":
        # of all permutations there are: the moments of a sum of products are known
        size = np.sqrt((change**2).sum() * (gradient**2).sum())
        if not (size > 0 and change.size > 1):
            return np.nan, np.nan
        variance = change.var() * gradient.var() * change.size**2 / (change.size - 1)
        return change.sum() * gradient.mean() / size, np.sqrt(variance) / size
    rng = np.random.default_rng(seed)
    dense, i, j = projection.dense(), projection.target, projection.source
    values = np.empty(permutations)
    for k in range(permutations):
        if kind == "targets":
            permuted = dense[rng.permutation(len(dense))[i], j]
        elif kind == "sources":
            permuted = dense[i, rng.permutation(dense.shape[1])[j]]
        else:
            permuted = projection.dense(rng.permutation(len(projection.rate)))[i, j]
        values[k] = _cosine(change, permuted)
    if not np.isfinite(values).all():
        return np.nan, np.nan
    return values.mean(), values.std(ddof=1)


def partial_coefficients(ds: xr.Dataset, block: str, projection: str) -> tuple[float, float]:
    """Regress the weight change of a block on what source and target say together in each phase.

    A rule that follows the error has coefficients of about equal size, plus one of the plus and
    minus one of the minus phase; one that associates has none or a positive one of the minus phase.

    Parameters
    ----------
    ds : Dataset
        One run that learns.
    block, projection : str
        The name of the projection is that in ``synapse_projection``.

    Returns
    -------
    plus, minus : float
        Coefficients of the sums over cycles of source times target rate, of the target in the plus
        and in the whole minus phase and of the source late in the minus phase; all three, change
        and sums, in standard deviations over the synapses. NaN where one of them has none.
    """
    at = blocks.block_cycles(ds, block)
    before, after = _snapshots(ds, block)
    synapse = np.flatnonzero(ds["synapse_projection"].values.astype(str) == projection)
    ends = [ds[f"synapse_{end}"].values[synapse].astype(int) for end in ("source", "target")]
    (sources, i), (targets, j) = (np.unique(end, return_inverse=True) for end in ends)
    late, whole = phases.windows_of(ds), phases.windows_of(ds, np.inf)
    source = phases.cell_rates(ds, sources, *(edge - _DELAY for edge in late["minus"]))[at]
    sums = [
        (phases.cell_rates(ds, targets, *whole[key])[at].T @ source)[j, i]
        for key in ("plus", "minus")
    ]
    table = np.stack([(after - before)[synapse], *sums])
    spread = table.std(1, keepdims=True)
    if not (np.isfinite(table).all() and (spread > 0).all()):
        return np.nan, np.nan
    change, *rest = (table - table.mean(1, keepdims=True)) / spread
    plus, minus = np.linalg.lstsq(np.stack(rest, axis=1), change, rcond=None)[0]
    return float(plus), float(minus)


def error_felt(ds: xr.Dataset, block: str, population: str) -> float:
    """Correlate what cells say in the plus phase less the minus one with their share of the error.

    Parameters
    ----------
    ds : Dataset
        One run that learns.
    block : str
    population : str
        Some of its synapses learn, and an error reaches it.

    Returns
    -------
    float
        Pearson correlation of plus - minus, late in the minus phase, with minus dE/du of
        `backpropagate` at linear responses; over cells and cycles in which the cell fires in either
        window, both less the cell's mean over these. NaN where no error reaches the population, or
        where either does not vary.
    """
    parts = block_projections(ds, block, WINDOW, "linear", 6)
    delta = next((p.delta for p in parts if p.name.split("->")[1] == population), None)
    if delta is None:
        return np.nan
    cells, at = schema.cell_index(ds, population), blocks.block_cycles(ds, block)
    windows = phases.windows_of(ds)
    minus, plus = (phases.cell_rates(ds, cells, *windows[k])[at] for k in ("minus", "plus"))
    fires = minus + plus > 0
    pair = [np.where(fires, x, np.nan) for x in (plus - minus, delta)]
    some = fires.any(0)
    a, b = (x[:, some] - np.nanmean(x[:, some], axis=0) for x in pair)
    a, b = a[fires[:, some]], b[fires[:, some]]
    if a.size < 2 or not (a.std() > 0 and b.std() > 0):
        return np.nan
    return float(np.corrcoef(a, b)[0, 1])


def z_score(cosine, mean, sd):
    return (cosine - mean) / sd if sd > 0 else np.nan


def weight_gradients(
    ds: xr.Dataset,
    block: str,
    window: float = WINDOW,
    slope: str = "fitted",
    depth: int = 6,
    permutations: int = 200,
    seed: int = 0,
) -> xr.Dataset:
    """Compare the weight changes of a block with the gradient of its prediction error.

    Parameters
    ----------
    ds : Dataset
        One run that learns.
    block : str
        All its cycles count, those in which a sweep begins too: the circuit learns in them.
    window : float, s
        Last part of the minus phase that counts as the prediction, by default that of `r_pred`;
        one as long as the phase, or longer, is all of it. Its beginning has a tail of the outcome.
    slope : {"fitted", "linear", "rate"}
        f' from the response fitted to each population in this block, or the mean of that for all
        its cells and cycles: an error then counts the same at cells below threshold. With a single
        path to the relay cells that is f' = 1. Where rate or drive of a population does not vary,
        f' is 1 in either case. With "rate" cells other than relay cells have f' at the rate that
        they have: a cell that projections outside of what learns keep silent passes no error on,
        whatever the drive from those that learn.
    depth : int
        As `backpropagate`.
    permutations : int
        Of cells or cycles, for a null; that of synapses is the exact one of all permutations.
    seed : int
        Of the permutations.

    Returns
    -------
    Dataset
        On dim synapse: ``change`` and ``gradient``, minus dE/dw, Hz^2 (NaN where no error comes).
        On dim projection: ``cosine`` and ``cosine_centred`` of the two, and ``partial_plus`` and
        ``partial_minus``, see `partial_coefficients`; with dim null too, see
        `NULLS`, ``cosine_shuffled`` and ``cosine_shuffled_sd`` (mean and standard deviation over
        permutations of the gradient) and ``z``, the cosine's distance from that mean in standard
        deviations. NaN for a projection whose weights did not change or that no error reaches.

    Raises
    ------
    AnalysisError
        If there is no such block or slope.
    """
    parts = block_projections(ds, block, window, slope, depth)
    change, gradient = np.full((2, ds.sizes["synapse"]), np.nan)
    cosine, centred, plus, minus = np.full((4, len(parts)), np.nan)
    null = np.full((3, len(NULLS), len(parts)), np.nan)
    for k, part in enumerate(parts):
        change[part.synapse], gradient[part.synapse] = part.change, part.gradient()
        cosine[k], centred[k] = part.cosine(), part.cosine(centred=True)
        if part.delta is not None:
            plus[k], minus[k] = partial_coefficients(ds, block, part.name)
        for n, kind in enumerate(NULLS):
            mean, sd = null_cosine(part, kind, permutations, seed)
            null[:, n, k] = mean, sd, z_score(cosine[k], mean, sd)
    one = {"units": "1"}
    return xr.Dataset(
        {
            "change": ("synapse", change, one | {"long_name": "weight change in the block"}),
            "gradient": ("synapse", gradient, {"units": "Hz^2", "long_name": "minus dE/dw"}),
            "cosine": ("projection", cosine, one),
            "cosine_centred": ("projection", centred, one),
            "partial_plus": ("projection", plus, one),
            "partial_minus": ("projection", minus, one),
            "cosine_shuffled": (("null", "projection"), null[0], one),
            "cosine_shuffled_sd": (("null", "projection"), null[1], one),
            "z": (("null", "projection"), null[2], one),
        },
        coords={"projection": [part.name for part in parts], "null": list(NULLS)},
    )
