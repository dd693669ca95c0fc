"""Training as in the labs: their process, a rate that waits, dropout, batch norms, going on."""

from dataclasses import replace

import numpy as np
import pytest
from train_cases import assert_equal, state
from train_cases import config as tiny

import tinydiff as td
from tinydiff.data import load
from tinydiff.diffusion import bound, schedules
from tinydiff.diffusion.process import Process
from tinydiff.optim import AdamW
from tinydiff.parameter import Parameter
from tinydiff.train import checkpoint
from tinydiff.train.build import SCHEDULES, build, lab_repaired, open_run
from tinydiff.train.config import Config
from tinydiff.train.loop import train
from tinydiff.train.plateau import Plateau
from tinydiff.train.presets import find
from tinydiff.train.shards import Shards
from tinydiff.train.trainer import Trainer

LAB = Config(
    name="tiny-lab", data="gmm", model="transformer", schedule="lab", times="uniform", T=20,
    net={"d": 8, "heads": 2, "blocks": 1, "dropout": 0.3}, predicts="eps", steps=7, batch=20,
    lr=1e-2, decay="plateau", warmup=0, ema=0.5, log_every=2, save_every=3, sample_steps=3,
)  # fmt: skip
DROPS = LAB
NORMS = replace(LAB, data="digits", model="lab_unet", net={"size": 8, "d": 2})


def trainer(config):
    return Trainer(config, load(config.data, limit=40))  # 2 steps an epoch


# --- the labs' process


def test_the_labs_process_ends_far_from_noise():
    """The erratum: alpha_bar_T = 0.2192, where sampling starts from N(0, I) all the same."""
    process = Process(SCHEDULES["lab"](150))
    np.testing.assert_array_equal(process.betas[1:], np.linspace(1e-4, 0.02, 150))
    assert process.alphas_bar[150] == pytest.approx(0.2192, abs=5e-5)
    with pytest.warns(schedules.TerminalNoiseWarning, match=r"0\.2192"):
        np.testing.assert_array_equal(schedules.named("lab"), process.betas)


def test_the_repaired_process_begins_as_the_labs_and_ends_in_noise():
    lab, repaired = Process(schedules.linear(150)), Process(lab_repaired(200))
    np.testing.assert_allclose(repaired.alphas_bar[:151], lab.alphas_bar, rtol=1e-12)
    assert repaired.alphas_bar[200] == pytest.approx(1 / (1 + np.exp(10)), rel=1e-9)
    assert (np.diff(repaired.log_snr[1:]) < 0).all()


def test_what_the_labs_end_costs():
    """x_T has mean sqrt(0.2192) (-0.751) = -0.35 and is taken for N(0, I): L_T in nats a curve."""
    x0 = load("gmm").x
    lab, repaired = Process(schedules.linear(150)), Process(lab_repaired(200))
    assert x0.mean() == pytest.approx(-0.751, abs=2e-3)
    assert np.sqrt(lab.alphas_bar[150]) * x0.mean() == pytest.approx(-0.35, abs=5e-3)
    ab = lab.alphas_bar[150]
    per_number = (ab * (np.mean(x0.astype(float) ** 2) - 1) - np.log1p(-ab)) / 2
    assert bound.prior(lab, x0).mean() == pytest.approx(100 * per_number, rel=1e-6)
    assert bound.prior(lab, x0).mean() > 5
    assert bound.prior(repaired, x0).mean() < 0.01


# --- settings and presets


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"warmup": 3}, "decay = 'plateau' has no warm-up: .*is 0, not 3"),
        ({"decay": "slow"}, "decay = 'slow' is unknown; choose cosine, plateau"),
        ({"times": "all"}, "times = 'all' is unknown; choose uniform, stratified"),
        ({"schedule": "lab_repaired"}, "after the lab's 150 steps: T must be more, got 20"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"floor_draws": 0}, "floor_draws must be at least 1"),
    ],
)
def test_an_impossible_setting_is_refused(changes, message):
    with pytest.raises(td.ConfigError, match=message):
        LAB.changed(changes)


def test_T_belongs_to_the_process_and_not_to_the_net(rng):
    assert build(LAB, rng)[0].table.W.shape == (20, 8)
    with pytest.raises(td.ConfigError, match=r"unknown argument 'T' in net; .* takes n, d, heads"):
        build(LAB.changed({"net": {"T": 20}}), rng)


def test_the_presets_are_those_of_the_lab(rng):
    sizes = {}
    for name in ("lab1", "lab1-best"):
        config = find("gmm", name)
        model, process = build(config, rng)
        sizes[name] = sum(p.size for p in model.parameters())
        assert (config.steps, config.batch) == (8000, 50)
        assert process.alphas_bar[150] == pytest.approx(0.2192, abs=5e-5)
    assert find("gmm").name == "lab1"
    assert sizes["lab1"] == 842_241
    assert sizes["lab1-best"] <= 842_241, "the same budget"
    lab = find("gmm")
    assert (lab.lr, lab.grad_clip, lab.T, lab.beta2, lab.ema) == (3e-4, 0.25, 150, 0.999, 0)
    assert build(lab, rng)[0].blocks[0].drop.p == 0.01
    assert process.alphas_bar[-1] < 1e-4, "lab1-best ends in noise"


# --- the rate


def test_the_rate_waits_for_the_mean_loss_of_an_epoch():
    """Epochs of two steps with means 4, 3, 3.5, 3, 2: two in a row without progress, once."""
    optimizer = AdamW([Parameter(1.0)], lr=1.0)
    plateau, rates = Plateau(optimizer, 2), []
    for loss in (5, 3, 2, 4, 5, 2, 1, 5, 2, 2):
        plateau.note(np.float32(loss))
        rates.append(optimizer.lr)
    assert rates == [1.0] * 7 + [0.95] * 3


def test_the_optimizer_decays_weights_where_it_is_told(rng):
    one, other = trainer(LAB), trainer(LAB.changed({"weight_decay": 0.5}))
    before = one.model.flat.data.copy()
    batch = one.batch()
    one.update(*batch)
    other.batch()
    other.update(*batch)
    lost = one.model.flat.data - other.model.flat.data
    np.testing.assert_allclose(lost, LAB.lr * 0.5 * before, atol=1e-6)


def test_uniform_times_are_independent_and_stratified_ones_are_not():
    def drawn(times):
        found = trainer(LAB.changed({"times": times}))
        return np.sort(np.stack([found.batch()[1] for _ in range(20)]), axis=1)

    assert (drawn("stratified") == np.arange(1, 21)).all(), "one from each stratum"
    assert (np.diff(drawn("uniform")) == 0).any(axis=1).all()


# --- batches in parts


@pytest.mark.parametrize("config", [DROPS, NORMS], ids=["dropout", "batch norm"])
@pytest.mark.parametrize("n", [2, 3])
def test_parts_see_the_whole_batch(config, n):
    """Masks by sample, statistics over all: the gradient, the running averages and the next masks
    are those of the whole batch. In float64, where only the order of sums tells them apart."""
    data = load(config.data, limit=40)
    whole, cut = Trainer(config, data), Trainer(config, data, threads=n)
    assert len(cut.shards.replicas) == n
    for found in (whole, cut):
        found.model.astype(np.float64)
        found.model.flat.data[...] += 0.1 * np.random.default_rng(5).standard_normal(
            found.model.flat.data.shape
        )  # no layer is 0 any more, so every one has a gradient
        found.shards = Shards(found.model, len(found.shards.replicas))
    for _ in range(2):
        losses = []
        for found in (whole, cut):
            x0, t, rows = found.batch()
            eps = found.rng.standard_normal(x0.shape)
            found.model.flat.grad[...] = 0
            losses.append(found.shards.gradient(found.loss, x0.astype(float), t, eps, *rows))
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-12)
        scale = np.abs(whole.model.flat.grad).max()
        np.testing.assert_allclose(
            cut.model.flat.grad, whole.model.flat.grad, rtol=0, atol=1e-10 * scale
        )
    one, other = whole.model.state_dict(), cut.model.state_dict()
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-6, atol=1e-7, err_msg=name)
    cut.close()


def test_a_part_that_fails_says_why_and_nobody_waits_for_it():
    found = Trainer(NORMS, load(NORMS.data, limit=40), threads=2)

    def fails(model, x0, *rest):
        if model is not found.model:
            raise ArithmeticError("of its own")
        return found.loss(model, x0, *rest)

    x0, t, rows = found.batch()
    with pytest.raises(ArithmeticError, match="of its own"):
        found.shards.gradient(fails, x0, t, np.zeros_like(x0), *rows)
    found.shards.gradient(found.loss, x0, t, np.zeros_like(x0), *rows)  # and goes on
    found.close()


# --- going on


def stopped_after(k):
    asked = iter(range(100))
    return lambda: next(asked) >= k


@pytest.mark.parametrize(
    "config, stop, more",
    [(DROPS, 1, 20), (DROPS, 2, 20), (DROPS, 4, 20), (DROPS, 5, 20), (NORMS, 5, 3)],
)
def test_stopping_changes_nothing(config, stop, more, tmp_path):
    """Within an epoch and at its end; masks, running averages, the plateau's sum and patience."""
    straight, first, second = (trainer(config) for _ in range(3))
    (tmp_path / "a").mkdir()
    assert train(straight, tmp_path / "a")
    assert not train(first, tmp_path, stop=stopped_after(stop))
    second.load(checkpoint.load(tmp_path / "checkpoint.npz"))
    assert train(second, tmp_path)
    assert_equal(state(straight), state(second))
    for _ in range(more):
        one, other = straight.update(*straight.batch()), second.update(*second.batch())
        assert one == other
    assert straight.optimizer.lr == second.optimizer.lr
    one, other = (found.plateau.state_dict() for found in (straight, second))
    assert one == other
    assert np.isfinite(one["best"]), "epochs have ended on both sides of the stop"


def test_an_opened_run_has_running_statistics_and_drops_nothing(tmp_path):
    found = trainer(NORMS)
    train(found, tmp_path)
    _, model, _ = open_run(tmp_path)
    assert not model.training
    norms = [m for m in model.modules().values() if hasattr(m, "running_mean")]
    trained = [m for m in found.model.modules().values() if hasattr(m, "running_mean")]
    assert len(norms) == len(trained) > 10
    for one, other in zip(norms, trained):
        np.testing.assert_array_equal(one.running_mean, other.running_mean)
        np.testing.assert_array_equal(one.running_var, other.running_var)
    assert np.abs(norms[0].running_mean).max() > 0
    np.testing.assert_array_equal(model.flat.data, found.average.average)


def test_a_run_without_averages_opens_with_its_last_weights(tmp_path):
    """ema = 0, as in the lab: average + 1 (theta - average), so theta but for a rounding."""
    found = trainer(LAB.changed({"ema": 0.0}))
    train(found, tmp_path)
    np.testing.assert_allclose(open_run(tmp_path)[1].flat.data, found.model.flat.data, atol=1e-7)


def test_the_plateau_of_another_run_is_refused(tmp_path):
    found = trainer(LAB)
    train(found, tmp_path)
    saved = checkpoint.load(tmp_path / "checkpoint.npz")
    del saved["states"]["plateau"]
    with pytest.raises(td.CheckpointError, match="does not fit this Plateau"):
        trainer(LAB).load(saved)
    assert "plateau" not in state(Trainer(tiny(), load("digits", limit=20)))
