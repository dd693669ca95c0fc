"""Whole trainings beside the same ones in PyTorch: optional, for those who have it installed."""
