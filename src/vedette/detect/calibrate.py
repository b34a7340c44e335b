"""Images of a set as a detector's network sees them, to measure ranges on."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vedette.data.boxes import BoxSet
from vedette.detect.bands import BandGroup, Sensors
from vedette.detect.spec import DetectorSpec
from vedette.images import Window, open_scene

IMAGES_MOST = 32
SIDE_MOST = 512  # pixels of the network


def prepared_images(
    boxes: BoxSet, spec: DetectorSpec, bands: Sequence[BandGroup] = ()
) -> list[Float[np.ndarray, "1 c h w"]]:
    """Up to 32 of the set's images, evenly over it, the middle of each."""
    chosen = boxes.images[:: max(1, len(boxes.images) // IMAGES_MOST)][:IMAGES_MOST]
    with open_scene(chosen[0].path, bands=(1,)) as probe:
        groups = spec.groups_of(bands, probe.source_bands)
    images = []
    for image in chosen:
        with Sensors(image.paths, groups, spec.counts) as sensors:
            spec.check_samples(sensors.dtype)
            side = SIDE_MOST * spec.reduce
            height, width = min(side, sensors.height), min(side, sensors.width)
            window = Window((sensors.height - height) // 2, (sensors.width - width) // 2, height, width)
            images.append(spec.prepare(sensors.read(window))[None])
    return images
