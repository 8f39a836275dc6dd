"""Frameworks with explicit errors, targets or bursts against backpropagation and closed forms."""

import numpy as np
import pytest
from brian2.units import ms
from scipy.special import expit

from circuits.plasticity.rules.kinase import kinase
from circuits.rates.frameworks import framework
from circuits.rates.kinase import balanced_k_d, kernels, level_forms, read, trace_matrix
from circuits.rates.network import Draws, Network, backprop, draw, forward
from circuits.rates.predictive_coding import energies, infer, start_rates
from circuits.rates.settle import settle
from circuits.rates.target_propagation import targets

SEEDS = (1, 2)


def patterns(n_in=6, n_out=3, n=9):
    rng = np.random.default_rng(5)
    return rng.random((len(SEEDS), n, n_in)), rng.uniform(0.1, 0.9, (len(SEEDS), n, n_out))


def cosine(a, b):
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


@pytest.mark.parametrize(
    ("name", "changed", "sizes"),
    [
        ("predictive_coding", {"push": 0.01, "steps": 2000}, (6, 5, 5, 3)),
        ("burstccn", {"slope": 0.01}, (6, 5, 5, 3)),
    ],
)
def test_a_weak_error_gives_backpropagation(name, changed, sizes):
    x, target = patterns()
    net = draw(sizes, SEEDS)
    found = framework(name, changed).estimate(net, x, target, None)
    for a, b in zip(found.weights, backprop(net, x, target).weights, strict=True):
        assert cosine(a, b) > 0.999


def test_backpropagation_is_the_gradient():
    x, target = patterns()
    net = draw((6, 5, 3), SEEDS)
    found = backprop(net, x, target)
    way = np.random.default_rng(0).standard_normal((6, 5))

    def loss(step):
        moved = net.copy()
        moved.weights[0] += step * way
        return 0.5 * ((forward(moved, x)[-1] - target) ** 2).sum(-1).mean(-1)

    finite = -(loss(1e-5) - loss(-1e-5)) / 2e-5
    np.testing.assert_allclose((found.weights[0] * way).sum((1, 2)), finite, rtol=1e-6)


def test_inference_goes_down_the_energy_and_learning_too():
    x, target = patterns()
    net = draw((6, 5, 5, 3), SEEDS, precise=True)
    net.precision[1][...] = 2.0
    for skip in (False, True):
        rates = start_rates(net, x, skip)
        assert energies(net, rates, skip) == pytest.approx(0)
        rates[-1] = target
        before = energies(net, rates, skip).sum(-1)
        held = [True, False, False, True]
        settled = infer(net, rates, held, steps=300, rate=0.1, skip=skip)
        after = energies(net, settled, skip).sum(-1)
        assert (after < before).all()
        rule = framework("predictive_coding", {"steps": 300, "skip": skip})
        change = rule.estimate(net, x, target, None)
        moved = net.copy()
        for layer in range(net.depth):
            moved.weights[layer] += 1e-3 * change.weights[layer]
        assert (energies(moved, settled, skip).sum((1, 2)) < after.sum(1)).all()


def test_inference_holds_what_is_held():
    x, _ = patterns()
    net = draw((6, 5, 4), SEEDS)
    rates = start_rates(net, x)
    rates[-1] = np.full_like(rates[-1], 0.9)
    mask = np.zeros(rates[-1].shape, bool)
    mask[..., :2] = True
    found = infer(net, rates, [False, False, mask], steps=20, rate=0.1)
    np.testing.assert_array_equal(found[-1][..., :2], 0.9)
    assert (found[-1][..., 2:] != 0.9).all()
    assert (found[0] != x).any()


def test_sampling_has_the_variance_of_the_energy():
    net = Network([np.zeros((2, 1, 1))], [np.zeros((2, 1, 1))], precision=[np.full((2, 1, 1), 4.0)])
    rates = [np.zeros((2, 400, 1)), np.full((2, 400, 1), 0.5)]
    draws, record = Draws(SEEDS, 1), []
    infer(net, rates, [True, False], steps=600, rate=0.02, draws=draws, record=record)
    drawn = np.stack([r[1] for r in record[100:]])
    assert drawn.mean() == pytest.approx(0.5, abs=0.02)
    assert drawn.var() == pytest.approx(0.25, rel=0.06)  # the step adds rate * precision / 2


def test_precision_goes_to_the_inverse_of_the_squared_error():
    x, target = patterns()
    net = draw((6, 3), SEEDS, precise=True)
    rule = framework("predictive_coding", {"precision_lr": 0.5})
    error = target - forward(net, x)[-1]
    for _ in range(40):
        net.precision[0][...] = rule.estimate(net, x, target, None).precision[0]
    np.testing.assert_allclose(net.precision[0][:, 0], 1 / (error**2).mean(1), rtol=1e-6)


def test_targets_with_difference_stay_where_nothing_is_wrong():
    x, _ = patterns()
    net = draw((6, 5, 5, 3), SEEDS, back="random")
    rates = forward(net, x)
    for wanted, rate in zip(targets(net, rates, rates[-1], 0.5, True), rates[1:], strict=True):
        np.testing.assert_allclose(wanted, rate)
    plain = targets(net, rates, rates[-1], 0.5, False)
    assert not np.allclose(plain[0], rates[1])


def test_inverses_of_target_propagation_learn_to_reconstruct():
    x, target = patterns(n=40)
    net = draw((6, 8, 5), SEEDS, back="random")
    target = forward(net, x)[-1]
    rule, draws = framework("difference_target_propagation"), Draws(SEEDS, 4)

    def error():
        rates = forward(net, x)
        return np.abs(targets(net, rates, rates[-1], 0.5, False)[0] - rates[1]).mean()

    before = error()
    for _ in range(300):
        change = rule.estimate(net, x, target, draws)
        net.back[1] += 2 * change.back[1]
        net.back_biases[1] += 2 * change.back_biases[1]
    assert error() < 0.5 * before


def test_recirculation_follows_the_gradient_when_the_ways_are_transposed():
    x, _ = patterns()
    net = draw((6, 4), SEEDS, back="random")
    net.back[0][...] = np.swapaxes(net.weights[0], 1, 2)
    rule = framework("recirculation", {"regression": 0.95})
    change = rule.estimate(net, x, x, None)
    loop = Network([net.weights[0], net.back[0]], [net.biases[0], net.back_biases[0]])
    true = backprop(loop, x, x).weights
    assert cosine(change.back[0], true[1]) > 0.9
    assert cosine(change.weights[0], true[0]) > 0.5


def test_recirculation_by_hand():
    net = Network([np.full((1, 1, 1), 0.5)], [np.zeros((1, 1, 1))],
                  [np.full((1, 1, 1), -1.0)], [np.zeros((1, 1, 1))])  # fmt: skip
    change = framework("recirculation").estimate(net, np.full((1, 1, 1), 0.8), None, None)
    hidden = expit(0.5 * 0.8)
    seen = 0.75 * 0.8 + 0.25 * expit(-hidden)
    again = 0.75 * hidden + 0.25 * expit(0.5 * seen)
    assert change.weights[0].item() == pytest.approx(seen * (hidden - again))
    assert change.back[0].item() == pytest.approx(hidden * (0.8 - seen))


def values(**changed):
    return framework("kinase", changed).values


def test_the_kinases_are_those_of_the_circuit():
    circuit, chosen = kinase().table, values()
    for key in ("tau_x", "tau_y"):
        assert chosen[key] == float(circuit[key] / ms)
    for key in ("k_D", "theta"):
        assert chosen[key] == float(circuit[key])
    assert chosen["gate"] == kinase().gate_at(chosen["minus"] + chosen["plus"])


def test_the_kinase_kernel_is_a_derivative():
    p, d = kernels(values())
    half = len(p) // 2
    assert (p - d)[half:].sum() > 0 > (p - d)[:half].sum()
    late = kernels(values(gate=150.0))[0]
    assert np.flatnonzero(late)[-1] < np.flatnonzero(p)[-1]


def test_a_trace_approaches_its_rate():
    chosen = values(dt=1.0)
    found = trace_matrix(400, 30.0, chosen) @ np.ones(400)
    assert found[0] == pytest.approx(1 - np.exp(-0.5 / 30), rel=0.02)
    assert found[29:31].mean() == pytest.approx(1 - np.exp(-1), rel=0.01)
    np.testing.assert_allclose(trace_matrix(400, 30.0, chosen | {"onset": 0}) @ np.ones(400), 1)


def test_the_kinase_change_is_the_cascade_on_traces():
    rng, chosen = np.random.default_rng(1), values(k_D=1.2)
    x, y = rng.random((2, 40))
    levels = {"x": 0.0, "y": 0.0}
    state, step = np.zeros(3), 0.01  # calmodulin, CaMKII, DAPK1
    for n in range(round(chosen["gate"] / step)):
        k = int(n * step / chosen["dt"])
        levels["x"] += step * (x[k] - levels["x"]) / chosen["tau_x"]
        levels["y"] += step * (y[k] - levels["y"]) / chosen["tau_y"]
        m, p, d = state
        drive = levels["x"] * levels["y"]
        state = state + step * np.array([(drive - m) / 5, (m - p) / 40, (p - d) / 40])
    p, d = (x @ form @ y for form in level_forms(chosen)[0])
    np.testing.assert_allclose([p, d], state[1:], rtol=5e-3)
    assert read(p, d, chosen) == pytest.approx((p - 1.2 * d) / (p + d + 0.5))
    assert read(p, d, chosen | {"competes": 0}) == pytest.approx(p - 1.2 * d)


def test_balanced_kinases_do_nothing_at_the_onset_of_steady_rates():
    net = Network([np.zeros((1, 1, 1))] * 2, [np.zeros((1, 1, 1))] * 2)
    rule = framework("kinase", {"balanced": 1, "fall": 1.0})
    same = rule.estimate(net, np.ones((1, 1, 1)), np.full((1, 1, 1), 0.5), None).weights[1]
    plain = framework("kinase", {"fall": 1.0})
    other = plain.estimate(net, np.ones((1, 1, 1)), np.full((1, 1, 1), 0.5), None).weights[1]
    assert abs(same.item()) < 1e-3 < other.item()
    assert 1.05 < balanced_k_d(values()) < 1.5


def test_a_constant_activity_is_learned_only_from_silence():
    x, _ = patterns()
    net = draw((6, 5, 3), SEEDS)
    rates = settle(net, x, steps=200)
    for onset, low, high in ((0, -1e-6, 1e-6), (1, 0.02, 0.3)):
        rule = framework("kinase", {"onset": onset, "competes": 0})
        assert low < 1 - np.divide(*kernels(rule.values).sum(1)[::-1]) < high
        found = rule.estimate(net, x, rates[-1], None)
        for k in range(2):
            product = np.swapaxes(rates[k], 1, 2) @ rates[k + 1] / x.shape[1]
            assert (found.weights[k] > low * product).all()
            assert (found.weights[k] < high * product).all()


def test_bursts_without_cancellation_leave_the_middle_of_the_dendrite():
    x, target = patterns()
    net = draw((6, 5, 5, 3), SEEDS)
    true = backprop(net, x, target).weights[0]
    found = [
        cosine(framework(name, {"slope": 0.01}).estimate(net, x, target, None).weights[0], true)
        for name in ("burstprop", "burstccn")
    ]
    assert 0.99 < found[0] < 0.999 < found[1]
