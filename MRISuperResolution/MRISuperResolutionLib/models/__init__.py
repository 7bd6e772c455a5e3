"""The shipped weights, their cards, and all models by name."""
