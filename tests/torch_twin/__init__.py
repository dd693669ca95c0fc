"""The engine against PyTorch: every operation, every layer, every optimiser.

Run by `pytest -m torch`. PyTorch is imported when the first of these tests runs, so that a default
run pays nothing for it. PyTorch puts channels first; `layout.py` is the one place that converts.
"""
