"""Does a method invent or erase? Small structures are planted in true volumes, degraded, brought back, and judged."""
