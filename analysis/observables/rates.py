"""Numbers of one run of a rate network."""

from __future__ import annotations

import numpy as np

from analysis.data.schema import AnalysisError
from analysis.measures.scores import masked_pearson
from analysis.observables.registry import observable

__all__: list[str] = []

_REFERENCES = {"settled": "cosine_settled", "feedforward": "cosine_feedforward"}


@observable("1", "rate")
def rate_score(ds, part="test", hidden=None):
    """Share of the patterns that the network gets right."""
    return float(_of_depth(ds, hidden)[f"score_{part}"])


@observable("1", "rate")
def rate_loss(ds):
    """Mean squared error of the output on test patterns."""
    return float(ds["loss_test"])


@observable("1", "rate")
def rate_epochs(ds):
    """Epochs until every training pattern was right; the longest of the run where never."""
    epochs = float(ds["epochs"])
    return epochs if np.isfinite(epochs) else float(ds.sizes["epoch"])


@observable("1", "rate")
def rate_solved(ds):
    """Were all training patterns right before the end: 1 or 0."""
    return float(np.isfinite(float(ds["epochs"])))


def _of_depth(ds, hidden):
    """Return the networks of so many hidden layers, where a run has several."""
    if hidden is None or "depth" not in ds.dims:
        return ds
    depths = ds["depth"].values.tolist()
    if hidden not in depths:
        raise AnalysisError(f"hidden: no networks of {hidden} hidden layers; valid: {depths}")
    return ds.sel(depth=hidden)


@observable("1", "rate")
def rate_cosine(ds, reference="settled", layer="least", hidden=None):
    """Cosine of the weight change with a gradient: of one layer, or the least of all."""
    if reference not in _REFERENCES:
        raise AnalysisError(f"reference '{reference}'; valid: {', '.join(_REFERENCES)}")
    values = _of_depth(ds, hidden)[_REFERENCES[reference]].values
    values = values[np.isfinite(values)]
    if layer == "least":
        return float(values.min()) if values.size else np.nan
    if not 1 <= int(layer) <= values.size:
        raise AnalysisError(f"layer {layer}: this network has layers 1 to {values.size}")
    return float(values[int(layer) - 1])


@observable("1", "rate")
def rate_energy_ratio(ds, hidden=None):
    """Energy of the last layer over that of the first one, as a power of ten."""
    energy = _of_depth(ds, hidden)["energy"].values
    energy = energy[np.isfinite(energy)]
    return float(np.log10(energy[-1] / energy[0]))


@observable("1", "rate")
def rate_energy_growth(ds, shallow, deep):
    """Energy ratio of deep networks over that of shallow ones, as a power of ten."""
    return rate_energy_ratio(ds, deep) - rate_energy_ratio(ds, shallow)


@observable("1", "rate")
def rate_signature(ds, carrier, term):
    """Coefficient of outcome or prediction in the activity of the output."""
    return float(ds["signature"].sel(carrier=carrier, term=term))


@observable("1", "rate")
def rate_hidden_change(ds):
    """Mean change of hidden rates between the phases, over their mean."""
    return float(ds["hidden_change"])


@observable("1", "rate")
def rate_prediction(ds, source="network", less=None):
    """Mean correlation of what is predicted with the outcome, over predictable positions."""
    outcome, seen = ds["outcome"].values, ds["predictable"].values.astype(bool)

    def mean(name):
        predicted = ds["prediction"].sel(source=name).values
        here = seen & np.isfinite(predicted)
        r, defined = masked_pearson(np.nan_to_num(predicted), outcome, here)
        # a flat prediction of an outcome that is there predicts nothing
        return float(np.where(np.isfinite(r), r, 0)[defined].mean())

    return mean(source) - (mean(less) if less else 0.0)


@observable("1", "rate")
def identity_error(ds):
    """How far an identity is from holding."""
    return float(ds["identity_error"])


@observable("1", "rate")
def figure1_gap(ds, unit="output"):
    """Largest difference of a unit from the fixed points of its two phases, in the first cycle."""
    first = ds.sel(unit=unit).isel(cycle=0)
    pairs = [(first[phase], first["settled"].sel(phase=phase)) for phase in ("minus", "plus")]
    return max(abs(float(a) - float(b)) for a, b in pairs)


@observable("1", "rate")
def figure1_sign(ds, unit="hidden"):
    """Has the difference of the phases the sign of what backpropagation would send: 1 or 0."""
    first = ds.sel(unit=unit).isel(cycle=0)
    return float(np.sign(float(first["difference"])) == np.sign(float(first["delta"])))


@observable("1", "rate")
def figure1_left(ds):
    """Share of the first cycle's difference at the output that the last one has."""
    difference = ds["difference"].sel(unit="output").values
    return float(abs(difference[-1] / difference[0]))


@observable("1", "rate")
def readout_accuracy(ds, stage="first", reader="output cells", over=None):
    """Share of the presentations whose class is read, or that over another reader's share."""
    found = ds["accuracy"].sel(stage=stage)
    share = float(found.sel(reader=reader))
    return share if over is None else share / float(found.sel(reader=over))


@observable("1", "rate")
def readout_plateaus(ds):
    """Plateaus of an output cell in one labelled trial, mean over cells."""
    return float(ds["plateaus"])


@observable("1", "rate")
def readout_prediction(ds, part="later", less=None):
    """Correlation of the slow network's prediction with the outcome, or its gain over a part."""
    found = ds["r_pred"]
    return float(found.sel(part=part)) - (float(found.sel(part=less)) if less else 0.0)


@observable("1", "rate")
def recall_error(ds, source="network"):
    """Mean squared error of the half of a picture that is recalled from the other half."""
    return float(ds["recall_error"].sel(source=source))


@observable("1", "rate")
def recall_gain(ds, over="mean"):
    """Recall error of another source over that of the network."""
    return recall_error(ds, over) / recall_error(ds)


@observable("1", "rate")
def picture_separation(ds, other, by="energy"):
    """Area under the curve by which other pictures are told from unseen digits."""
    return float(ds["separation"].sel(other=other, by=by))


@observable("1", "rate")
def drawn_class(ds, source="network"):
    """Share of the drawn pictures that a classifier takes for the class that was told."""
    return float(ds["drawn_class"].sel(source=source))


@observable("1", "rate")
def drawn_spread(ds, source="network"):
    """Variance of drawn pictures within a class over that of unseen ones."""
    return float(ds["drawn_spread"].sel(source=source))


@observable("1", "rate")
def drawn_told(ds, source="network", less=None):
    """Share of pictures whose nearest neighbour tells drawn from unseen ones; .5 is chance."""
    told = ds["drawn_told"]
    return float(told.sel(source=source)) - (float(told.sel(source=less)) if less else 0.0)
