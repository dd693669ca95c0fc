"""The table as text, the files csv and json, and the pictures."""

import csv
import json
import math

from tinydiff.viz.style import BLUE, GREEN, GREY, ORANGE, figure, save

UNITS = {"seconds": (1e3, "ms"), "first": (1.0, "s"), "memory": (2.0**-20, "MiB")}
COLUMNS = (
    "row", "library", "figure", "first_quartile", "median", "third_quartile", "ratio", "goal",
    "bar", "verdict", "gflops", "of_peak", "of_limit", "parameters", "rounds", "failed", "what",
)  # fmt: skip
HEAD = (
    f"{'':14} {'median':>12}  {'quartiles':>19}  {'ratio':>6} {'goal':>5} {'bar':>5}  "
    f"{'GFLOP/s':>7} {'limit':>5}"
)


def line_of(line):
    """One library's line of a row, as text."""
    if "failed" in line:
        return f"  {line['library']:14} {line['failed']}"
    scale, unit = UNITS[line["figure"]]
    low, middle, high = (
        scale * line[k] for k in ("first_quartile", "median", "third_quartile")
    )  # fmt: skip
    text = f"  {line['library']:14} {middle:8.4g} {unit:3}  [{low:8.4g} {high:8.4g}]  "
    text += f"{line['ratio']:6.2f} " if "ratio" in line else " " * 7
    text += f"{line['goal']:5.2f} {line['bar']:5.2f}  " if "bar" in line else " " * 13
    if "gflops" in line:
        text += f"{line['gflops']:7.1f} {100 * line['of_limit']:4.0f}%  "
    return (text + line.get("verdict", "")).rstrip()


def curve_line(curve):
    """A curve as text: its points and exponents."""
    if "failed" in curve:
        return f"  {curve['curve']:8} {curve['failed']}"
    points = "  ".join(
        f"{p['x']}: {1e3 * p['seconds']:.4g} ms, {p['memory'] / 2**20:.0f} MiB"
        for p in curve["points"]
    )
    return (
        f"  {curve['curve']:8} {curve['what']}: {points}\n"
        f"  {'':8} seconds ~ x^{curve['exponent_seconds']:.2f}, memory ~ c + "
        f"x^{curve['exponent_memory']:.2f}  {curve.get('verdict', '')}"
    ).rstrip()


def missed(lines, curves):
    """What fell short or failed, in words."""
    found = [f"{a['row']}: {a['library']} failed" for a in lines if "failed" in a and not absent(a)]
    found += [
        f"{a['row']}: {a['ratio']:.2f} of {a['library']}, at most {a['bar']:.2f}"
        for a in lines if a.get("verdict") == "FALLS SHORT"
    ]  # fmt: skip
    found += [f"curve {c['curve']}: failed" for c in curves if "failed" in c]
    return found + [
        f"curve {c['curve']}: exponent {c['exponent_seconds']:.2f}"
        for c in curves if c.get("verdict") == "FALLS SHORT"
    ]  # fmt: skip


def absent(line):
    """Whether a library was not run because it is not there."""
    return line["failed"].startswith("not installed")


def write(folder, lines, curves, about):
    """speed.csv, speed.json, speed.png, and of the curves curves.csv and curves.png."""
    folder.mkdir(parents=True, exist_ok=True)
    if lines:
        with open(folder / "speed.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            for line in lines:
                writer.writerow({k: rounded(v) for k, v in line.items()})
        save(ratios(lines), folder / "speed.png")
    done = [c for c in curves if "points" in c]
    if done:
        with open(folder / "curves.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("curve", "x", "seconds", "memory_bytes", "what"))
            for c in done:
                for p in c["points"]:
                    row = c["curve"], p["x"], rounded(p["seconds"]), p["memory"], c["what"]
                    writer.writerow(row)
        save(growth(done), folder / "curves.png")
    whole = about | {"rows": lines, "curves": curves}
    (folder / "speed.json").write_text(json.dumps(whole, indent=1) + "\n")


def rounded(value):
    return f"{value:.4g}" if isinstance(value, float) else value


def ratios(lines):
    """A bar for each row and peer: tinydiff / peer, with the goal and the bar as marks."""
    shown = [line for line in lines if "ratio" in line][::-1]
    fig = figure(9, 1.2 + 0.3 * len(shown))
    ax = fig.add_subplot()
    colours = {"goal": GREEN, "pass": BLUE, "FALLS SHORT": ORANGE}
    for y, line in enumerate(shown):
        ax.barh(y, line["ratio"], color=colours.get(line.get("verdict"), GREY), height=0.7)
        ax.annotate(f"{line['ratio']:.2f}", (line["ratio"], y), (3, 0), va="center", fontsize=7,
                    textcoords="offset points")  # fmt: skip
        for value, style in ((line.get("goal"), ":"), (line.get("bar"), "-")):
            if value:
                ax.plot([value, value], [y - 0.4, y + 0.4], "k" + style, lw=1)
    names = [f"{line['row']}  /  {line['library']}" for line in shown]
    ax.set_yticks(range(len(shown)), names, fontsize=8)
    ax.axvline(1, color=GREY, lw=0.8)
    ax.set(xscale="log", xlabel="tinydiff / peer, less is better; dotted: goal, line: at most")
    ax.set_xlim(left=min([0.05, *(line["ratio"] / 1.2 for line in shown)]))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    ax.margins(y=0.01)
    return fig


def growth(curves):
    """Seconds and memory of each curve over x, both in logarithms."""
    columns = min(4, len(curves))
    rows = math.ceil(len(curves) / columns)
    fig = figure(3.2 * columns, 2.8 * rows)
    for k, c in enumerate(curves, start=1):
        ax = fig.add_subplot(rows, columns, k)
        xs = [p["x"] for p in c["points"]]
        for what, colour, scale in (("seconds", BLUE, 1e3), ("memory", ORANGE, 2.0**-20)):
            unit = {"seconds": "ms", "memory": "MiB"}[what]
            above = "c + " if what == "memory" else ""
            label = f"{unit} ~ {above}x^{c[f'exponent_{what}']:.2f}"
            ax.plot(xs, [scale * p[what] for p in c["points"]], "o-", color=colour, label=label)
        ax.set(xscale="log", yscale="log", title=c["what"])
        ax.title.set_fontsize(8)
        ax.set_xticks(xs, [str(x) for x in xs], fontsize=7)
        ax.set_xticks([], minor=True)
        ax.legend(frameon=False, fontsize=7)
    return fig
