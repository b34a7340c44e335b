"""Trees in the shipped scene, from red, green, blue and near infrared, and from either sensor alone.

    python examples/03_find_small_objects.py [out/]

Writes GeoJSON in the scene's CRS, COCO JSON, a style for QGIS and a picture into a folder for each.
"""

import sys
import tempfile
from pathlib import Path

from vedette.detect.bands import BandGroup
from vedette.detect.predict import predict
from vedette.samples import scene_path

RGB, NIR = BandGroup("rgb", (1, 2, 3)), BandGroup("nir", (4,))


def main(folder: Path) -> None:
    """Predict three times and say what was found."""
    for name, bands in (("both", (RGB, NIR)), ("rgb", (RGB,)), ("nir", (NIR,))):
        result = predict(scene_path(), folder / name, model="trees-rgbn", bands=bands)
        sure = f", the surest {result.found.scores.max():.2f}" if len(result.found) else ""
        print(f"{name:4}  {len(result.found):3} trees{sure}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
