"""The command line: the whole job on a tiny model, and an answer to every misuse."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from train_cases import NET

from tinydiff import cli
from tinydiff.cli.progress import Progress
from tinydiff.train import checkpoint, job
from tinydiff.train.metrics import read

SETTINGS = f"""
T = 20
batch = 16
steps = 4
warmup = 1
log_every = 2
sample_steps = 3
n_judged = 130
judge_steps = 2
[net]
patch = {NET["patch"]}
widths = {list(NET["widths"])}
blocks = 1
heads = {list(NET["heads"])}
d = 8
groups = 4
"""
FILES = {
    *("config.json", "metrics.csv", "checkpoint.npz", "report.json"),
    *("loss.png", "forward.png", "samples.png", "forward.gif", "reverse.gif"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, exit status) of a run that the command has made."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.toml").write_text(SETTINGS)
    return folder / "run", cli.main(train(folder / "run"))


def train(folder, *more):
    return ["train", "--config", str(folder.parent / "tiny.toml"), "--out", str(folder), *more]


def test_the_whole_job_leaves_its_files(finished):
    folder, status = finished
    assert {path.name for path in folder.iterdir()} == FILES
    assert status == 1, "after 4 steps no bar is met, and the command says so"
    report = json.loads((folder / "report.json").read_text())
    assert report["ok"] is False
    assert len(report["figures"]) == 10
    assert set(report["seconds"]) == {"training", "judge", "sampling", "judging", "pictures"}
    saved = json.loads((folder / "config.json").read_text())
    assert saved["config"]["steps"] == 4
    assert saved["config"]["net"]["widths"] == [8, 8]
    assert saved["versions"]["numpy"] == np.__version__
    assert [row["step"] for row in read(folder / "metrics.csv")] == [1, 2, 3, 4]
    for name in ("loss.png", "forward.png", "samples.png", "reverse.gif"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 100


def test_a_folder_that_holds_a_run_is_left_alone(finished, capsys):
    folder, _ = finished
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert cli.main(train(folder)) == 2
    assert "already holds a run" in (said := capsys.readouterr().err)
    assert "--resume" in said
    assert "--out" in said
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_resume_refuses_other_settings(finished, capsys):
    folder, _ = finished
    assert cli.main(train(folder, "--resume", "--steps", "9")) == 2
    said = capsys.readouterr().err
    assert "steps is 4, not 9" in said
    assert "leave these flags out" in said


def test_an_interrupted_run_can_be_resumed(finished, tmp_path, capsys, monkeypatch):
    """Stopped after two steps, the command tells how to go on; then all is as without the stop."""
    straight, _ = finished
    (tmp_path / "tiny.toml").write_text(SETTINGS)
    whole = job.train

    def stopped(trainer, *args):
        return whole(trainer, *args[:-1], lambda: trainer.step == 2)

    monkeypatch.setattr(job, "train", stopped)
    assert cli.main(train(tmp_path / "run")) == 130
    assert f"tinydiff train --resume --out {tmp_path / 'run'}" in capsys.readouterr().out
    monkeypatch.undo()
    assert cli.main(["train", "--resume", "--out", str(tmp_path / "run")]) == 1
    one, other = (checkpoint.load(f / "checkpoint.npz") for f in (straight, tmp_path / "run"))
    for part, arrays in one["states"].items():
        for name, value in arrays.items():
            np.testing.assert_array_equal(other["states"][part][name], value, err_msg=name)
    one, other = (json.loads((f / "report.json").read_text()) for f in (straight, tmp_path / "run"))
    assert one["figures"] == other["figures"]


@pytest.mark.parametrize(
    "line, status, message",
    [
        ("train digitz", 2, r"unknown NAME 'digitz': did you mean digits\? There are .*digits"),
        ("train digits --preset digitz", 2, "unknown preset of digits 'digitz'"),
        ("train --config nowhere.toml", 2, "cannot read the configuration nowhere.toml"),
        ("train --steps -1", 2, "steps must be at least 0, got -1"),
        ("train --seed -1", 2, "seed must be at least 0"),
        ("train --threads 0", 2, "--threads must be at least 1, got 0"),
        ("train --resume --out nowhere", 1, "no checkpoint at nowhere"),
        ("sample nowhere", 1, "no checkpoint at nowhere"),
        ("sample nowhere --n 0", 2, "--n must be at least 1, got 0"),
        ("sample nowhere --out no/x.png", 2, "--out: there is no folder no"),
        ("sample nowhere --out x.jpg", 2, "must end in .png, .gif or .npy, got x.jpg"),
        ("train --out /dev/null/x --steps 0", 1, "/dev/null/x: Not a directory"),
    ],
)
def test_misuse_is_answered_in_a_sentence(line, status, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(line.split()) == status
    said = capsys.readouterr().err
    assert said.startswith("tinydiff: ")
    assert said.count("\n") == 1
    assert re.search(message, said), said
    assert not list(tmp_path.iterdir()), "nothing is left behind"


COMMANDS = ["", "train", "sample", "bound", "data", "verify", "explain", "info"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*name.split(), "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert len(re.findall(rf"^  .*tinydiff {name}", said, flags=re.MULTILINE)) >= 3
    assert max(map(len, said.splitlines())) <= 100


def test_no_command_prints_the_help(capsys):
    assert cli.main([]) == 2
    assert "tinydiff train" in capsys.readouterr().out


def test_presets_are_listed(capsys):
    assert cli.main(["train", "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("digits ")


def test_samples_are_written_in_three_forms(finished, tmp_path, capsys):
    folder, _ = finished
    draws = []
    for name in ("a.npy", "b.npy", "c.png", "d.gif"):
        line = f"sample {folder} --n 5 --seed 3 --out {tmp_path / name}"
        assert cli.main(line.split()) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / name)
    draws = [np.load(tmp_path / name) for name in ("a.npy", "b.npy")]
    np.testing.assert_array_equal(*draws)
    assert draws[0].shape == (5, 8, 8, 1)
    assert draws[0].dtype == np.float32
    assert np.abs(draws[0]).max() <= 1
    assert cli.main(f"sample {folder} --n 5 --seed 4 --out {tmp_path / 'b.npy'}".split()) == 0
    assert not np.array_equal(draws[0], np.load(tmp_path / "b.npy"))
    with Image.open(tmp_path / "d.gif") as picture:
        assert picture.n_frames >= 3


def test_samples_do_not_depend_on_the_number_of_threads(finished):
    folder, _ = finished
    one, other = (job.draw_samples(folder, 130, 0, threads) for threads in (1, 2))
    assert [t for t, _ in one] == [t for t, _ in other]
    assert one[-1][0] == 0
    for (_, x), (_, y) in zip(one, other):
        assert x.shape == (130, 8, 8, 1)
        np.testing.assert_array_equal(x, y)


def test_info_says_what_it_computes_with(capsys):
    assert cli.main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["numpy"] == np.__version__
    assert found["device"] == "cpu"
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert found["blas"]["name"]
    assert cli.main(["info"]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert said["numpy"] == np.__version__


def test_ctrl_c_outside_of_training_ends_with_130(monkeypatch, capsys):
    def pressed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.info, "describe", pressed)
    assert cli.main(["info"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "tinydiff", "train", "--list"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].startswith("digits ")


class Stream:
    """A stream that remembers what was written; a terminal or not."""

    def __init__(self, terminal):
        self.terminal, self.text = terminal, ""

    def isatty(self):
        return self.terminal

    def write(self, text):
        self.text += text

    def flush(self):
        """Nothing is held back."""


def test_the_progress_line(monkeypatch):
    now = iter([100.0, 110.0, 110.01, 120.0])
    monkeypatch.setattr("tinydiff.cli.progress.time.perf_counter", lambda: next(now))
    stream = Stream(terminal=False)
    with Progress(stream) as show:
        show("training", 10, 90, {"loss": 0.5})
        show("training", 30, 90, {"loss": 0.25})
        show("training", 31, 90, {"loss": 0.25})
        show("training", 90, 90, {"loss": 0.125})
    lines = stream.text.splitlines()
    assert lines[0] == "training  10/90  loss 0.5000"
    assert lines[1] == "training  30/90  loss 0.2500  2.0 steps/s  ETA 0:30"
    assert lines[2] == "training  90/90  loss 0.1250  4.0 steps/s  ETA 0:00"
    assert len(lines) == 3, "a line 10 ms after the last one would be too many"


def test_on_a_terminal_the_line_is_rewritten():
    stream = Stream(terminal=True)
    with Progress(stream) as show:
        show("training", 1, 2, None)
        show("training", 2, 2, None)
        show("judge", 1, 1, None)
    assert stream.text.count("\n") == 2, "one line for each phase"
    assert stream.text.count("\r") == 3
