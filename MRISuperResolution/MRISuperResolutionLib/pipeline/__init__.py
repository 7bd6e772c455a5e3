"""The way of a volume: what is asked, which model, the result into a sink."""
