"""Burst-dependent learning: events carry what is seen, their share of bursts what was wrong.

Of its events ``e`` a cell turns the share ``p`` into bursts, which its apical dendrite sets:
``p = logistic(logit(p0) + slope u (1 - e))``, ``u`` its input. A synapse changes by
``e_pre (b - p_before e)``, bursts less those that were to be expected.

References
----------
Payeur et al. (2021), doi:10.1038/s41593-021-00857-x (Burstprop: the expectation is what was there
before the teacher, so there are two phases); Greedy et al. (2022), arXiv:2206.11769 (BurstCCN:
inhibition takes the expected bursts off the dendrite, so there is one phase)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit, logit

from circuits.rates.network import Change, Network, forward, local_change

__all__ = ["burst_estimate", "burst_shares"]


def burst_shares(
    net: Network, rates, teacher: np.ndarray | None, p0: float, slope: float, cancelled: bool
) -> list[np.ndarray]:
    """Return the share of events that are bursts, in every layer but the input.

    Parameters
    ----------
    net : Network
    rates : list of (seed, batch, n) arrays
        Events.
    teacher : (seed, batch, n) array or None
        Apical input of the output layer; None before it comes.
    p0 : float
        Share of bursts without apical input.
    slope : float
        Of the share over the input.
    cancelled : bool
        Inhibition of the dendrite cancels the bursts that come without any error.
    """

    def share(u, events):
        return expit(logit(p0) + slope * u * (1 - events))

    top = rates[-1]
    found = [share(np.zeros_like(top) if teacher is None else teacher, top)]
    # in a weak dendrite a share p0 + slope p0 (1 - p0) u comes of u: passed on, it is u again
    unit = slope * p0 * (1 - p0)
    for layer in range(net.depth - 1, 0, -1):
        bursts = found[0] * rates[layer + 1]
        expected = p0 * rates[layer + 1] if cancelled else 0.0
        apical = (bursts - expected) @ net.down(layer) / unit
        found.insert(0, share(apical, rates[layer]))
    return found


def burst_estimate(
    net: Network, x, target, values: Mapping[str, float], draws=None, *, cancelled: bool
) -> Change:
    """Return the change by bursts less expected bursts.

    Parameters
    ----------
    net : Network
    x, target : (seed, batch, n) arrays
    values : mapping
        ``p0``, ``slope``.
    draws
        Not used.
    cancelled : bool
        BurstCCN; else Burstprop.
    """
    rates = forward(net, x)
    p0, slope = values["p0"], values["slope"]
    after = burst_shares(net, rates, target - rates[-1], p0, slope, cancelled)
    if cancelled:
        before = [np.full_like(p, p0) for p in after]
    else:
        before = burst_shares(net, rates, None, p0, slope, cancelled)
    unit = slope * p0 * (1 - p0)
    errors = [(a - b) * r / unit for a, b, r in zip(after, before, rates[1:], strict=True)]
    return local_change(rates, errors)
