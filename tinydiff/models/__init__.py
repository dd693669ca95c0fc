"""Networks for the diffusion process to call, the classifier that judges what they make, and the
other families of generative models."""
