"""portwatchd watches from outside whether schools' routers forward the ports their servers need."""

__version__ = "0.1.0"
