"""`tinydiff train tsne`: a map of a data set, its figures and its picture."""

import json

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


def test_the_preset_maps_all_digits():
    found = find("tsne")
    assert isinstance(found, NeighbourMap)
    assert (found.rows, found.perplexity, found.steps) == (2000, 30, 1000)
    with pytest.raises(td.ConfigError, match="method = 'umap' is unknown; choose tsne, sne"):
        found.changed({"method": "umap"})
