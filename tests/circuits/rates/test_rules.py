"""The phase-based rules against what they must be equal to."""

import numpy as np
import pytest

from circuits.rates.boltzmann import enumerated, sample
from circuits.rates.frameworks import framework
from circuits.rates.network import Draws, Network, draw
from circuits.rates.phases import falls_short, mirrored, settled_gradient
from circuits.rates.rules import chl, generec, midpoint, symmetric
from circuits.rates.settle import CLAMPED, settle
from circuits.rates.tasks import Task
from circuits.rates.train import Training, train

SEEDS = (1, 2, 3)


def network(sizes=(6, 5, 4, 3), feedback=1.0, gain=2.0):
    net = draw(sizes, SEEDS, feedback=feedback)
    for w in net.weights:
        w *= gain
    return net


def patterns(n_in, n_out, n=7):
    rng = np.random.default_rng(5)
    return rng.random((len(SEEDS), n, n_in)), rng.uniform(0.1, 0.9, (len(SEEDS), n, n_out))


def loss(net, x, target):
    return 0.5 * ((settle(net, x, steps=4000)[-1] - target) ** 2).sum(-1).mean(-1)


@pytest.mark.parametrize("feedback", [1.0, 0.4])
def test_equilibrium_propagation_is_the_gradient_of_the_settled_loss(feedback):
    net = network(feedback=feedback)
    x, target = patterns(6, 3)
    found = settled_gradient(net, x, target, steps=4000)
    rng = np.random.default_rng(0)
    for layer in range(net.depth):
        way = rng.standard_normal(net.weights[layer].shape[1:])
        slope = []
        for step in (1e-4, -1e-4):
            moved = net.copy()
            moved.weights[layer] += step * way
            slope.append(loss(moved, x, target))
        finite = -(slope[0] - slope[1]) / 2e-4
        np.testing.assert_allclose((found.weights[layer] * way).sum((1, 2)), finite, rtol=1e-4)


def test_contrastive_hebbian_learning_is_equilibrium_propagation_with_a_strong_nudge():
    net, (x, target) = network(), patterns(6, 3)
    clamped = framework("chl", {"steps": 3000}).estimate(net, x, target, None)
    gaps = []
    for beta in (10.0, 1000.0):
        rule = framework("ep", {"beta": beta, "sides": 1, "steps": 3000})
        nudged = rule.estimate(net, x, target, None)
        gaps.append(max(
            np.abs(beta * a - b).max() / np.abs(b).max()
            for a, b in zip(nudged.weights, clamped.weights, strict=True)
        ))  # fmt: skip
    assert gaps[1] < 0.01 < gaps[0]


def test_generec_is_the_delta_rule_at_the_output():
    net, (x, target) = network(), patterns(6, 3)
    found = framework("generec").estimate(net, x, target, None)
    minus = settle(net, x)
    delta = np.swapaxes(minus[-2], 1, 2) @ (target - minus[-1]) / x.shape[1]
    np.testing.assert_allclose(found.weights[-1], delta, rtol=1e-12)
    np.testing.assert_array_equal(found.output, minus[-1])


def test_the_rules_of_the_family_are_means_of_one_another():
    rng = np.random.default_rng(1)
    p0, p1 = rng.random((2, 2, 5, 3))
    q0, q1 = rng.random((2, 2, 5, 4))
    back = np.swapaxes(midpoint(q0, p0, q1, p1), 1, 2)
    np.testing.assert_allclose(chl(p0, q0, p1, q1), midpoint(p0, q0, p1, q1) + back)
    both = (generec(p0, q0, p1, q1) + np.swapaxes(generec(q0, p0, q1, p1), 1, 2)) / 2
    np.testing.assert_allclose(symmetric(p0, q0, p1, q1), both)
    assert not np.allclose(chl(p0, q0, p1, q1), 2 * both)


def test_a_clamp_on_both_sides_is_nearer_to_the_gradient_than_one_on_one_side():
    net, (x, target) = network(gain=4.0), patterns(6, 3)
    true = settled_gradient(net, x, target).weights[0]

    def cosine(**changed):
        found = framework("chl", changed).estimate(net, x, target, None).weights[0]
        return (found * true).sum() / np.sqrt((found**2).sum() * (true**2).sum())

    assert cosine(sides=2) > cosine(sides=1)


def test_an_outcome_that_falls_short_takes_nothing_from_what_rises():
    minus, target = np.array([[[0.8, 0.2]]]), np.array([[[0.0, 1.0]]])
    np.testing.assert_allclose(falls_short(minus, target, 0.75), [[[0.2, 1.0]]])
    np.testing.assert_array_equal(falls_short(minus, target, 1.0), target)
    np.testing.assert_allclose(mirrored(minus, np.array([[[0.7, 0.5]]])), [[[0.9, 0.0]]])


def test_feedback_that_follows_the_weights_becomes_their_transpose():
    net = draw((6, 5, 3), SEEDS, back="learned")
    x, target = patterns(6, 3)
    task = Task(x, target, x, target, classes=False)
    gap = [np.abs(net.back[1] - np.swapaxes(net.weights[1], 1, 2)).max()]
    train(net, framework("chl"), task, Training(epochs=150, batch=0, lr=1.0, decay=0.02), SEEDS)
    gap.append(np.abs(net.back[1] - np.swapaxes(net.weights[1], 1, 2)).max())
    assert gap[1] < 0.1 * gap[0]
    assert np.abs(net.weights[1]).max() > 0.1


def test_a_network_that_is_right_stops_learning():
    x, target = patterns(6, 3)
    net, rule = draw((6, 8, 3), SEEDS), framework("backprop")
    task = Task(x, np.round(target), x, target, classes=False)
    options = {"batch": 0, "lr": 8.0, "until": True}
    epochs = train(net, rule, task, Training(epochs=2000, **options), SEEDS)["epochs"]
    assert (epochs < 2000).all() and len(set(epochs)) > 1
    alone = draw((6, 8, 3), SEEDS[:1])
    first = Task(x[:1], task.target[:1], x[:1], x[:1], classes=False)
    train(alone, rule, first, Training(epochs=int(epochs[0]), **options), SEEDS[:1])
    np.testing.assert_allclose(net.weights[0][:1], alone.weights[0])


def test_each_seed_is_alone():
    one = draw((6, 5, 3), SEEDS[1:2])
    x, target = patterns(6, 3)
    all_of_them = framework("kinase").estimate(draw((6, 5, 3), SEEDS), x, target, None)
    alone = framework("kinase").estimate(one, x[1:2], target[1:2], None)
    np.testing.assert_allclose(all_of_them.weights[0][1:2], alone.weights[0])


def test_the_sampled_machine_has_the_statistics_of_the_enumerated_one():
    net = network((3, 4, 3), gain=1.5)
    x = (np.random.default_rng(2).random((3, 2, 3)) < 0.5).astype(float)
    target = (np.random.default_rng(3).random((3, 2, 3)) < 0.5).astype(float)
    for clamp in (None, target):
        products, means = sample(net, x, clamp, Draws(SEEDS, 0), burn=50, count=8000)
        exact_products, exact_means = enumerated(net, x, clamp)
        for a, b in zip([*products, *means], [*exact_products, *exact_means], strict=True):
            np.testing.assert_allclose(a, b, atol=0.03)


def test_enumeration_agrees_with_two_units_by_hand():
    net = Network([np.full((1, 1, 1), 0.7)], [np.full((1, 1, 1), -0.3)])
    products, means = enumerated(net, np.ones((1, 1, 1)))
    assert means[1].item() == pytest.approx(1 / (1 + np.exp(-0.4)))
    assert products[0].item() == pytest.approx(means[1].item())


def test_a_clamped_output_stays_where_it_is():
    net, (x, target) = network(), patterns(6, 3)
    np.testing.assert_array_equal(settle(net, x, target, CLAMPED)[-1], target)
