"""`tinydiff train tsne`: a map of a data set, its figures and its picture."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import tinydiff as td
from tinydiff import cli
from tinydiff.train.neighbours import METHODS, NeighbourMap, figures
from tinydiff.train.presets import find


@pytest.mark.parametrize("method", METHODS)
def test_a_map_is_made_reported_and_drawn(method, tmp_path, capsys):
    (tmp_path / "a.toml").write_text(f'rows = 60\nperplexity = 8\nmethod = "{method}"\n')
    line = ["train", "tsne", "--config", str(tmp_path / "a.toml"), "--steps", "60"]
    assert cli.main([*line, "--out", str(tmp_path / "run")]) == 0
    files = {f.name for f in (tmp_path / "run").iterdir()}
    assert files == {"config.json", "report.json", "map.npy", "map.png"}
    y = np.load(tmp_path / "run" / "map.npy")
    assert y.shape == (60, 2)
    x = np.concatenate([td.data.load("digits", s).x for s in ("train", "test")])[:60]
    again = METHODS[method](x.reshape(60, -1).astype(np.float64), 8.0, 60)
    np.testing.assert_array_equal(y, again.y)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["figures"][0]["value"] == pytest.approx(again.kl, abs=1e-6)


def test_a_perplexity_that_was_not_reached_fails_its_bar(rng):
    x = rng.standard_normal((30, 3))
    found = METHODS["tsne"](x, 5.0, 20)
    assert [f.ok for f in figures(x, found, 5.0)] == [None, True, None]
    assert [f.ok for f in figures(x, found, 5.001)] == [None, False, None]


@pytest.mark.parametrize(
    "changes, message",
    [
        ("rows = 40\nperplexity = 39", "less than 39, the number of other rows, got 39"),
        ("perplexity = 0.5", "perplexity must be at least 1 and less than 1796, .*, got 0.5"),
        ("perplexity = inf", "perplexity must be a finite number"),
        ('data = "text"', "data = 'text' is a text: its characters have no distances"),
    ],
)
def test_what_cannot_be_mapped_is_refused_before_anything_is_written(
    changes, message, tmp_path, capsys
):
    (tmp_path / "a.toml").write_text(changes)
    folder = tmp_path / "run"
    line = ["train", "tsne", "--config", str(tmp_path / "a.toml"), "--out", str(folder)]
    assert cli.main(line) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not folder.exists() or not list(folder.iterdir())


def test_a_map_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "report.json").write_text("{}")
    assert cli.main(["train", "tsne", "--steps", "1", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "already holds a run" in said
    assert "--resume" not in said, "there is no checkpoint to go on from"
    assert {f.name for f in tmp_path.iterdir()} == {"report.json"}


def test_the_map_of_all_digits_has_bars_and_a_shorter_one_none(rng):
    preset, x = find("tsne"), rng.standard_normal((30, 3))
    assert preset.known(1797)
    for changes in ({"perplexity": 20}, {"steps": 999}, {"method": "sne"}, {"data": "mine.npz"}):
        assert not preset.changed(changes).known(1797), changes
    assert not preset.known(1000)
    found = METHODS["tsne"](x, 5.0, 20)
    for kl, y, ok in ((0.69, x[:, :2], [True, True, False]), (0.71, found.y, [False, True, False])):
        made = figures(x, replace(found, kl=kl, y=y), 5.0, known=True)
        assert [f.ok for f in made] == ok
    plane = np.pad(x[:, :2], ((0, 0), (0, 1)))
    assert figures(plane, replace(found, y=x[:, :2]), 5.0, known=True)[2].ok


def test_the_preset_maps_all_digits():
    found = find("tsne")
    assert isinstance(found, NeighbourMap)
    assert (found.rows, found.perplexity, found.steps) == (2000, 30, 1000)
    with pytest.raises(td.ConfigError, match="method = 'umap' is unknown; choose tsne, sne"):
        found.changed({"method": "umap"})
