"""Calcium through NMDA receptors."""

from __future__ import annotations

import numpy as np


def nmda_calcium_force(v):
    """Return block times driving force of NMDA calcium at ``v`` (mV), in mV.

    ``-v / ((1 - exp(0.0756 v)) (1 + 0.4202 exp(-0.062 v)))``: Jahr & Stevens 1990
    (doi:10.1523/JNEUROSCI.10-09-03178.1990) with 1.5 mM magnesium, and the driving force of
    Urakubo et al. 2008 (doi:10.1523/JNEUROSCI.0951-07.2008).
    """
    from scipy.special import exprel

    v = np.asarray(v, dtype=float)
    return 1.0 / (0.0756 * exprel(0.0756 * v) * (1.0 + 0.4202 * np.exp(-0.062 * v)))
