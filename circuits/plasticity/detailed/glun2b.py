"""The detailed synapse: two kinases compete for one site on the NMDA receptor.

Calcium enters a spine through NMDA receptors and voltage-gated channels, loads calmodulin, and
calmodulin starts a race for the GluN2B site:

* CaMKII binds calmodulin, then the site (potentiation); neighbours phosphorylate T286, which traps
  calmodulin; without calmodulin, T305/306 is phosphorylated and the kinase cannot bind again until
  it is dephosphorylated.
* calcineurin binds calmodulin and dephosphorylates S308 of DAPK1, which may then bind calmodulin
  and the same site (depression).

The AMPA receptors follow what is bound: bound CaMKII inserts them from a reserve, bound DAPK1
removes them.

`REACTIONS` defines the model once. `derivatives` is its right-hand side with free calcium as a
variable (the stiff reference), `brian2_equations` the same as Brian2 equations, and `respond` the
fast integrator for many synapses at once: free calcium is in quasi-steady state (its pump turns
over in 0.1 ms), calmodulin is moved by tabulated matrix exponentials and every binding step by the
closed form of its backward Euler step, so that mass is conserved and nothing becomes negative.

Rates are those of Urakubo et al. 2008 (doi:10.1523/JNEUROSCI.0951-07.2008) and its published
GluN2B extension (table ``published``); table ``fitted`` lists the few constants that were changed.
One well-mixed compartment stands for the postsynaptic density; PKA, the inhibitor of PP1, the
calcium sites of calcineurin and the calmodulin-dependent gating of the NMDA receptor are left out,
PP1 is constant. Kinases with calmodulin are one state each, whatever its calcium: in the source all
of them lose calmodulin at one rate. They bind it with three calcium ions and release it empty.

Findings (`run_detailed`, `sensitivity`; chi2 of "no change" 17.0). As published, the order of the
halves has no effect: at best chi2 16.8 with the best two gains. With ten fitted constants, fitted
to regular and to Poisson trains, the temporal derivative appears: chi2 1.2 regular, 1.8 with 5 ms
jitter (not fitted), 3.1 on 200 unseen Poisson trials, where depression is weaker (0.89). The lag
of DAPK1 behind CaMKII is calcineurin's; the sample at the end of the window is the site's: Ca3CaM,
brief at every coincidence, releases either kinase, and what binds next stays once calcium is gone.
Without that release a refit of the other constants leaves chi2 near 10. Every fitted constant may
change by 20 % without changing the order of the conditions; the level, not the order, hinges on
camkii_off, can_cat and k_S308, which decide the balance of the two kinases. What it cannot do:
four of the rates are 11 to 92 times the published ones and make both kinases forget within 0.1 s;
the level drifts with the length of the halves (50 ms: all up, 150 ms and longer: all lower; 25-50
stays above 50-25); calcium of spikes alone potentiates by 11 to 21 %; T286 and T305/306 are not
reached and change nothing.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from scipy.linalg import expm

from cells.parameters import InputError, ParameterTable, load_tables, nearest
from circuits.plasticity.detailed.nmda import nmda_calcium_force

__all__ = [
    "FITTED",
    "POOLS",
    "REACTIONS",
    "SPECIES",
    "TARGET",
    "Reaction",
    "Response",
    "brian2_equations",
    "calcium_influx",
    "derivatives",
    "respond",
    "resting_state",
    "synapse_table",
]


_TABLES = Path(__file__).parent / "tables" / "glun2b.toml"

TARGET = MappingProxyType(
    {"25-50": (1.42, 0.15), "50-25": (0.73, 0.10), "25-25": (1.12, 0.15), "50-50": (1.09, 0.08)}
)
"""Normalised EPSP, mean and SEM: Jang et al. 2026, doi:10.64898/2026.06.05.730489."""


FITTED: tuple[str | tuple[str, ...], ...] = (
    "camkii_off", "can_off", "can_cat", "k_S308", ("site_K_on", "site_D_on"), "exchange",
    ("site_K_off", "site_D_off"), "nmda_scale", "insert", "remove",
)  # fmt: skip
"""The fitted constants, ten; those in a tuple are one."""


@dataclass(frozen=True)
class Reaction:
    """One elementary reaction.

    Attributes
    ----------
    name : str
    rate : str
        Net forward rate (uM/s) of species and parameters.
    change : tuple of (str, int)
        Species and what one event adds to them.
    """

    name: str
    rate: str
    change: tuple[tuple[str, int], ...]


def _r(name, rate, **change) -> Reaction:
    return Reaction(name, rate, tuple(change.items()))


_ACTIVE = "(KC + KP + KA + SK + SKP)/CaMKII"
_T286 = (
    f"k_T286*0.75*{_ACTIVE}*clip({_ACTIVE}*(-0.22 + 1.826*{_ACTIVE} - 0.8*({_ACTIVE})**2), 0, 1)"
)

REACTIONS: tuple[Reaction, ...] = (
    _r("Ca + CaM", "cam1_on*Ca*CaM0 - cam1_off*CaM1", Ca=-1, CaM0=-1, CaM1=1),
    _r("Ca + CaCaM", "cam2_on*Ca*CaM1 - cam2_off*CaM2", Ca=-1, CaM1=-1, CaM2=1),
    _r("Ca + Ca2CaM", "cam3_on*Ca*CaM2 - cam3_off*CaM3", Ca=-1, CaM2=-1, CaM3=1),
    _r("CaMKII + CaM", "camkii_on*K*CaM3", K=-1, CaM3=-1, KC=1),
    _r("CaM leaves CaMKII", "camkii_off*KC", KC=-1, K=1, CaM0=1),
    _r("CaN + CaM", "can_on*CN*CaM3", CN=-1, CaM3=-1, NC=1),
    _r("CaM leaves CaN", "can_off*NC", NC=-1, CN=1, CaM0=1),
    _r("DAPK1 + CaM", "dapk_on*D*CaM3", D=-1, CaM3=-1, DC=1),
    _r("CaM leaves DAPK1", "dapk_off*DC", DC=-1, D=1, CaM0=1),
    _r("autonomous CaMKII + CaM", "camkii_on*KA*CaM3", KA=-1, CaM3=-1, KP=1),
    _r("CaM leaves T286-P", "trap_off*KP", KP=-1, KA=1, CaM0=1),
    _r("T286 phosphorylation", f"{_T286}*KC", KC=-1, KP=1),
    _r("T286 phosphorylation at the site", f"{_T286}*SK", SK=-1, SKP=1),
    _r("PP1 on T286", "k_PP1*KP", KP=-1, KC=1),
    _r("PP1 on T286 at the site", "k_PP1*SKP", SKP=-1, SK=1),
    _r("PP1 on free T286", "k_PP1*KA", KA=-1, K=1),
    _r("T305/306 phosphorylation", "k_T305*KA", KA=-1, KX=1),
    _r("T305/306 dephosphorylation", "k_PP305*KX", KX=-1, K=1),
    _r("CaN on S308", "can_cat*NC*DP/(can_Km + DP)", DP=-1, D=1),
    _r("S308 autophosphorylation", "k_S308*D", D=-1, DP=1),
    _r("S308 autophosphorylation with CaM", "k_S308*DC", DC=-1, DP=1, CaM0=1),
    _r("CaMKII binds the site", "site_K_on*S*KC", S=-1, KC=-1, SK=1),
    _r("CaMKII-P binds the site", "site_K_on*S*KP - site_KP_off*SKP", S=-1, KP=-1, SKP=1),
    _r("DAPK1 binds the site", "site_D_on*S*DC", S=-1, DC=-1, SD=1),
    _r("CaM-driven release of CaMKII", "exchange*CaM3*SK", SK=-1, S=1, KC=1),
    _r("CaM-driven release of CaMKII-P", "exchange*CaM3*SKP", SKP=-1, S=1, KP=1),
    _r("CaM-driven release of DAPK1", "exchange*CaM3*SD", SD=-1, S=1, DC=1),
    _r("CaMKII loses CaM and leaves", "site_K_off*SK", SK=-1, S=1, K=1, CaM0=1),
    _r("DAPK1 loses CaM and leaves", "site_D_off*SD", SD=-1, S=1, D=1, CaM0=1),
    _r("AMPA insertion", "insert*(SK + SKP)*B - remove*SD*A", A=1, B=-1),
    _r("constitutive removal of AMPA", "basal*A", A=-1, B=1),
)  # fmt: skip
"""All reactions; A and B (synaptic and reserve AMPA receptors) are relative to A at rest."""

SPECIES: tuple[str, ...] = tuple(
    dict.fromkeys(name for reaction in REACTIONS for name, _ in reaction.change)
)

POOLS = MappingProxyType(
    {
        "CaM": ("CaM0", "CaM1", "CaM2", "CaM3", "KC", "KP", "NC", "DC", "SK", "SKP", "SD"),
        "CaMKII": ("K", "KC", "KP", "KA", "KX", "SK", "SKP"),
        "CaN": ("CN", "NC"),
        "DAPK1": ("DP", "D", "DC", "SD"),
        "GluN2B": ("S", "SK", "SKP", "SD"),
        "AMPA": ("A", "B"),
    }
)
"""Conserved totals: parameter (uM; AMPA: 1 + reserve) and the species that carry it."""


def synapse_table(variant: str = "fitted", **values) -> ParameterTable:
    """Return the parameters of the detailed synapse.

    Parameters
    ----------
    variant : {"fitted", "published"}
        ``published``: rates as listed, nothing fitted. ``fitted``: the same with the rows of the
        table ``fitted`` in place of the published ones.
    **values
        Parameters to change.

    Returns
    -------
    ParameterTable

    Raises
    ------
    InputError
        For an unknown variant or parameter, or a negative value.
    """
    found = load_tables(_TABLES)
    if variant not in found:
        raise InputError(f"{_TABLES.name}: no table '{variant}'{nearest(variant, found)}")
    table = found["published"]
    if variant != "published":
        rows = {p.name: p for p in found[variant].parameters}
        for name in rows:
            table.parameter(name)
        table = replace(
            table, name=variant, parameters=tuple(rows.get(p.name, p) for p in table.parameters)
        )
    table = table.with_values(**values)
    for p in table.parameters:
        if p.name != "V_rest" and not (np.isfinite(p.value) and p.value >= 0):
            raise InputError(f"{_TABLES.name}: [{table.name}] {p.name} = {p.value:g}: must be >= 0")
    return table


def values_of(parameters: ParameterTable | Mapping | None) -> dict:
    if parameters is None:
        parameters = synapse_table()
    if isinstance(parameters, ParameterTable):
        return {p.name: p.value for p in parameters.parameters}
    return dict(parameters)


def _compiled():
    namespace = {"clip": np.clip}
    return [(eval(f"lambda v: {_lookup(r.rate)}", namespace), r.change) for r in REACTIONS]


def _lookup(expression: str) -> str:
    return re.sub(r"\b(?!clip\b)[A-Za-z_]\w*\b", lambda m: f"v['{m.group()}']", expression)


_RATES = _compiled()


def derivatives(y: np.ndarray, influx, parameters=None) -> np.ndarray:
    """Return dy/dt of the full model, free calcium included.

    Parameters
    ----------
    y : (species, ...) array, uM
        In the order of `SPECIES`; A and B relative.
    influx : float or array, uM/s
        Calcium influx through the membrane.
    parameters : ParameterTable, optional

    Returns
    -------
    (species, ...) array, uM/s
    """
    v = values_of(parameters)
    v.update(zip(SPECIES, y, strict=True))
    out = {name: np.zeros_like(y[0]) for name in SPECIES}
    for rate, change in _RATES:
        r = rate(v)
        for name, n in change:
            out[name] = out[name] + n * r
    out["Ca"] = out["Ca"] + influx + v["pump"] * (v["Ca_rest"] - v["Ca"])
    return np.stack([out[name] for name in SPECIES])


def brian2_equations(influx: str = "influx : mmolar/second") -> str:
    """Return the model as Brian2 equations, concentrations in molar.

    Parameters
    ----------
    influx : str
        Definition of ``influx`` [concentration/time].

    Returns
    -------
    str
        Use with the namespace ``dict(synapse_table())`` and a step of at most 0.02 ms.
    """
    lines = [influx]
    terms: dict[str, list[str]] = {name: [] for name in SPECIES}
    for k, reaction in enumerate(REACTIONS):
        relative = "A" in dict(reaction.change)
        unit = "hertz" if relative else "mmolar/second"
        lines.append(f"rate_{k} = {reaction.rate} : {unit}")
        for name, n in reaction.change:
            terms[name].append(f"{n:+d}*rate_{k}")
    terms["Ca"].append("+ influx + pump*(Ca_rest - Ca)")
    for name, parts in terms.items():
        unit = "1" if name in "AB" else "mmolar"
        lines.append(f"d{name}/dt = {' '.join(parts)} : {unit}")
    return "\n".join(lines)


def _bind(a, b, c, on, off, h):
    """Backward Euler step of a + b <-> c, in closed form."""
    a_all, b_all = a + c, b + c
    k = on * h
    p = 1.0 + off * h + k * (a_all + b_all)
    q = c + k * a_all * b_all
    c = 2.0 * q / (p + np.sqrt(np.maximum(p * p - 4.0 * k * q, 0.0)))
    return a_all - c, b_all - c, c


_CA_LOW, _CA_HIGH, _CA_N = np.log(1e-3), np.log(1e3), 1600


@lru_cache(maxsize=32)
def _calmodulin(rates: tuple[float, ...], h: float) -> np.ndarray:
    """Propagators of calmodulin over h (s) at fixed calcium, on a logarithmic grid of calcium."""
    on, off = rates[0::2], rates[1::2]
    out = np.empty((_CA_N, 4, 4))
    for i, ca in enumerate(np.exp(np.linspace(_CA_LOW, _CA_HIGH, _CA_N))):
        m = np.zeros((4, 4))
        for k in range(3):
            m[k + 1, k] += on[k] * ca
            m[k, k] -= on[k] * ca
            m[k, k + 1] += off[k]
            m[k + 1, k + 1] -= off[k]
        out[i] = expm(m * h)
    return out


class _Synapses:
    """State of many synapses and their step."""

    def __init__(self, values: Mapping, n: int):
        self.v = v = values
        one = np.ones(n)
        self.cam = np.zeros((4, n))
        self.cam[0] = v["CaM"]
        for name in SPECIES:
            if not name.startswith("Ca"):
                setattr(self, name, 0.0 * one)
        self.K, self.CN, self.DP = v["CaMKII"] * one, v["CaN"] * one, v["DAPK1"] * one
        self.S, self.A = v["GluN2B"] * one, one.copy()
        self.Ca = v["Ca_rest"] * one
        self.rates = tuple(
            float(v[k])
            for k in ("cam1_on", "cam1_off", "cam2_on", "cam2_off", "cam3_on", "cam3_off")
        )

    def step(self, influx, h: float) -> None:
        """Advance by h (s) with a constant calcium influx (uM/s)."""
        v, m = self.v, self.cam
        self.Ca = (
            influx + v["pump"] * v["Ca_rest"]
            + v["cam1_off"] * m[1] + v["cam2_off"] * m[2] + v["cam3_off"] * m[3]
        )  # fmt: skip
        self.Ca = self.Ca / (
            v["pump"] + v["cam1_on"] * m[0] + v["cam2_on"] * m[1] + v["cam3_on"] * m[2]
        )
        x = (np.log(self.Ca) - _CA_LOW) * ((_CA_N - 1) / (_CA_HIGH - _CA_LOW))
        index = np.clip(np.rint(x), 0, _CA_N - 1).astype(np.intp)
        m = (_calmodulin(self.rates, h)[index] * m.T[:, None, :]).sum(2).T
        free = m[3]
        K, free, KC = _bind(self.K, free, self.KC, v["camkii_on"], 0.0, h)
        f = _share(v["camkii_off"], h)
        K, KC, empty = K + f * KC, KC - f * KC, m[0] + f * KC
        CN, free, NC = _bind(self.CN, free, self.NC, v["can_on"], 0.0, h)
        f = _share(v["can_off"], h)
        CN, NC, empty = CN + f * NC, NC - f * NC, empty + f * NC
        D, free, DC = _bind(self.D, free, self.DC, v["dapk_on"], 0.0, h)
        f = _share(v["dapk_off"], h)
        D, DC, empty = D + f * DC, DC - f * DC, empty + f * DC
        KA, free, KP = _bind(self.KA, free, self.KP, v["camkii_on"], 0.0, h)
        f = _share(v["trap_off"], h)
        KA, KP, empty = KA + f * KP, KP - f * KP, empty + f * KP
        S, SK, SKP, SD, KX, DP = self.S, self.SK, self.SKP, self.SD, self.KX, self.DP

        active = (KC + KP + KA + SK + SKP) / np.maximum(v["CaMKII"], 1e-12)
        shape = np.clip(active * (-0.22 + 1.826 * active - 0.8 * active * active), 0, 1)
        f = _share(v["k_T286"] * 0.75 * active * shape, h)
        KC, KP = KC - f * KC, KP + f * KC
        SK, SKP = SK - f * SK, SKP + f * SK
        f = _share(v["k_PP1"], h)
        KP, KC = KP - f * KP, KC + f * KP
        SKP, SK = SKP - f * SKP, SK + f * SKP
        KA, K = KA - f * KA, K + f * KA
        f = _share(v["k_T305"], h)
        KA, KX = KA - f * KA, KX + f * KA
        f = _share(v["k_PP305"], h)
        KX, K = KX - f * KX, K + f * KX
        f = _share(v["can_cat"] * NC / (v["can_Km"] + DP), h)
        DP, D = DP - f * DP, D + f * DP
        f = _share(v["k_S308"], h)
        D, DP = D - f * D, DP + f * D
        DC, DP, empty = DC - f * DC, DP + f * DC, empty + f * DC

        release = v["exchange"] * free
        S, KC, SK = _bind(S, KC, SK, v["site_K_on"], release, h)
        S, KP, SKP = _bind(S, KP, SKP, v["site_K_on"], v["site_KP_off"] + release, h)
        S, DC, SD = _bind(S, DC, SD, v["site_D_on"], release, h)
        d = _share(v["site_K_off"], h) * SK
        SK, S, K, empty = SK - d, S + d, K + d, empty + d
        d = _share(v["site_D_off"], h) * SD
        SD, S, D, empty = SD - d, S + d, D + d, empty + d

        up, down = v["insert"] * (SK + SKP), v["remove"] * SD + v["basal"]
        total = up + down + 1e-30
        goal = (1.0 + v["reserve"]) * up / total
        self.A = goal + (self.A - goal) * np.exp(-total * h)
        m[0], m[3] = empty, free
        self.cam = m
        self.K, self.KC, self.KP, self.KA, self.KX = K, KC, KP, KA, KX
        self.CN, self.NC, self.DP, self.D, self.DC = CN, NC, DP, D, DC
        self.S, self.SK, self.SKP, self.SD = S, SK, SKP, SD

    def rest(self) -> None:
        """Bring the synapse to rest, and its AMPA receptors into balance there."""
        zero = np.zeros_like(self.A)
        for h, n in ((1.0, 100), (0.1, 150), (0.01, 1000), (0.005, 3000)):
            for _ in range(n):
                self.step(zero, h)
        v = self.v
        up, down = v["insert"] * (self.SK + self.SKP), v["remove"] * self.SD
        self.v = {**v, "basal": np.maximum(up * v["reserve"] - down, 0.0)}
        self.A = np.ones_like(self.A)

    def vector(self) -> np.ndarray:
        """Return all species in the order of `SPECIES`."""
        named = dict(
            zip(("CaM0", "CaM1", "CaM2", "CaM3"), self.cam, strict=True),
            B=1.0 + self.v["reserve"] - self.A,
        )
        return np.stack([named[s] if s in named else getattr(self, s) for s in SPECIES])


def _share(rate, h):
    return -np.expm1(-rate * h)


@lru_cache(maxsize=8)
def _rested_one(items: tuple[tuple[str, float], ...]) -> _Synapses:
    synapse = _Synapses(dict(items), 1)
    synapse.rest()
    return synapse


def _rested(v: Mapping, n: int) -> _Synapses:
    """Synapses at rest; one is enough where all have the same constants."""
    if any(np.ndim(x) for x in v.values()):
        synapse = _Synapses(v, n)
        synapse.rest()
        return synapse
    synapse = copy.copy(_rested_one(tuple((k, float(x)) for k, x in v.items())))
    for name, x in vars(synapse).items():
        if isinstance(x, np.ndarray):
            setattr(synapse, name, np.repeat(x, n, axis=-1))
    synapse.v = {**synapse.v, "basal": float(synapse.v["basal"][0])}
    return synapse


def resting_state(parameters=None) -> np.ndarray:
    """Return the state at rest, (species,) uM, in the order of `SPECIES`."""
    return _rested(values_of(parameters), 1).vector()[:, 0]


def _nmda_matrices(v, dt):
    """Propagator over dt (ms) and spike map of the states N1, N2, N3, desensitised, open."""
    a = np.zeros((5, 5))
    for i, j, k in (
        (1, 0, "nmda_off1"), (2, 1, "nmda_off2"), (2, 3, "nmda_des"), (3, 2, "nmda_res"),
        (2, 4, "nmda_open"), (4, 2, "nmda_close"),
    ):  # fmt: skip
        a[j, i] += v[k]
        a[i, i] -= v[k]
    e1, e2 = np.exp(-v["nmda_on1"] * v["glutamate"]), np.exp(-v["nmda_on2"] * v["glutamate"])
    f = v["nmda_on1"] / (v["nmda_on2"] - v["nmda_on1"]) * (e1 - e2)
    spike = np.eye(5)
    spike[:3, 0] = e1, f, 1 - e1 - f
    spike[1:3, 1] = e2, 1 - e2
    return expm(a * dt * 1e-3), spike


def _counts(times, n_bins: int, dt: float) -> np.ndarray:
    out = np.zeros((n_bins, len(times)))
    for i, row in enumerate(times):
        row = np.asarray(row, dtype=float)
        k = np.rint(row[np.isfinite(row)] / dt).astype(int)
        np.add.at(out[:, i], k[(k >= 0) & (k < n_bins)], 1)
    return out


def calcium_influx(pre, post, *, duration: float, dt: float = 0.5, force=None, parameters=None):
    """Return the calcium influx of each synapse.

    Parameters
    ----------
    pre, post : sequence of arrays, ms
        Spike times of each synapse; infinities are skipped.
    duration, dt : float, ms
    force : (bin, synapse) array, mV, optional
        Driving force of NMDA calcium from a simulated dendrite (`nmda_calcium_force`). Without it
        each postsynaptic spike brings a back-propagating action potential of fixed shape and each
        presynaptic spike an EPSP.
    parameters : ParameterTable, optional

    Returns
    -------
    (bin, synapse) array, uM/s
    """
    v = values_of(parameters)
    n_bins = round(duration / dt)
    a, b = _counts(pre, n_bins, dt) > 0, _counts(post, n_bins, dt)
    move, spike = _nmda_matrices(v, dt)
    n = a.shape[1]
    state = np.zeros((5, n))
    state[0] = 1.0
    opened = np.empty((n_bins, n))
    vgcc = np.zeros(n)
    pulse = np.empty((n_bins, n))
    decay = np.exp(-dt / v["vgcc_tau"])
    potential = None
    if force is None:
        names = ("bap_fast", "bap_slow", "epsp_rise", "epsp_decay")
        fast, slow, rise, fall = (np.exp(-dt / v[k]) for k in names)
        x_f, x_s, x_r, x_d = np.zeros((4, n))
        tr, td = v["epsp_rise"], v["epsp_decay"]
        peak = (tr / td) ** (tr / (td - tr)) - (tr / td) ** (td / (td - tr))
        potential = np.empty((n_bins, n))
    for k in range(n_bins):
        state = move @ state
        if a[k].any():
            state = np.where(a[k], spike @ state, state)
        opened[k] = state[4]
        vgcc = vgcc + b[k]
        pulse[k] = vgcc
        vgcc = vgcc * decay
        if potential is not None:
            hit = b[k] > 0
            x_f, x_s = np.where(hit, 1.0, x_f), np.where(hit, 1.0, x_s)
            x_r, x_d = x_r + a[k], x_d + a[k]
            w = v["bap_slow_share"]
            potential[k] = (
                v["V_rest"] + v["bap"] * ((1 - w) * x_f + w * x_s) + v["epsp"] * (x_d - x_r) / peak
            )
            x_f, x_s, x_r, x_d = x_f * fast, x_s * slow, x_r * rise, x_d * fall
    force = nmda_calcium_force(potential) if force is None else np.asarray(force)[:n_bins]
    return v["nmda_Ca"] * v["nmda_scale"] * opened * force + v["vgcc_Ca"] * v["pump"] * pulse


@dataclass(frozen=True, eq=False)
class Response:
    """What `respond` returns.

    Attributes
    ----------
    epsp : (synapse,) array
        AMPA conductance after the protocol over that before.
    time : (bin,) array, ms
    traces : dict of str to (bin, synapse) array, uM
        The species that were asked for.
    """

    epsp: np.ndarray
    time: np.ndarray
    traces: Mapping[str, np.ndarray]


def respond(
    pre,
    post,
    *,
    duration: float | None = None,
    dt: float = 0.5,
    force=None,
    parameters=None,
    record: Sequence[str] = (),
    settle: float = 5000.0,
) -> Response:
    """Return how synapses change under pre- and postsynaptic spikes.

    Parameters
    ----------
    pre, post : sequence of arrays, ms
        Spike times of each synapse.
    duration : float, ms, optional
        200 ms after the last spike by default.
    dt : float, ms
        Step. In silence (no spike of any synapse for 100 ms) steps of 5 ms are taken.
    force : (bin, synapse) array, mV, optional
        See `calcium_influx`.
    parameters : ParameterTable, optional
    record : sequence of str
        Species to record at every ``dt``; ``"CaM"`` is calmodulin with three calcium ions.
    settle : float, ms
        Silence after the protocol before the EPSP is read, in which bound kinases go on acting.

    Returns
    -------
    Response
    """
    v = values_of(parameters)
    if duration is None:
        last = [np.max(np.asarray(r)[np.isfinite(r)], initial=0.0) for r in (*pre, *post)]
        duration = float(max(last)) + 200.0
    if force is not None:
        duration = min(duration, np.asarray(force).shape[0] * dt)
    influx = calcium_influx(pre, post, duration=duration, dt=dt, force=force, parameters=v)
    n_bins, n = influx.shape
    busy = (_counts(pre, n_bins, dt) + _counts(post, n_bins, dt)).any(1)
    synapse = _rested(v, n)
    traces = {name: np.empty((n_bins, n)) for name in record}
    long = round(5.0 / dt)
    wait = round(100.0 / dt)
    last = np.maximum.accumulate(np.where(busy, np.arange(n_bins), -wait - 1))
    k = 0
    while k < n_bins:
        size = 1
        if k - last[k] > wait and k + long <= n_bins and not busy[k : k + long].any():
            size = long
        synapse.step(influx[k : k + size].mean(0), size * dt * 1e-3)
        for name, trace in traces.items():
            trace[k : k + size] = synapse.cam[3] if name == "CaM" else getattr(synapse, name)
        k += size
    for _ in range(round(settle / 5.0)):
        synapse.step(np.zeros(n), 0.005)
    return Response(synapse.A, (np.arange(n_bins) + 1) * dt, traces)
