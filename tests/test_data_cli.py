"""`tinydiff data`: what is listed is true, and only fetch fetches."""

import re

import numpy as np
import pytest
from data_cases import put

import tinydiff as td
from tinydiff import cli
from tinydiff.data import load


def said(capsys, line, status=0):
    assert cli.main(["data", *line.split()]) == status
    return capsys.readouterr().out


def test_the_list_names_every_data_set(bare, capsys):
    lines = said(capsys, "list").splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(td.data.RECIPES)
    row = {line.split()[0]: line for line in lines}
    assert re.search(r"1438 \+ 359 +\(8, 8, 1\) +17 +in scikit-learn", row["digits"])
    assert re.search(r"4000 \+ 1000 +\(100, 1\) +- +drawn on request", row["gmm"])
    assert row["mnist"].endswith("256  no: tinydiff data fetch mnist")


def test_what_is_here_is_listed_with_its_place(tiny, tmp_path, capsys, monkeypatch):
    """And a file that only looks like a data set is not listed as that set."""
    monkeypatch.setenv("TINYDIFF_DATA", str(put(tmp_path / "data", tiny["mnist"])))
    row = {line.split()[0]: line for line in said(capsys, "list").splitlines()}
    assert row["mnist"].endswith(str(tmp_path / "data" / "train-images-idx3-ubyte"))
    assert row["fashion_mnist"].endswith("no: tinydiff data fetch fashion_mnist")


@pytest.mark.parametrize("name", [n for n in td.data.RECIPES if td.data.recipe(n).fetch is None])
def test_recipes_tell_the_truth(name):
    recipe = td.data.recipe(name)
    for split, n in zip(("train", "test"), recipe.rows):
        data = load(name, split)
        assert data.x.shape == (n, *recipe.shape)
        assert data.y.shape == (n,)
        assert (data.name, data.levels) == (name, recipe.levels)
        assert (data.source, data.licence) == (recipe.source, recipe.licence)
        assert np.isfinite(data.x).all()
        if recipe.alphabet:  # ids of characters, which have no scale
            assert (data.x.min(), data.x.max()) == (0, len(recipe.alphabet) - 1)
            assert data.alphabet == recipe.alphabet and recipe.levels == len(recipe.alphabet)
            continue
        assert np.abs(data.x).max() <= 1 or name == "two_gaussians"
        if recipe.levels:
            k = (data.x + 1) * (recipe.levels - 1) / 2
            np.testing.assert_allclose(k, np.rint(k), atol=1e-4)


def test_info_of_a_set_that_is_here(capsys):
    text = said(capsys, "info digits")
    data = load("digits")
    for part in (
        "digits\n", "1438 to train, 359 to test", "(8, 8, 1)", "17\n", "Alpaydin", "CC BY 4.0",
        f"-1 ... 1, mean {data.x.mean():.4f}, std {data.x.std():.4f}; classes 0: 142, 1: 146,",
    ):  # fmt: skip
        assert part in text
    assert "searched" not in text


def test_info_of_a_text_shows_its_alphabet(capsys):
    text = said(capsys, "info text")
    assert "8491 to train, 224 to test" in text
    assert text.count('ids of the 50 characters "\\n abc') == 2


def test_info_of_a_set_that_is_not_here(bare, capsys):
    text = said(capsys, "info mnist")
    for part in ("60000 to train", "256", "LeCun", "CC BY-SA 3.0", "no: MNIST is not on this mach"):
        assert part in text
    searched = text.splitlines()[-1]
    assert searched.startswith("searched  cache ")
    assert str(bare / "xdg" / "tinydiff") in searched
    assert str(bare / "sklearn") in searched
    assert not list(bare.iterdir()), "looking leaves nothing behind"


def test_info_of_files_of_ones_own(tmp_path, capsys, rng):
    np.savez(tmp_path / "a.npz", x=rng.uniform(-1, 1, (50, 3)))
    text = said(capsys, f"info {tmp_path / 'a.npz'}")
    assert "40 to train, 10 to test" in text
    assert "none: a continuum" in text
    assert text.count(str(tmp_path / "a.npz")) == 3, "name, source, here"


@pytest.mark.parametrize(
    "line, message",
    [
        ("info digitz", "no data set is called 'digitz'"),
        ("fetch digitz", "no data set is called 'digitz'"),
        ("info .", "holds no images"),
        ("info a.npz", "x has 1 values NaN or infinite"),
    ],
)
def test_misuse_is_answered_in_a_sentence(line, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.array([[0, np.nan]]))
    assert cli.main(["data", *line.split()]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tinydiff: ")
    assert error.count("\n") == 1
    assert message in error


def test_fetch(tiny, capsys, monkeypatch):
    parts = tiny["mnist"]

    def fetch_openml(name, **options):
        x, y = (np.concatenate([parts["train"][i], parts["test"][i]]) for i in (0, 1))
        return x.reshape(-1, 784).astype(float), y.astype(str).astype(object)

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    path = said(capsys, "fetch mnist").strip()
    assert path.endswith("mnist.npz")
    assert path in said(capsys, "list")
    assert said(capsys, "fetch digits") == "digits is here already: in scikit-learn\n"


def test_an_action_is_required(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["data"])
    assert ended.value.code == 2
    assert "ACTION" in capsys.readouterr().err
