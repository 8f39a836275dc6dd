"""Membrane currents, one named object each, as Brian2 equations in textbook form.

Every current is written inward positive, per membrane area, on a potential called ``{v}``; rates
are per ms with potentials in mV. Conductance densities and reversal potentials are parameters of
the cell; kinetic constants are part of the current, with their source. ``{s}`` is the suffix of the
compartment ("" for the soma, "_d" for the dendrite).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CURRENTS", "Current"]

_DENSITY = "siemens/meter**2"


@dataclass(frozen=True)
class Current:
    """One membrane current.

    Attributes
    ----------
    name : str
        Its symbol, also the name of its Brian2 sub-expression before the compartment suffix.
    meaning, source : str
    template : str
        Brian2 equations with the placeholders ``{v}`` and ``{s}``.
    parameters : tuple of (str, str)
        Names and Brian2 units of the cell parameters it needs.
    """

    name: str
    meaning: str
    source: str
    template: str
    parameters: tuple[tuple[str, str], ...]

    def equations(self, v: str = "v", suffix: str = "") -> str:
        """Return the equations on the potential ``v`` of the compartment with ``suffix``."""
        return self.template.format(v=v, s=suffix)


_TRAUB_MILES = "Traub & Miles 1991; Pospischil et al. 2008, doi:10.1007/s00422-008-0263-8"
_HAY = "Hay et al. 2011, doi:10.1371/journal.pcbi.1002107"
_DESTEXHE_96 = "Destexhe et al. 1996, doi:10.1152/jn.1996.76.3.2049"

_ALL = (
    Current(
        "I_leak",
        "passive leak",
        "Ohm",
        "I_leak{s} = g_leak{s}*(E_leak - {v}) : amp/meter**2",
        (("g_leak{s}", _DENSITY), ("E_leak", "volt")),
    ),
    Current(
        "I_KL",
        "potassium leak that sets the firing mode; ACh, NA and mGluR1 lower it",
        "McCormick 1992, doi:10.1016/0301-0082(92)90012-4 [M]",
        "I_KL{s} = g_KL{s}*(E_K - {v}) : amp/meter**2",
        (("g_KL{s}", _DENSITY), ("E_K", "volt")),
    ),
    Current(
        "I_Na",
        "fast sodium current of the action potential",
        _TRAUB_MILES,
        """
        I_Na{s} = g_Na{s}*m{s}**3*h{s}*(E_Na - {v}) : amp/meter**2
        u{s} = ({v} - V_T)/mV : 1
        dm{s}/dt = alpha_m{s}*(1 - m{s}) - beta_m{s}*m{s} : 1
        dh{s}/dt = alpha_h{s}*(1 - h{s}) - beta_h{s}*h{s} : 1
        alpha_m{s} = 0.32*4/exprel((13 - u{s})/4)/ms : Hz
        beta_m{s} = 0.28*5/exprel((u{s} - 40)/5)/ms : Hz
        alpha_h{s} = 0.128*exp((17 - u{s})/18)/ms : Hz
        beta_h{s} = 4/(1 + exp((40 - u{s})/5))/ms : Hz
        """,
        (("g_Na{s}", _DENSITY), ("E_Na", "volt"), ("V_T", "volt")),
    ),
    Current(
        "I_Kd",
        "delayed-rectifier potassium current; uses u of I_Na",
        _TRAUB_MILES,
        """
        I_Kd{s} = g_Kd{s}*n{s}**4*(E_K - {v}) : amp/meter**2
        dn{s}/dt = alpha_n{s}*(1 - n{s}) - beta_n{s}*n{s} : 1
        alpha_n{s} = 0.032*5/exprel((15 - u{s})/5)/ms : Hz
        beta_n{s} = 0.5*exp((10 - u{s})/40)/ms : Hz
        """,
        (("g_Kd{s}", _DENSITY), ("E_K", "volt")),
    ),
    Current(
        "I_M",
        "slow muscarinic potassium current: spike-frequency adaptation",
        "Yamada et al. 1989; Pospischil et al. 2008, doi:10.1007/s00422-008-0263-8",
        """
        I_M{s} = g_M{s}*p{s}*(E_K - {v}) : amp/meter**2
        dp{s}/dt = (p_inf{s} - p{s})*rate_p{s} : 1
        p_inf{s} = 1/(1 + exp(-({v}/mV + 35)/10)) : 1
        rate_p{s} = (3.3*exp(({v}/mV + 35)/20) + exp(-({v}/mV + 35)/20))/tau_M_max : Hz
        """,
        (("g_M{s}", _DENSITY), ("E_K", "volt"), ("tau_M_max", "second")),
    ),
    Current(
        "I_Ca",
        "high-voltage-activated calcium current: the dendritic plateau behind a burst",
        "Reuveni et al. 1993, doi:10.1523/JNEUROSCI.13-11-04609.1993; as in " + _HAY,
        """
        I_Ca{s} = g_Ca{s}*q{s}**2*r{s}*(E_Ca - {v}) : amp/meter**2
        dq{s}/dt = alpha_q{s}*(1 - q{s}) - beta_q{s}*q{s} : 1
        dr{s}/dt = alpha_r{s}*(1 - r{s}) - beta_r{s}*r{s} : 1
        alpha_q{s} = 0.055*3.8/exprel((-27 - {v}/mV)/3.8)/ms : Hz
        beta_q{s} = 0.94*exp((-75 - {v}/mV)/17)/ms : Hz
        alpha_r{s} = 0.000457*exp((-13 - {v}/mV)/50)/ms : Hz
        beta_r{s} = 0.0065/(exp((-15 - {v}/mV)/28) + 1)/ms : Hz
        """,
        (("g_Ca{s}", _DENSITY), ("E_Ca", "volt")),
    ),
    Current(
        "calcium",
        "calcium pool fed by I_Ca",
        "Destexhe et al. 1993 shell; time constants " + _HAY,
        "dCa{s}/dt = f_Ca*I_Ca{s} - (Ca{s} - Ca_rest)/tau_Ca : mmolar",
        (
            ("f_Ca", "mmolar*meter**2/amp/second"),
            ("Ca_rest", "mmolar"),
            ("tau_Ca", "second"),
        ),
    ),
    Current(
        "I_SK",
        "calcium-activated potassium current: ends a burst and sets the interval to the next",
        "Koehler et al. 1996, doi:10.1126/science.273.5282.1709; as in " + _HAY,
        # a Hill function of order 4.8; with exp and log, since a loop with pow is not vectorised
        """
        I_SK{s} = g_SK{s}*z_SK{s}*(E_K - {v}) : amp/meter**2
        z_SK{s} = 1/(1 + exp(-4.8*log(Ca{s}/(0.43*umolar)))) : 1
        """,
        (("g_SK{s}", _DENSITY), ("E_K", "volt")),
    ),
    Current(
        "I_h",
        "hyperpolarisation-activated cation current of cortical dendrites",
        "Kole et al. 2006, doi:10.1523/JNEUROSCI.3664-05.2006; as in " + _HAY,
        """
        I_h{s} = g_h{s}*w_h{s}*(E_h - {v}) : amp/meter**2
        dw_h{s}/dt = alpha_w{s}*(1 - w_h{s}) - beta_w{s}*w_h{s} : 1
        alpha_w{s} = 0.001*6.43*11.9/exprel(({v}/mV + 154.9)/11.9)/ms : Hz
        beta_w{s} = 0.001*193*exp({v}/mV/33.1)/ms : Hz
        """,
        (("g_h{s}", _DENSITY), ("E_h", "volt")),
    ),
    Current(
        "I_T",
        "low-threshold calcium current of relay cells (also of LTS interneurons): rebound bursts",
        "Huguenard & McCormick 1992, doi:10.1152/jn.1992.68.4.1373; " + _DESTEXHE_96,
        """
        I_T{s} = g_T{s}*s_inf{s}**2*h_T{s}*(E_Ca - {v}) : amp/meter**2
        x_T{s} = ({v} + shift_T)/mV : 1
        s_inf{s} = 1/(1 + exp(-(x_T{s} + 57)/6.2)) : 1
        dh_T{s}/dt = (h_T_inf{s} - h_T{s})/tau_h_T{s} : 1
        h_T_inf{s} = 1/(1 + exp((x_T{s} + 81)/4)) : 1
        tau_h_T{s} = (30.8 + (211.4 + exp((x_T{s} + 113.2)/5))/(1 + exp((x_T{s} + 84)/3.2)))/3.737*ms : second
        """,  # noqa: E501
        (("g_T{s}", _DENSITY), ("E_Ca", "volt"), ("shift_T", "volt")),
    ),
    Current(
        "I_h_relay",
        "hyperpolarisation-activated cation current of relay cells",
        _DESTEXHE_96,
        """
        I_h{s} = g_h{s}*w_h{s}*(E_h - {v}) : amp/meter**2
        dw_h{s}/dt = (w_h_inf{s} - w_h{s})/tau_w_h{s} : 1
        w_h_inf{s} = 1/(1 + exp(({v}/mV + 75)/5.5)) : 1
        tau_w_h{s} = (20 + 1000/(exp(({v}/mV + 71.5)/14.2) + exp(-({v}/mV + 89)/11.6)))*ms : second
        """,
        (("g_h{s}", _DENSITY), ("E_h", "volt")),
    ),
    Current(
        "I_Ts",
        "low-threshold calcium current of reticular cells: long bursts",
        "Destexhe et al. 1994, doi:10.1152/jn.1994.72.2.803; " + _DESTEXHE_96,
        """
        I_Ts{s} = g_Ts{s}*m_Ts{s}**2*h_Ts{s}*(E_Ca - {v}) : amp/meter**2
        x_Ts{s} = {v}/mV + 2 : 1
        dm_Ts{s}/dt = (1/(1 + exp(-(x_Ts{s} + 50)/7.4)) - m_Ts{s})/tau_m_Ts{s} : 1
        dh_Ts{s}/dt = (1/(1 + exp((x_Ts{s} + 78)/5)) - h_Ts{s})/tau_h_Ts{s} : 1
        tau_m_Ts{s} = (3 + 1/(exp((x_Ts{s} + 25)/10) + exp(-(x_Ts{s} + 100)/15)))/3.0*ms : second
        tau_h_Ts{s} = (85 + 1/(exp((x_Ts{s} + 46)/4) + exp(-(x_Ts{s} + 405)/50)))/3.0*ms : second
        """,
        (("g_Ts{s}", _DENSITY), ("E_Ca", "volt")),
    ),
)  # fmt: skip

CURRENTS = {current.name: current for current in _ALL}
