"""A network over any volume, in the memory that there is."""
