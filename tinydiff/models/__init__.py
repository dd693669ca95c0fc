"""Networks for the diffusion process to call, and the classifier that judges what they make."""
