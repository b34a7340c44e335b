"""Scenes and images: read, written and cut into windows; no torch."""

from vedette.images.scene import Geo, Scene, SceneWriter, open_scene, read_image, write_atomically
from vedette.images.window import Window, pad_to_multiple, windows

__all__ = [
    "Geo",
    "Scene",
    "SceneWriter",
    "Window",
    "open_scene",
    "pad_to_multiple",
    "read_image",
    "windows",
    "write_atomically",
]
