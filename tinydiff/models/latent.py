"""Ways between two points of a latent space.

Under N(0, I_d) almost all mass lies at a radius of about sqrt(d), so the middle of a straight line
between two draws, of radius sqrt(d / 2), is a place that the prior hardly knows. The great circle
stays where the prior lives. Source: White 2016.
"""

from ..backend import xp_of


def lerp(a, b, u):
    """(1 - u) a + u b: the straight line. a, b: (..., d); u: a number, or an array to broadcast."""
    return (1 - u) * a + u * b


def slerp(a, b, u):
    """sin((1 - u) w) / sin(w) a + sin(u w) / sin(w) b, with w the angle between a and b.

    For |a| = |b| it runs along the great circle at constant speed: in the plane of a and b, with
    unit vectors a = (1, 0) and b = (cos w, sin w), it is (cos u w, sin u w). w = 2 atan2(|a' - b'|,
    |a' + b'|) of the unit vectors a', b' keeps its digits near 0 and pi. As w -> 0 it becomes lerp;
    opposite points have many great circles, and there it falls back to lerp as well.
    a, b: (..., d), none of them 0; u: a number, or an array that broadcasts with them.
    """
    xp = xp_of(a, b)
    p, q = (v / xp.sqrt((v * v).sum(axis=-1, keepdims=True)) for v in (a, b))
    apart, along = (xp.sqrt((v * v).sum(axis=-1, keepdims=True)) for v in (p - q, p + q))
    w = 2 * xp.arctan2(apart, along)[..., :1]
    sine = xp.sin(w)
    flat = sine < 1e-6  # below, sin(u w) / sin(w) is u to 1e-12; or w is pi
    sine = xp.where(flat, 1, sine)
    first = xp.where(flat, 1 - u, xp.sin((1 - u) * w) / sine)
    second = xp.where(flat, u, xp.sin(u * w) / sine)
    return first * a + second * b
