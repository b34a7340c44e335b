"""The loss of rate-distortion training."""

import pytest
import torch

from vedette.codec import build
from vedette.codec.models import TINY
from vedette.codec.recipes import RECIPES, Recipe
from vedette.codec.task import RateDistortion
from vedette.errors import InputError
from vedette.training import TrainConfig


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return build("weconvene3d", **TINY["weconvene3d"]).eval()


def losses(model, **options):
    torch.manual_seed(2)
    task = RateDistortion(model, [], seed=3, **options)
    with torch.no_grad():
        return task.losses(model, torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(4)))


def test_weights_of_low_and_high_rates_change_the_loss_and_not_the_rate(model):
    plain, low, high = (
        losses(model),
        losses(model, rate_weights=(2.0, 1.0)),
        losses(model, rate_weights=(1.0, 2.0)),
    )
    both = losses(model, rate_weights=(2.0, 2.0))
    assert plain["bpp"] == low["bpp"] == high["bpp"]
    assert plain["distortion"] == low["distortion"] == high["distortion"]
    extra_low, extra_high = low["total"] - plain["total"], high["total"] - plain["total"]
    assert extra_low > 0 and extra_high > 0
    assert torch.allclose(both["total"] - plain["total"], extra_low + extra_high, rtol=1e-4)


def test_bits_of_low_and_high_bands_are_all_of_y(model):
    with torch.no_grad():
        coded = model(torch.rand(1, 3, 64, 64), torch.tensor([30.0]))
    assert torch.equal(coded.bits_y, coded.bits_coarse + coded.bits_fine)
    assert torch.equal(coded.bits, coded.bits_y + coded.bits_z)
    assert (coded.bits_coarse > 0).all() and (coded.bits_fine > 0).all()


def test_every_recipe_names_a_model_that_builds():
    for name, recipe in RECIPES.items():
        with torch.device("meta"):
            assert build(recipe.model, **recipe.options).stride <= recipe.train.crop, name


def test_weights_that_are_no_weights_are_refused():
    with pytest.raises(InputError, match="weights"):
        Recipe(model="charm-lite", train=TrainConfig(steps=1), rate_weights=(0.0, 1.0))
