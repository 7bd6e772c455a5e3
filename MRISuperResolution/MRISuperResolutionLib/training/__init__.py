"""Training: the road of ``upscale`` with the acquisition model in front and a loss at the end."""
