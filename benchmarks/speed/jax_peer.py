"""The works by JAX, compiled. It takes all cores that the process may use, whatever --threads says.

Its optimisers are a package of their own, so Adam is written out.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from .job import Job


def mlp(spec, batch, width):
    rng = np.random.default_rng(0)
    sizes = 18, width, width, width, 2
    weights = [
        (jnp.asarray(rng.standard_normal((n, m), np.float32) / n**0.5), jnp.zeros(m))
        for n, m in pairwise(sizes)
    ]
    zeros = jax.tree.map(jnp.zeros_like, weights)
    ab = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    signal, noise = jnp.asarray(np.sqrt(ab)), jnp.asarray(np.sqrt(1 - ab))
    w, points = 10000.0 ** (-jnp.arange(8) / 8), jax.random.normal(jax.random.key(0), (10_000, 2))

    def loss(weights, xt, t, eps):
        angles = (t + 1)[:, None] * w
        x = jnp.concatenate([xt, jnp.cos(angles), jnp.sin(angles)], axis=1)
        for k, (W, b) in enumerate(weights):
            x = (x if k == 0 else jax.nn.silu(x)) @ W + b
        return jnp.mean((x - eps) ** 2)

    @jax.jit
    def update(weights, m, v, steps, key):
        a, b, c = jax.random.split(key, 3)
        x0 = points[jax.random.randint(a, (batch,), 0, len(points))]
        t, eps = jax.random.randint(b, (batch,), 0, 1000), jax.random.normal(c, (batch, 2))
        xt = signal[t][:, None] * x0 + noise[t][:, None] * eps
        value, g = jax.value_and_grad(loss)(weights, xt, t, eps)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, v, g)
        c1, c2 = 1 - 0.9**steps, 1 - 0.999**steps
        weights = jax.tree.map(
            lambda p, m, v: p - 1e-3 * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), weights, m, v
        )
        return value, weights, m, v

    state, steps = (weights, zeros, zeros), 0

    def step():
        nonlocal state, steps
        steps += 1
        value, *state = update(*state, float(steps), jax.random.key(steps))
        return jax.block_until_ready(value)

    return Job(step, sum(a.size for a in jax.tree.leaves(weights)))


def conv(spec, batch, side, width):
    rng = np.random.default_rng(0)
    x, g = (jnp.asarray(a) for a in rng.standard_normal((2, batch, side, side, width), np.float32))
    W, b = jnp.asarray(rng.standard_normal((3, 3, width, width), np.float32)), jnp.zeros(width)

    def loss(x, W, b):
        y = jax.lax.conv_general_dilated(
            x, W, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jnp.mean((y + b) * g)

    slope = jax.jit(jax.value_and_grad(loss, (0, 1, 2)))

    def step():
        return jax.block_until_ready(slope(x, W, b))[0]

    return Job(step, W.size + b.size)
