"""Relay cells of the LGN: from luminance to firing rates.

ON and OFF centre-surround filters turn luminance into local contrast, a suppressive field divides
it by the contrast around it, and what is above threshold becomes a rate::

    n = c s / (c50 + c s_rms)          s: centre minus surround, s_rms: its local RMS, c: contrast
    rate = r_base + r_max [+-n - threshold]+

The division makes the rates nearly independent of contrast (Bonin, Mante & Carandini 2005); the
rectification follows the division, as in that paper. Parameters: ``lgn.toml``.

References
----------
Bonin, Mante & Carandini (2005), J Neurosci 25:10844, doi:10.1523/JNEUROSCI.0906-05.2005
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from cells.parameters import ParameterTable, load_tables
from circuits.stimuli.pictures import photograph

__all__ = ["centre_surround", "lgn_table", "relay_rate"]


_TABLE = Path(__file__).with_name("lgn.toml")


@functools.cache
def lgn_table() -> ParameterTable:
    """Return the parameters of the relay cells, ``lgn.toml``."""
    return load_tables(_TABLE)["LGN"]


def centre_surround(
    luminance: np.ndarray, spacing: float, table: ParameterTable | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Filter a picture with the receptive and the suppressive fields of relay cells.

    Parameters
    ----------
    luminance : (y, x) array
        Fraction of full scale.
    spacing : float
        Pixels per position.
    table : ParameterTable, optional
        Default `lgn_table`.

    Returns
    -------
    signal : (y, x) array
        Centre minus surround of the Weber contrast; positive drives ON cells, negative OFF cells.
    local : (y, x) array
        Its root mean square within the suppressive field (Bonin, Mante & Carandini 2005,
        doi:10.1523/JNEUROSCI.0906-05.2005).
    mean : (y, x) array
        Local mean luminance.
    """
    from skimage.filters import gaussian

    table = table or lgn_table()

    def blurred(picture, key):
        return gaussian(picture, float(table[key]) * spacing, mode="reflect")

    mean = blurred(luminance, "sigma_luminance")
    weber = (luminance - mean) / (mean + float(table["dark_light"]))
    surround = float(table["surround_strength"]) * blurred(weber, "sigma_surround")
    signal = blurred(weber, "sigma_centre") - surround
    local = np.sqrt(np.maximum(blurred(signal**2, "sigma_suppressive"), 0))
    return signal, local, mean


@functools.lru_cache(maxsize=32)
def filtered_photograph(name: str, spacing: int, table: ParameterTable):
    return centre_surround(photograph(name), spacing, table)


def relay_rate(
    signal: np.ndarray,
    local: np.ndarray | float,
    *,
    contrast: float = 1.0,
    polarity: str = "on",
    gain_control: bool = True,
    typical: float = 0.0,
    table: ParameterTable | None = None,
) -> np.ndarray:
    """Return the firing rate of relay cells.

    Parameters
    ----------
    signal, local : array
        From `centre_surround`, at full contrast.
    contrast : float
        Factor on both.
    polarity : {"on", "off"}
    gain_control : bool
        False divides by ``c50 + typical`` whatever the contrast.
    typical : float
        Local contrast that fixes the gain without gain control.
    table : ParameterTable, optional
        Default `lgn_table`.

    Returns
    -------
    array, Hz
    """
    table = table or lgn_table()
    sign = {"on": 1.0, "off": -1.0}[polarity]
    pooled = contrast * np.asarray(local) if gain_control else typical
    normalised = sign * contrast * np.asarray(signal) / (float(table["c50"]) + pooled)
    above = np.maximum(0.0, normalised - float(table["threshold"]))
    return float(table["r_base"]) + float(table["r_max"]) * above
