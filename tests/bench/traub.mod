: Sodium and potassium currents of Traub & Miles 1991, as in NEST's hh_cond_exp_traub
NEURON {
    SUFFIX traub
    USEION na READ ena WRITE ina
    USEION k READ ek WRITE ik
    RANGE gnabar, gkbar, vt
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { gnabar = 0.1 (S/cm2) gkbar = 0.03 (S/cm2) vt = -63 (mV) }
ASSIGNED { v (mV) ena (mV) ek (mV) ina (mA/cm2) ik (mA/cm2) minf mtau (ms) hinf htau (ms) ninf ntau (ms) }
STATE { m h n }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ina = gnabar*m*m*m*h*(v - ena)
    ik = gkbar*n*n*n*n*(v - ek)
}
INITIAL { rates(v)  m = minf  h = hinf  n = ninf }
DERIVATIVE states {
    rates(v)
    m' = (minf - m)/mtau
    h' = (hinf - h)/htau
    n' = (ninf - n)/ntau
}
FUNCTION xexp(x, y) {
    if (fabs(x/y) < 1e-6) { xexp = y*(1 - x/y/2) } else { xexp = x/(exp(x/y) - 1) }
}
PROCEDURE rates(v) {
    LOCAL u, a, b
    u = v - vt
    a = 0.32*xexp(13 - u, 4)  b = 0.28*xexp(u - 40, 5)
    mtau = 1/(a + b)  minf = a/(a + b)
    a = 0.128*exp((17 - u)/18)  b = 4/(1 + exp((40 - u)/5))
    htau = 1/(a + b)  hinf = a/(a + b)
    a = 0.032*xexp(15 - u, 5)  b = 0.5*exp((10 - u)/40)
    ntau = 1/(a + b)  ninf = a/(a + b)
}
