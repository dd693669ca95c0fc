"""metrics.csv: what is read back, what a crash has cut short, and what somebody has damaged."""

import numpy as np
import pytest
from train_cases import trainer

import tinydiff as td
from tinydiff.train import checkpoint
from tinydiff.train.loop import train
from tinydiff.train.metrics import Metrics, read


def test_metrics_know_their_last_row(tmp_path):
    metrics = Metrics(tmp_path / "m.csv")
    assert metrics.start(0) == 0.0
    assert metrics.flush() == []
    one = np.float32(1 / 3)
    metrics.add(step=1, epoch=0.0, loss=one, lr=0.1, grad_norm=one, seconds=2.5)
    metrics.flush()
    assert np.float32(read(tmp_path / "m.csv")[0]["loss"]) == one, "9 digits determine a float32"
    assert Metrics(tmp_path / "m.csv").start(1) == 2.5


def going_on(folder):
    """A Trainer that goes on from step 4 in the folder."""
    asked = iter(range(9))
    train(trainer(), folder, stop=lambda: next(asked) >= 4)
    found = trainer()
    found.load(checkpoint.load(folder / "checkpoint.npz"))
    return found


@pytest.mark.parametrize(
    "line, text, message",
    [
        (0, b"a,b,c", "line 1 is not the header step,epoch,loss,lr,grad_norm,seconds, but 'a,b,c'"),
        (2, b"2,0.3,low,1,1,1", "line 3 is not 6 numbers, but '2,0.3,low,1,1,1'"),
        (2, b"2,0.3", "line 3 is not 6 numbers, but '2,0.3'; mend that line or remove it, or move"),
        (2, b"nan,0,1,1,1,1", "line 3 is not 6 numbers"),
        (3, b"\xff\x00,1,1,1,1,1", "line 4 is not 6 numbers"),
    ],
)
def test_a_damaged_metrics_csv_is_refused_and_left_alone(line, text, message, tmp_path):
    found, path = going_on(tmp_path), tmp_path / "metrics.csv"
    lines = path.read_bytes().splitlines()
    lines[line] = text
    path.write_bytes(b"\n".join([*lines, b""]))
    before = path.read_bytes()
    with pytest.raises(td.Error, match=message):
        train(found, tmp_path)
    assert (path.read_bytes(), found.step) == (before, 4)
    path.unlink()
    assert train(found, tmp_path)
    path.write_bytes(before)
    train(trainer(steps=0), tmp_path)  # a new training starts the file anew
    assert read(path) == []


TORN = b"5,0.3", b"5,0.3,1,1,1,", b"5,0.3,1,1,1,-", b"5,0.3,1,1,1,1", b"\xff"


@pytest.mark.parametrize("torn", TORN)
def test_a_row_that_a_crash_cut_short_is_left_out(torn, tmp_path):
    found, path = going_on(tmp_path), tmp_path / "metrics.csv"
    path.write_bytes(path.read_bytes() + torn)
    assert [row["step"] for row in read(path)] == [1, 2, 3, 4]
    assert train(found, tmp_path)
    assert [row["step"] for row in read(path)] == [1, 2, 3, 4, 5, 6]
