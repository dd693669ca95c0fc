"""Training: presets, the loop, checkpoints, and the report on what was learned."""
