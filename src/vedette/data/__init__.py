"""Images to learn from."""

from vedette.data.boxes import BoxImage, BoxSet, from_coco, load_coco, save_coco
from vedette.data.folders import crops, find_images, load_rgb, split
from vedette.data.labeled import ClassSet, Labeled, load_classes

__all__ = [
    "BoxImage",
    "BoxSet",
    "ClassSet",
    "Labeled",
    "crops",
    "find_images",
    "from_coco",
    "load_classes",
    "load_coco",
    "load_rgb",
    "save_coco",
    "split",
]
