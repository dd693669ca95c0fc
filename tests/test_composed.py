"""What a Function saves, and the second derivative of one that saves more: by its composed twin."""

import numpy as np
import pytest

import tinydiff as td

X = np.array([0.5, -1.5, 2.0])


def cube(x):
    return (x * x * x).sum()


class ByMean(td.Function):
    """y = x mean(x)

    dL/dx = g mean(x) + sum(g x) / n
    """

    def forward(self, x, keep):
        mean = x.mean(keepdims=True)
        self.save(x=x, **({"mean": mean} if keep else {}))
        return x * mean

    def backward(self, g):
        mean = self.mean if hasattr(self, "mean") else self.x.mean(keepdims=True)
        return (g * mean + (g * self.x).sum(keepdims=True) / self.x.size,)


def test_saving_what_is_neither_input_nor_output_needs_a_composed_twin(monkeypatch):
    def second(keep):
        return td.grad(lambda x: cube(td.grad(lambda x: cube(ByMean()(x, keep=keep)))(x)))(
            td.Tensor(X)
        )

    right = second(keep=False).data
    td.gradcheck(lambda x: ByMean()(x, keep=False), X, order=2)
    td.gradcheck(lambda x: ByMean()(x, keep=True), X)
    with pytest.raises(
        td.GraphError, match="ByMean has no second derivative here: it saves what is"
    ):
        second(keep=True)
    with pytest.raises(td.GradcheckError, match="ByMean has no second derivative here"):
        td.gradcheck(lambda x: ByMean()(x, keep=True), X, order=2)
    twin = staticmethod(lambda x, keep: x * x.mean(keepdims=True))
    monkeypatch.setattr(ByMean, "composed", twin, raising=False)
    np.testing.assert_allclose(second(keep=True).data, right, rtol=1e-12)


def test_a_composed_twin_with_one_tensor_in_two_places():
    """Each place has its own share: found by identity, the whole would count twice."""

    class Product(td.Function):
        """y = a b

        dL/da = g b, dL/db = g a
        """

        composed = staticmethod(lambda a, b: a * b)

        def forward(self, a, b):
            self.save(twice=2 * a, a=a, b=b)
            return a * b

        def backward(self, g):
            return g * self.b, g * self.a

    def first(x):
        return td.grad(lambda x: Product()(x, x).sum())(x)

    np.testing.assert_array_equal(first(td.Tensor(X)).data, 2 * X)
    np.testing.assert_array_equal(td.grad(lambda x: first(x).sum())(td.Tensor(X)).data, [2, 2, 2])


@pytest.mark.parametrize("axes", [(-1,), (0, 1)])
def test_second_order_through_the_fused_normalisation(axes, rng):
    td.gradcheck(
        lambda x: td.ops.norm.normalize(x, axes, 1e-3), rng.standard_normal((2, 4)), order=2
    )
