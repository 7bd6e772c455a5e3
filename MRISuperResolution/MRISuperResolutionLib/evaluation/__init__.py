"""Every method on the same volumes, degradations and grids: cases, scores, tables and pictures."""
