"""Numbers that the report of a learning run shows."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.data import schema
from analysis.data.blocks import block_cycles
from analysis.measures import phases, scores, sites, weights

__all__ = [
    "baseline_table",
    "headline",
    "is_learning",
    "lesion_table",
    "report_blocks",
    "running_mean",
    "site_changes",
    "weight_matrix",
    "weights_by_offset",
]

WINDOW, _LEAST = 16, 4


def is_learning(ds: xr.Dataset | None) -> bool:
    """Tell if a result is one of a learning run, with blocks."""
    return ds is not None and "cycle_block" in ds and "block" in ds.dims and bool(schema.loops(ds))


def with_runs(ds):
    """Give the Dataset dims condition and seed."""
    for dim in ("condition", "seed"):
        ds = ds if dim in ds.dims else ds.drop_vars(dim, errors="ignore").expand_dims(dim)
    return ds


def condition_names(ds):
    """Names of the conditions; one empty name where the run has none."""
    if "condition" not in ds.coords:
        return [""]
    return [str(c) for c in np.atleast_1d(ds["condition"].values)]


def mean_sd(values, axis=0):
    """Mean and standard deviation over runs; NaN-safe and silent about it."""
    values = np.asarray(values, float)
    there = ~np.isnan(values)
    n = there.sum(axis)
    mean = np.where(there, values, 0).sum(axis) / np.where(n > 0, n, np.nan)
    away = np.where(there, values - np.expand_dims(mean, axis), 0)
    return mean, np.sqrt((away**2).sum(axis) / np.where(n > 1, n - 1, np.nan))


def report_blocks(ds: xr.Dataset) -> dict[str, str | None]:
    """Choose the blocks that the headline is about.

    Parameters
    ----------
    ds : Dataset

    Returns
    -------
    dict
        ``training``, the first block that learns; ``before``, the frozen block in front of it;
        ``test``, the frozen block after it, after those that go on learning the same movement, and
        before the next that learns: where there are several, the first whose stimulus is another
        than that of the training; ``reversal``, the first later block that learns with the opposite
        movement; ``reversal_test``, the frozen block after that. None where there is no such block.
    """
    names, block = ds["block"].values.astype(str).tolist(), ds["cycle_block"].values
    learning = with_runs(ds[["learning"]])["learning"].isel(condition=0)
    learning = learning.transpose(..., "cycle").values.reshape(-1, ds.sizes["cycle"]).max(0)
    learns = [bool(np.any(learning[block == k] > 0)) for k in range(len(names))]
    keys = ("before", "training", "test", "reversal", "reversal_test")
    chosen: dict[str, str | None] = dict.fromkeys(keys)
    if not any(learns):
        chosen["test"] = names[-1]
        return chosen
    at = learns.index(True)
    chosen["training"] = names[at]
    chosen["before"] = names[at - 1] if at else None
    one = schema.select(ds.drop_dims("spike"), *first_run(ds))

    def frozen_after(k):
        moves = weights.movement(one, names[k])
        # a block that goes on learning the same movement, at another rate, belongs to it
        while k + 1 < len(names) and learns[k + 1]:
            if weights.movement(one, names[k + 1]) != moves:
                break
            k += 1
        end = next((n for n in range(k + 1, len(names)) if learns[n]), len(names))
        return names[k + 1 : end]

    trained, steps = weights.movement(one, names[at])
    after = frozen_after(at)
    other = [name for name in after if weights.movement(one, name)[0] != trained]
    chosen["test"] = (other or after or [None])[0]
    back = {-step for step in steps}
    for k in range(at + 1, len(names)):
        moves = set(weights.movement(one, names[k])[1])
        if learns[k] and moves == back != set(steps):
            chosen["reversal"] = names[k]
            chosen["reversal_test"] = (frozen_after(k) or [None])[0]
            break
    return chosen


def first_run(ds):
    """Seed and condition of the first run, as `schema.select` takes them."""
    condition, seed = schema.runs(ds)[0]
    return seed, condition


def number_text(mean, sd=np.nan):
    """Write a mean and its spread, or that it is undefined."""
    if not np.isfinite(mean):
        return "undefined"
    return f"{mean:.2f}" + (f" ± {sd:.2f}" if np.isfinite(sd) else "")


def headline(ds: xr.Dataset) -> str:
    """Say in one line if the minus phase has come to predict the plus phase.

    The first condition counts. It predicts where r_pred is 0.4 or more and exceeds r_persist and
    zero by 0.3; weakly where it exceeds them by 0.1 and by a standard deviation over seeds; and in
    either case only if it exceeds the shuffle by 0.1. Unless it exceeds itself before learning by
    0.1 too, the line says that nothing was learned.

    Parameters
    ----------
    ds : Dataset
        From `analysis.measures.scores.add_scores`.

    Returns
    -------
    str
    """
    blocks = report_blocks(ds)
    means = scores.block_means(ds).isel(condition=0)
    n = means.sizes["seed"]
    seeds = f"{n} seed{'s' if n > 1 else ''}"

    def of(name, block):
        return means[name].sel(block=block).values

    if blocks["training"] is None:
        mean, sd = mean_sd(of("r_pred", blocks["test"]))
        persist = number_text(*mean_sd(of("r_persist", blocks["test"])))
        return (f"No block learns: r_pred is {number_text(mean, sd)} in '{blocks['test']}' "
                f"(persistence {persist}; {seeds}).")  # fmt: skip
    block = blocks["test"] or blocks["training"]
    if blocks["test"]:
        after = {key: of(key, block) for key in ("r_pred", "r_persist", "r_shuffle")}
        where = f"in '{block}', weights frozen"
    else:
        after = {key: _part(ds, key, block, last=True) for key in means if key.startswith("r_")}
        where = f"at the end of '{block}'"
    before = (
        of("r_pred", blocks["before"])
        if blocks["before"]
        else _part(ds, "r_pred", blocks["training"], last=False)
    )
    (b, b_sd), (r, r_sd), (p, p_sd) = map(mean_sd, (before, after["r_pred"], after["r_persist"]))
    # nothing is won over a persistence below zero that silence would not win too
    gain, gain_sd = mean_sd(after["r_pred"] - np.maximum(after["r_persist"], 0))
    shuffle = np.nan_to_num(mean_sd(after["r_shuffle"])[0])
    sure = np.nan_to_num(gain_sd)
    verb = "rose" if r - b > 0.05 else "fell" if b - r > 0.05 else "went"
    rise, specific = r - np.nan_to_num(b) > 0.1, r - shuffle > 0.1
    if not np.isfinite([r, gain]).all():  # of a silent prediction they are 0
        says = "no cycle has an outcome to compare with: not judged"
    elif r >= 0.4 and gain >= 0.3 and specific:
        says = "the minus phase predicts the plus phase"
        says += "" if rise else ", but NOT by learning"
    elif gain > max(0.1, sure) and rise and specific:
        says = "the minus phase weakly predicts the plus phase"
    else:
        says = "the minus phase does NOT predict the plus phase"
    return (
        f"r_pred {verb} from {number_text(b, b_sd)} to {number_text(r, r_sd)} {where} "
        f"(persistence {number_text(p, p_sd)}; {seeds}): {says}."
    )


def _part(ds, name, block, last, n=WINDOW):
    """Mean score of the first or last cycles of a block, by seed, of the first condition."""
    ds = with_runs(ds[[name, "outcome_defined", "cycle_block"]]).isel(condition=0)
    one = ds.sel(block=block).transpose("seed", ...)
    values = []
    for value, keep in zip(one[name].values, one["outcome_defined"].values, strict=True):
        value = np.nan_to_num(value[keep.astype(bool)])
        value = value[-n:] if last else value[:n]
        values.append(value.mean() if value.size else np.nan)
    return np.array(values)


def running_mean(ds: xr.Dataset, name: str, window: int = WINDOW) -> xr.DataArray:
    """Return the mean of a score over the last cycles, within each block.

    Parameters
    ----------
    ds : Dataset
        From `analysis.measures.scores.add_scores`.
    name : str
        One of `analysis.measures.scores.SCORES`; of correlations, undefined predictions count 0.
    window : int
        Cycles.

    Returns
    -------
    DataArray (condition, seed, cycle)
        NaN until four cycles of the block have been scored.
    """
    ds = with_runs(ds[[name, "outcome_defined", "cycle_block"]])
    order = ("condition", "seed", "block", "cycle")
    keep = ds["outcome_defined"].transpose(*order).values.astype(bool)
    value = ds[name].transpose(*order).values
    if name.startswith("r_"):
        value = np.nan_to_num(value)
    keep = keep & ~np.isnan(value)
    total = np.cumsum(np.where(keep, value, 0), axis=-1)
    count = np.cumsum(keep, axis=-1)
    for x in (total, count):
        x[..., window:] = x[..., window:] - x[..., :-window].copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count >= min(_LEAST, window), total / count, np.nan)
    belongs = ds["cycle_block"].values == np.arange(ds.sizes["block"])[:, None]
    mean = np.where(belongs, mean, np.nan)
    at = ds["cycle_block"].values.astype(int)
    result = mean[:, :, at, np.arange(at.size)]
    return xr.DataArray(result, dims=("condition", "seed", "cycle"), attrs=ds[name].attrs)


def lesion_table(ds: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return the scores of every condition and block, mean ± sd over seeds.

    Parameters
    ----------
    ds : Dataset
        From `analysis.measures.scores.add_scores`.

    Returns
    -------
    columns : list of str
    rows : list of list of str
        Blocks without a scored cycle are left out.
    """
    means = scores.block_means(ds)
    names = ds["block"].values.astype(str)
    many = len(condition_names(ds)) > 1
    columns = (["condition"] if many else []) + ["block", "r_pred", "r_persist",
               "r_pred - r_persist", "r_shuffle", "decoding", "chance", "defined", "n"]  # fmt: skip
    keys = ("r_pred", "r_persist", "gain", "r_shuffle", "decode", "decode_chance", "defined")
    rows = []
    for c, condition in enumerate(condition_names(ds)):
        for b, block in enumerate(names):
            here = {key: means[key].values[c, :, b] for key in keys}
            n = int(np.isfinite(here["r_pred"]).sum())
            if not n:
                continue
            row = [condition] if many else []
            row += [str(block), *(number_text(*mean_sd(here[key])) for key in keys), str(n)]
            rows.append(row)
    return columns, rows


def baseline_table(ds: xr.Dataset) -> tuple[list[str], list[list[str]]]:
    """Return r_pred beside what simpler predictors reach, and how often predicted sites happen.

    Parameters
    ----------
    ds : Dataset
        From `analysis.measures.baselines.add_baselines`.

    Returns
    -------
    columns : list of str
    rows : list of list of str
        For each condition and block in which nothing learns, mean ± sd over seeds.
    """
    means, ds = scores.block_means(ds), with_runs(ds)
    baseline = ds["baseline"].transpose("condition", "seed", "block", "predictor").values
    many = len(condition_names(ds)) > 1
    shown = ("precision", "recall", "base rate")
    columns = (["condition"] if many else []) + ["block", "r_pred", *ds["predictor"].values, *shown]
    rows = []
    for c, condition in enumerate(condition_names(ds)):
        for b, block in enumerate(ds["block"].values.astype(str)):
            here = baseline[c, :, b]
            if not np.isfinite(here).any():
                continue
            of_sites = np.array([
                sites.site_shares(schema.select(ds, seed, condition if many else None), block)
                for seed in ds["seed"].values
            ]) if "seed" in ds.coords else np.full((1, len(shown)), np.nan)  # fmt: skip
            columns_of = (means["r_pred"].values[c, :, b], *here.T, *of_sites.T)
            row = [condition] if many else []
            rows.append([*row, block, *(number_text(*mean_sd(v)) for v in columns_of)])
    return columns, rows


def site_changes(ds: xr.Dataset, block: str | None = None) -> xr.Dataset:
    """Return weight changes beside rates at every predictable position of the learning cycles.

    Parameters
    ----------
    ds : Dataset
        One run.
    block : str, optional
        Default all blocks.

    Returns
    -------
    Dataset
        On dim ``site``: ``dw`` (1), ``difference`` (Hz, plus minus late minus rate of the relay
        cells) and ``kind`` (str: correct, missed, false or quiet; empty in between).
    """
    names = [block] if block is not None else ds["block"].values.astype(str).tolist()
    both = phases.phase_patterns(ds).isel(condition=0, seed=0)
    learns = ds["learning"].values > 0
    kind = np.full(ds["dw"].transpose("cycle", "channel").shape, "", "<U7")
    use = np.zeros(ds.sizes["cycle"], bool)
    for name in names:
        at = block_cycles(ds, name)
        use[at] = learns[at]
        cycle, position, predicted, happened = sites.classify_sites(ds, name)
        kind[cycle, position] = np.where(
            predicted, np.where(happened, "correct", "false"),
            np.where(happened, "missed", "quiet"))  # fmt: skip
    difference = (both["plus"] - both["minus"]).values
    keep = both["seen"].values.astype(bool) & use[:, None] & np.isfinite(difference)
    dw = ds["dw"].transpose("cycle", "channel").values
    return xr.Dataset(
        {
            "dw": ("site", dw[keep], {"units": "1", "long_name": "mean weight change"}),
            "difference": ("site", difference[keep], {"units": "Hz"}),
            "kind": ("site", kind[keep]),
        }
    )


def shown_projection(ds):
    """Name of the plastic projection onto relay cells to show."""
    names, loop = weights.plastic_projections(ds), schema.loop_of(ds)
    readout = f"{loop['predictor']}->{loop['relay']}"
    onto = [n for n in names if n.split("->")[-1] == loop["relay"]]
    return readout if readout in names else (onto or names)[0]


def weight_matrix(ds: xr.Dataset, snapshot: str, projection: str | None = None) -> xr.DataArray:
    """Return mean weights by position of the source and of the target.

    Parameters
    ----------
    ds : Dataset
        One run.
    snapshot : str
    projection : str, optional
        Default that of the loop.

    Returns
    -------
    DataArray (target, source)
        NaN where no synapse is.
    """
    synapse, source, target = weights.placed_synapses(ds, projection or shown_projection(ds))
    at = ds["snapshot"].values.astype(str).tolist().index(snapshot)
    weight = ds["weight"].isel(snapshot=at).values[synapse]
    size = int(max(source.max(), target.max())) + 1
    flat = target * size + source
    n = np.bincount(flat, minlength=size**2)
    total = np.bincount(flat, weight, minlength=size**2)
    mean = (total / np.where(n > 0, n, np.nan)).reshape(size, size)
    return xr.DataArray(mean, dims=("target", "source"), attrs={"units": "1"})


def weights_by_offset(
    ds: xr.Dataset, snapshot: str, block: str | None = None, projection: str | None = None
) -> xr.Dataset:
    """Return mean weights by how far target and source lie apart.

    Parameters
    ----------
    ds : Dataset
        One run.
    snapshot : str
    block : str, optional
        Whose movement tells the classes apart; see `analysis.measures.weights.classify_synapses`.
    projection : str, optional
        Default that of the loop.

    Returns
    -------
    Dataset
        On dim ``offset``: ``same`` and ``other`` (mean weight within and across polarities, 1;
        NaN where there is none) and ``kind`` (class of the synapses within a polarity).
    """
    wanted = projection or shown_projection(ds)
    synapse, kind, offset, same = weights.classify_synapses(ds, wanted, block)
    at = ds["snapshot"].values.astype(str).tolist().index(snapshot)
    weight = ds["weight"].isel(snapshot=at).values[synapse]
    offsets = np.unique(offset)
    index = np.searchsorted(offsets, offset)
    new, kinds = {}, np.full(offsets.size, "rest", "<U7")
    kinds[index[same]] = kind[same]
    for name, keep in (("same", same), ("other", ~same)):
        n = np.bincount(index[keep], minlength=offsets.size)
        total = np.bincount(index[keep], weight[keep], minlength=offsets.size)
        new[name] = ("offset", total / np.where(n > 0, n, np.nan), {"units": "1"})
    return xr.Dataset(new | {"kind": ("offset", kinds)}, coords={"offset": offsets})
