"""Scenes and images: read, written and cut into windows; no torch."""

from vedette.images.files import check_folder, check_output, write_atomically
from vedette.images.scene import Geo, Scene, open_scene, read_image
from vedette.images.window import Window, pad_to_multiple, windows
from vedette.images.writer import SceneWriter

__all__ = [
    "Geo",
    "Scene",
    "SceneWriter",
    "Window",
    "check_folder",
    "check_output",
    "open_scene",
    "pad_to_multiple",
    "read_image",
    "windows",
    "write_atomically",
]
