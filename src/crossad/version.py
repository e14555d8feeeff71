"""The version: apart from the package, so that a room that writes it imports no other room."""

__version__ = "0.1.0"
