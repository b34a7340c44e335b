"""Images to learn from."""

from vedette.data.folders import crops, find_images, load_rgb, split

__all__ = ["crops", "find_images", "load_rgb", "split"]
