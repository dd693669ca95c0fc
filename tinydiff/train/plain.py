"""The plain job, of models that are small: train, then measure and draw.

What `tinydiff train` writes for any of them: config.json, metrics.csv, checkpoint.npz, loss.png,
report.json, and the pictures of the model's own.
"""

from .. import viz
from . import loop
from .folder import Clock, write_config, write_json
from .metrics import columns
from .report import as_dict
from .shards import one_thread_each


def run(learner, folder, saved=None, *, measure, what, protocol, versions=None, show):
    """Train the Learner in `folder`, from the checkpoint `saved` on if given, and report.

    measure(): the report's Figures, of the trained learner, and {file name: matplotlib Figure, or
    text}. what: the loss, in words, for its picture. Returns the Figures, or None if interrupted.
    """
    clock = Clock()
    write_config(folder, learner.settings, versions)
    if saved:
        learner.load(saved)
    with one_thread_each():
        with clock("training"), loop.interruptible() as stop:
            complete = loop.train(learner, folder, show, stop)
        learner.close()
        if not complete:
            return None
        with clock("report"):
            report, pictures = measure()
    with clock("pictures"):
        metrics = columns(folder / "metrics.csv")
        pictures = {"loss.png": viz.loss_curve(metrics["step"], metrics["loss"], what)} | pictures
        for name, picture in pictures.items():
            if isinstance(picture, str):
                (folder / name).write_text(picture)
            else:
                viz.save(picture, folder / name)
    write_json(folder / "report.json", as_dict(report, protocol) | {"seconds": clock.seconds})
    return report
