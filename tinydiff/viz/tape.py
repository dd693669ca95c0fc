"""The tape as a graph, from the leaves on the left to the loss on the right.

A layered drawing (Sugiyama, Tagawa & Toda 1981): an operation stands one layer to the right of the
last of its inputs; an edge that passes layers gets an invisible stop in each of them; and sweeps to
and fro move every node to the mean height of its neighbours, which takes out most crossings.
"""

from itertools import pairwise

import numpy as np

from ..graph import trace
from .style import BLUE, GREY, ORANGE, SKY, figure

SWEEPS = 8
LONGEST = 200  # inches; longer tapes are drawn smaller
COLOURS = {"op": ("#DDF0FA", SKY), "leaf": ("#FBEBCC", ORANGE), "const": ("#E8E8E8", GREY)}


def draw(loss):
    """The tape behind a Tensor as a matplotlib Figure.

    Blue boxes are operations with the shapes of their results, orange ones leaves that receive a
    gradient, grey ones constants. Raises GraphError if the Tensor has no tape.
    """
    nodes, edges = _graph(trace(loss).rows)
    layers = _layers(nodes, edges)
    heights = _heights(layers, edges)
    return _figure(nodes, edges, layers, heights)


def _graph(rows):
    """({node: (kind, first line, second line)}, [(from, to)]) of a trace. Leaves are not shared."""
    nodes, edges = {}, []
    for row in rows:
        *inputs, out = row["shapes"]
        for i, (source, shape) in enumerate(zip(row["inputs"], inputs)):
            if source in ("leaf", "const"):
                name, source = source, (row["id"], i)
                nodes[source] = (name, name, _text(shape))
            edges.append((source, row["id"]))
        nodes[row["id"]] = ("op", row["op"], _text(out))
    return nodes, edges


def _text(shape):
    return "×".join(map(str, shape)) if shape else "scalar"


def _layers(nodes, edges):
    """Lists of nodes, left to right, and stops (edge, layer) where an edge passes a layer."""
    sources, level = {}, {}
    for a, b in edges:
        sources.setdefault(b, []).append(a)
    for node in nodes:  # inputs come before what they feed
        level[node] = 1 + max((level[a] for a in sources.get(node, ())), default=-1)
    for a, b in edges:
        if a not in sources:  # a leaf stands right before what it feeds
            level[a] = level[b] - 1
    layers = [[] for _ in range(1 + max(level.values()))]
    for node in nodes:
        layers[level[node]].append(node)
    for a, b in edges:
        for i in range(level[a] + 1, level[b]):
            layers[i].append((a, b, i))
    return layers


def _pieces(edges, layers):
    """Every edge as the list of nodes and stops that it runs through."""
    level = {node: i for i, layer in enumerate(layers) for node in layer}
    return [[a, *((a, b, i) for i in range(level[a] + 1, level[b])), b] for a, b in edges]


def _heights(layers, edges):
    """{node or stop: its height}; neighbours in a layer are 1 apart."""
    left, right = {}, {}
    for path in _pieces(edges, layers):
        for a, b in pairwise(path):
            right.setdefault(a, []).append(b)
            left.setdefault(b, []).append(a)
    height = {node: float(i) for layer in layers for i, node in enumerate(layer)}
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        for layer in layers if forth else reversed(layers):
            neighbours = left if forth else right
            wish = {n: _mean([height[m] for m in neighbours.get(n, [n])]) for n in layer}
            centre, middle = _mean(list(wish.values())), (len(layer) - 1) / 2
            for i, node in enumerate(sorted(layer, key=wish.get)):
                height[node] = centre + i - middle
    return height


def _mean(values):
    return sum(values) / len(values)


def _figure(nodes, edges, layers, heights):
    level = {node: i for i, layer in enumerate(layers) for node in layer}
    low, high = min(heights.values()), max(heights.values())
    scale = min(1.0, LONGEST / (1.6 * len(layers)))
    fig = figure(max(3.0, 1.6 * scale * len(layers)), max(1.5, 0.75 * scale * (high - low + 2)))
    ax = fig.add_subplot()
    ax.set_axis_off()
    ax.set(xlim=(-0.6, len(layers) - 0.4), ylim=(high + 0.8, low - 0.8))
    for path in _pieces(edges, layers):
        for a, b in pairwise(path):
            _curve(ax, (level[a], heights[a]), (level[b], heights[b]))
    for node, (kind, name, shape) in nodes.items():
        ax.text(
            level[node], heights[node], f"{name}\n{shape}", ha="center", va="center",
            fontsize=8 * scale, linespacing=1.25,
            bbox=dict(zip(("boxstyle", "fc", "ec"), ("round,pad=0.35", *COLOURS[kind]))),
        )  # fmt: skip
    return fig


def _curve(ax, start, end):
    """An S-shaped line, horizontal at both ends."""
    u = np.linspace(0, 1, 20)
    ease = u * u * (3 - 2 * u)
    (x0, y0), (x1, y1) = start, end
    ax.plot(x0 + (x1 - x0) * u, y0 + (y1 - y0) * ease, color=BLUE, lw=1, alpha=0.5, zorder=0)
