"""How far apart two sets of draws are, beyond what two draws of one law are apart by chance."""

ROWS = 1000  # that are held against all others at once: 1000 x 5000 distances take 40 MB


def energy_distance(x, y):
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, estimated from draws x (N, d) and y (M, d), N, M > 1.

    0 if and only if the two laws are one; pairs of a row with itself are left out, which makes the
    estimate unbiased: draws of one law give numbers around 0, of both signs. NaN if a number is not
    finite. Source: Szekely and Rizzo 2013.
    """
    n, m = len(x), len(y)
    between = total(x, y) / (n * m)
    return 2 * between - total(x, x) / (n * (n - 1)) - total(y, y) / (m * (m - 1))


def total(x, y):
    """The sum of all distances from a row of x to a row of y, in float64."""
    from scipy.spatial.distance import cdist  # 0.2 s to import, so only when asked for

    return sum(float(cdist(x[i : i + ROWS], y).sum()) for i in range(0, len(x), ROWS))
