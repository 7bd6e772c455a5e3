"""How far results are from their truth."""
