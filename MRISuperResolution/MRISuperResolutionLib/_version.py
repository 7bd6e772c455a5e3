"""The version, in a module of its own so that nothing imports the top of the package."""

__version__ = "0.1.0"
