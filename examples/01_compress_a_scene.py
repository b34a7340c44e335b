"""Compress the shipped scene's red, green and blue at three qualities and print what each costs."""

import torch

from vedette import codec
from vedette.images import Window, open_scene
from vedette.metrics import psnr
from vedette.samples import scene_path

weights = codec.load()
with open_scene(scene_path()) as scene:
    image = scene.read(Window(0, 0, scene.height, scene.width))[:3]

for quality in (8, 32, 56):
    data = codec.encode_image(image, weights, quality=quality)
    decoded = codec.decode_array(data, weights)
    pair = [torch.from_numpy(array.astype("float32"))[None] for array in (decoded, image)]
    bpp = 8 * len(data) / (image.shape[1] * image.shape[2])
    print(
        f"quality {quality:>2}: {len(data):>6,} bytes, {bpp:.3f} bpp, {psnr(*pair, peak=255).item():.2f} dB"
    )
