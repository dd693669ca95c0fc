"""From our parameters to those of a PyTorch twin whose parts have the same names."""

import torch
from torch import nn


def conversions(model):
    """{our name: (their parameter, f)}, where f turns an array of theirs into our layout."""
    kinds = {name: type(part) for name, part in model.named_modules()}
    theirs = dict(model.named_parameters())
    found = {}
    for name, p in theirs.items():
        part, _, last = name.rpartition(".")
        ours, f = {"weight": "W", "bias": "b"}.get(last, last), lambda a: a
        if kinds[part] in (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm):
            ours = {"weight": "gamma", "bias": "beta"}[last]
        elif last == "weight" and kinds[part] is nn.Linear:
            f = lambda a: a.T  # noqa: E731
        elif last == "weight" and kinds[part] is nn.Conv2d:  # (C_out, C_in, kh, kw)
            f = lambda a: a.transpose(2, 3, 1, 0)  # noqa: E731
        elif last == "weight" and kinds[part] is nn.ConvTranspose2d:  # (C_in, C_out, kh, kw)
            f = lambda a: a.transpose(2, 3, 0, 1)  # noqa: E731
        found[f"{part}.{ours}" if part else ours] = p, f
    return found


def take_over(model, parameters):
    """Give the model the parameters {our name: array in our layout}."""
    pairs = conversions(model)
    assert pairs.keys() == parameters.keys(), pairs.keys() ^ parameters.keys()
    with torch.no_grad():
        for name, (p, f) in pairs.items():
            view = f(p.detach().numpy())  # of their memory
            assert view.shape == parameters[name].shape, name
            view[...] = parameters[name]
