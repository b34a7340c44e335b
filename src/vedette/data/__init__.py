"""Images to learn from."""

from vedette.data.folders import crops, find_images, load_rgb, split
from vedette.data.labeled import ClassSet, Labeled, load_classes

__all__ = ["ClassSet", "Labeled", "crops", "find_images", "load_classes", "load_rgb", "split"]
