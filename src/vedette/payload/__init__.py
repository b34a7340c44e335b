"""The pass over a scene: on board it becomes a product, on the ground the product is opened."""

from vedette.payload.ground import compare, describe, ground, read_product
from vedette.payload.onboard import onboard
from vedette.payload.story import tell

__all__ = ["compare", "describe", "ground", "onboard", "read_product", "tell"]
