"""One real overhead scene, so that everything can be tried at once; SOURCE.txt says where it is from."""

from pathlib import Path


def scene_path() -> Path:
    """A GeoTIFF of 256 x 256 pixels at 0.6 m: red, green, blue and near infrared, 8 bit.

    >>> scene_path().name
    'scene.tif'
    """
    return Path(__file__).parent / "scene.tif"
