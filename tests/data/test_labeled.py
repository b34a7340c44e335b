"""Folders and zip files of classes."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from vedette.data import load_classes
from vedette.data.labeled import Labeled, batches
from vedette.errors import InputError


def write(folder, label, count, color, side=8):
    (folder / label).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        pixels = np.full((side, side, 3), color, np.uint8)
        pixels[0, 0] = index
        Image.fromarray(pixels).save(folder / label / f"{index:03}.png")


def test_classes_are_folders_and_every_seventh_image_is_held_out(tmp_path):
    write(tmp_path / "set", "water", 15, 10)
    write(tmp_path / "set", "forest", 8, 200)
    data = load_classes(tmp_path / "set", side=8)
    assert data.classes == ("forest", "water")
    assert (len(data.training), len(data.validation)) == (7 + 13, 1 + 2)
    assert data.validation.images[:, 0, 0, 0].tolist() == [6, 6, 13]
    assert data.validation.labels.tolist() == [0, 1, 1]
    assert len(load_classes(tmp_path / "set", side=8, most=3).training) == 6


def test_a_part_named_val_is_held_out_and_a_zip_is_a_folder(tmp_path):
    for part, count in (("train", 4), ("val", 2)):
        write(tmp_path / "set" / part, "a", count, 1)
        write(tmp_path / "set" / part, "b", count, 2)
    from_folder = load_classes(tmp_path / "set", side=4)
    assert (len(from_folder.training), len(from_folder.validation)) == (8, 4)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in (tmp_path / "set").rglob("*.png"):
            archive.write(file, file.relative_to(tmp_path))
    from_zip = load_classes(tmp_path / "set.zip", side=4)
    for one, other in (
        (from_zip.training, from_folder.training),
        (from_zip.validation, from_folder.validation),
    ):
        assert torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def test_larger_images_are_box_filtered_and_odd_ones_resampled(tmp_path):
    write(tmp_path / "set", "a", 7, 100, side=16)
    write(tmp_path / "set", "b", 7, 50, side=11)
    data = load_classes(tmp_path / "set", side=8)
    assert data.training.images.shape == (12, 3, 8, 8)
    assert data.training.images[0, 0, 0, 0] == 75  # one pixel of four is 0
    assert data.training.images[-1, 0, 7, 7] == 50


def test_what_is_no_set_of_classes_is_refused(tmp_path):
    write(tmp_path / "one", "a", 2, 1)
    with pytest.raises(InputError, match="1 classes"):
        load_classes(tmp_path / "one", side=8)
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(InputError, match="neither"):
        load_classes(tmp_path / "text.zip", side=8)
    write(tmp_path / "bad", "a", 2, 1)
    write(tmp_path / "bad", "b", 2, 1)
    (tmp_path / "bad" / "b" / "broken.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(InputError, match=r"broken\.png"):
        load_classes(tmp_path / "bad", side=8)


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    images = torch.arange(12, dtype=torch.uint8)[:, None, None, None].expand(12, 3, 2, 2)
    data = Labeled(images, torch.arange(12))
    stream = batches(data, batch=4, seed=3)
    epochs = [[int(label) for _ in range(3) for label in next(stream).labels] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(12)) and epochs[0] != epochs[1]
    batch = next(stream)
    assert torch.allclose(batch.images[:, 0, 0, 0] * 255, batch.labels.float())


def test_images_are_seen_from_eight_sides():
    image = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 2, 2).expand(64, 3, 2, 2)
    batch = next(batches(Labeled(image, torch.zeros(64, dtype=torch.int64)), batch=64, seed=1))
    seen = {tuple((255 * view[0]).round().int().flatten().tolist()) for view in batch.images}
    assert len(seen) == 8
    plain = next(batches(Labeled(image, torch.zeros(64, dtype=torch.int64)), batch=64, seed=1, augment=False))
    assert torch.equal(plain.images * 255, image.float())
