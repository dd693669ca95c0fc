"""`python -m benchmarks`: what tinydiff takes beside its peers, and how its cost grows.

    works.py     what is timed, the rows of the table and their bars, the libraries
    child.py     one library at one work, in a process of its own
    ours.py, torch_peer.py, autograd_peer.py, ...     the same works, each as its users write them
    physics.py   what the machine can do at most, and how much a work asks of it
    rounds.py    children in alternation; medians, quartiles, ratios
    curves.py    seconds and memory over batch, width, depth, ...; the exponents
    report.py    the table, the files, the pictures

To add a peer: a module of functions with the names of the works, and a line in works.LIBRARIES.
"""
