"""Modules: which parameters are found, in which order; states, copies, moves; what is shown."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest

import tinydiff as td
from tinydiff import nn, optim
from tinydiff.nn import Module, Parameter


class Net(Module):
    """Parameters and Modules in every place where they are looked for, in a telling order."""

    def __init__(self, rng):
        self.first = nn.Linear(2, 3, rng=rng)
        self.scale = Parameter(rng.standard_normal(3))
        self.blocks = [nn.Linear(3, 3, rng=rng), [nn.LayerNorm(3)], (Parameter(np.ones(2)),)]
        self.heads = {"b": nn.Linear(3, 1, rng=rng), "a": nn.Linear(3, 2, bias=False, rng=rng)}
        self.norm = nn.BatchNorm(3)
        self.size, self.nothing = 3, None

    def forward(self, x):
        x = self.blocks[0](self.first(x) * self.scale)
        x = self.norm(self.blocks[1][0](x))
        return td.concatenate([self.heads["a"](x), self.heads["b"](x)], -1)


NAMES = [
    *("first.W", "first.b", "scale", "blocks.0.W", "blocks.0.b", "blocks.1.0.gamma"),
    *("blocks.1.0.beta", "blocks.2.0", "heads.b.W", "heads.b.b", "heads.a.W"),
    *("norm.gamma", "norm.beta"),
]


@pytest.fixture
def net(rng):
    return Net(rng)


def train_once(net, x):
    """Gradients of a loss in which every parameter but blocks.2.0 takes part."""
    loss = td.mean(td.square(net(x)) * np.float32(0.5) + net(x))
    loss.backward()
    return loss


@pytest.fixture
def x(rng):
    return rng.standard_normal((5, 2)).astype(np.float32)


# --- what is found


def test_parameters_are_found_in_definition_order(net):
    assert list(net.named_parameters()) == NAMES
    assert [id(p) for p in net.parameters()] == [id(p) for p in net.named_parameters().values()]


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_order_does_not_depend_on_the_hash_seed(seed):
    """Sets of strings would be walked in another order in another process."""
    code = "import numpy as np, test_nn; print(*test_nn.Net(np.random.default_rng(0)).state_dict())"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=True, timeout=60,
    )
    assert result.stdout.split() == [*NAMES, "norm.running_mean", "norm.running_var"]


def test_a_shared_parameter_appears_once(rng):
    layer = nn.Linear(3, 3, rng=rng)
    twice = nn.Sequential(layer, layer)
    assert list(twice.named_parameters()) == ["layers.0.W", "layers.0.b"]
    tied = nn.Sequential(layer, nn.Linear(3, 3, rng=rng))
    tied.layers[1].W = layer.W
    assert list(tied.named_parameters()) == ["layers.0.W", "layers.0.b", "layers.1.b"]
    assert tied.flat.data.size == 9 + 3 + 3


def test_gradients_of_a_shared_parameter_add_up(rng):
    layer = nn.Linear(3, 3, rng=rng).astype(np.float64)
    twice = nn.Sequential(layer, layer)
    x, g = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    twice(x).backward(g)
    W, b = layer.W.data, layer.b.data
    h, gh = x @ W + b, g @ W.T
    np.testing.assert_allclose(layer.W.grad, x.T @ gh + h.T @ g, rtol=1e-12)


def test_a_module_that_knows_its_parent_is_walked_once(net):
    net.first.parent = net
    assert list(net.named_parameters()) == NAMES


def test_a_module_without_forward_says_so():
    with pytest.raises(TypeError, match="Module defines no forward"):
        Module()(1)


def test_a_module_called_on_an_array_returns_a_tensor(rng):
    x = np.ones((2, 3), np.float32)
    layers = [nn.Linear(3, 2, rng=rng), nn.LayerNorm(3), nn.Dropout(0.5, rng=rng),
              nn.Dropout(0.5, rng=rng).eval(), nn.Sequential(), nn.Sequential(td.relu)]
    for layer in layers:
        assert type(layer(x)) is td.Tensor, layer


# --- copies, states, moves


def test_a_deep_copy_is_a_module_of_its_own(net, x):
    train_once(net, x)
    twin = copy.deepcopy(net)
    assert list(twin.named_parameters()) == NAMES
    assert twin.first.W.grad is None
    np.testing.assert_array_equal(twin.flat.data, net.flat.data)
    assert not np.shares_memory(twin.flat.data, net.flat.data)
    before = net.flat.data.copy()
    train_once(twin, x)
    optim.SGD(twin, lr=0.1).step()
    assert (twin.first.W.data != net.first.W.data).any()
    np.testing.assert_array_equal(net.flat.data, before)


def test_a_state_is_a_copy(net):
    state = net.state_dict()
    assert list(state) == [*NAMES, "norm.running_mean", "norm.running_var"]
    for name, value in state.items():
        assert type(value) is np.ndarray, name
        value += 1
    other = net.state_dict()
    for name in state:
        np.testing.assert_allclose(other[name] + 1, state[name], rtol=1e-6)
        assert not np.shares_memory(other[name], state[name])


def test_a_state_is_copied_in(net, rng):
    state = {k: rng.standard_normal(v.shape) for k, v in net.state_dict().items()}
    flat, version = net.flat, net.flat.version
    net.load_state_dict(state)
    assert net.flat is flat
    assert flat.version > version
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, state[name].astype(np.float32))
    state["norm.running_mean"][...] = 99  # must not reach into the module
    assert not (net.norm.running_mean == 99).any()


BAD_STATES = {
    "missing": (lambda s: s.pop("scale"), r"missing \['scale'\], unknown \[\]"),
    "unknown": (lambda s: s.update(more=1), r"missing \[\], unknown \['more'\]"),
    "shape": (lambda s: s.update(scale=np.ones(4)), r"'scale' holds float64 of shape \(4,\)"),
    "buffer": (lambda s: s.update({"norm.running_var": np.ones(1)}), r"expected.*shape \(3,\)"),
    "broadcast": (lambda s: s.update(scale=np.float32(1)), r"'scale' holds float32 of shape \(\)"),
    "text": (lambda s: s.update(scale=np.array(["a", "b", "c"])), "'scale' holds <U1"),
}


@pytest.mark.parametrize("spoil, message", BAD_STATES.values(), ids=BAD_STATES)
def test_a_state_that_does_not_fit_changes_nothing(net, spoil, message):
    before = net.state_dict()
    state = {k: v + 1 for k, v in before.items()}
    spoil(state)
    with pytest.raises(ValueError, match=message):
        net.load_state_dict(state)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_loose_load_takes_what_fits(net):
    before = net.state_dict()
    net.load_state_dict({"scale": np.full(3, 5), "more": 1}, strict=False)
    after = net.state_dict()
    np.testing.assert_array_equal(after.pop("scale"), 5)
    for name, value in after.items():
        np.testing.assert_array_equal(value, before[name])


def test_train_and_eval_reach_everything_inside(net):
    assert net.eval() is net
    assert not any(m.training for m in net.modules().values())
    assert list(net.modules()) == [
        *("", "first", "blocks.0", "blocks.1.0", "heads.b", "heads.a", "norm")
    ]
    assert net.train() is net
    assert all(m.training for m in net.modules().values())


def test_a_module_moves_with_buffers_optimiser_and_gradients(net, x, monkeypatch):
    monkeypatch.setattr("tinydiff.backend.fast.enabled", False)  # they sum in another order
    twin = copy.deepcopy(net)
    optimizers = [optim.Adam(net), optim.Adam(twin)]
    averages = [optim.EMA(net, 0.9), optim.EMA(twin, 0.9)]
    inputs = [x, x]
    for step in range(3):
        if step == 1:
            assert net.to("double") is net
            inputs[0] = td.to_device(x, "double")
        for model, optimizer, ema, data in zip((net, twin), optimizers, averages, inputs):
            if step != 1:  # the gradients of step 0 travel with the module
                optimizer.zero_grad()
                train_once(model, data)
            optimizer.step()
            ema.update()
    assert {p.device for p in net.parameters()} == {"double"}
    assert td.backend.device_of(net.norm.running_mean) == "double"
    for a, b in ((net, twin), optimizers, averages):
        for name, value in b.state_dict().items():
            np.testing.assert_array_equal(a.state_dict()[name], value, err_msg=name)
    net.load_state_dict({k: td.to_device(v, "double") for k, v in twin.state_dict().items()})
    net.to("cpu")
    np.testing.assert_array_equal(net.flat.data, twin.flat.data)


def test_arrays_of_the_other_device_are_refused(net, x):
    with pytest.raises(td.DeviceError, match="double"):
        net.to("double")(x)


def test_a_module_turns_to_float64_with_its_optimiser(net, x):
    before, optimizer = net.state_dict(), optim.SGD(net, lr=0.1, momentum=0.9)
    assert net.astype(np.float64) is net
    for name, value in net.state_dict().items():
        assert value.dtype == np.float64, name
        np.testing.assert_array_equal(value, before[name])
    assert train_once(net, x.astype(np.float64)).dtype == np.float64
    optimizer.step()
    assert optimizer.v.dtype == net.first.W.grad.dtype == np.float64
    with pytest.raises(TypeError, match="floating-point dtype, not int64"):
        net.astype(np.int64)


# --- what is shown


def test_summary_counts_and_shows_shapes(net):
    lines = net.summary().splitlines()
    assert [line.split()[0] for line in lines] == [*NAMES, "total"]
    assert lines[0].split() == ["first.W", "(2,", "3)", "6"]
    assert [int(line.split()[-1]) for line in lines] == [6, 3, 3, 9, 3, 3, 3, 2, 3, 1, 6, 3, 3, 48]
    assert len({len(line) for line in lines}) == 1, "the counts are aligned"
    assert Module().summary().split() == ["total", "0"]


def test_repr_shows_the_layers(rng):
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, groups=2, rng=rng), td.silu,
        nn.Sequential(nn.GroupNorm(2, 4), nn.Dropout(0.1, rng=rng)),
        nn.MultiHeadAttention(4, 2, rng=rng), lambda x: x,
    )  # fmt: skip
    assert repr(model) == """\
Sequential(
  0: Conv2d(2, 4, size=(3, 3), stride=1, padding=1, dilation=1, groups=2)
  1: silu
  2: Sequential(
    0: GroupNorm(2, 4)
    1: Dropout(0.1)
  )
  3: MultiHeadAttention(4, heads=2
    qkv: Linear(4, 12)
    out: Linear(4, 4)
  )
  4: <lambda>
)"""
    assert repr(nn.Linear(2, 3, bias=False, rng=rng)) == "Linear(2, 3, bias=False)"
    assert repr(nn.ConvTranspose2d(3, 2, 4, stride=2, rng=rng)) == (
        "ConvTranspose2d(3, 2, size=(4, 4), stride=2, padding=0, output_padding=0)"
    )
    assert repr(Net(rng)).splitlines()[1:3] == ["  first: Linear(2, 3)", "  blocks.0: Linear(3, 3)"]
