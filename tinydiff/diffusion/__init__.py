"""Diffusion models on bare mathematics: any callable model(xt, t) will do, a network or a formula."""
