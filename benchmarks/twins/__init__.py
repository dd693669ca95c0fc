"""The same thing done by a peer, from the same start: what tinydiff computes, held against it."""
