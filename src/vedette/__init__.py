"""Vedette: on-board vision for cameras that fly. Importing this does nothing; see the subpackages."""

__version__ = "0.1.0"
