"""Learned image compression: weights, latents and products.

weights = load()                                     # the shipped ones
data = encode_image(image, weights, quality=32)      # bytes of a product
image = decode_array(data, weights)
"""

from vedette.codec.codec import Codec, available, card, freeze, load_codec
from vedette.codec.models import MODELS, build, kilo_macs_per_pixel, parameter_count
from vedette.codec.scene import decode_array, encode_image

load = load_codec

__all__ = [
    "MODELS",
    "Codec",
    "available",
    "build",
    "card",
    "decode_array",
    "encode_image",
    "freeze",
    "kilo_macs_per_pixel",
    "load",
    "load_codec",
    "parameter_count",
]
