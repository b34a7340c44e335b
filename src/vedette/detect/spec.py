"""What a detector needs to know of its input, and says of its output; no torch."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from vedette.detect.bands import BandGroup
from vedette.errors import InputError

GSD_FACTOR_MOST = 1.6  # a scene may be so much finer or coarser than what was trained on
PEAKS = {"uint8": 255.0, "uint16": 65535.0}


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """The contract of a trained detector, stored in its file.

    Args:
        classes: names, in the order of labels.
        groups: name and number of bands of each group, in order.
        optional: groups that may be absent (trained with modality dropout).
        dtype: of the samples, "uint8" or "uint16".
        peak: the sample value that becomes 1.0.
        reduce: pixels of the scene, each way, that make one of the network's (their mean).
        gsd_m: least and largest meters a pixel of the scenes it learned from; None where unknown.
        oriented: boxes are turned ones.
        multiple: sides of the network's input are multiples of it.
        mean, deviation: of each band over the training images, 0 to 1.
        least_score: the score at which precision and recall balance best (F1) on held-out images.
    """

    classes: tuple[str, ...]
    groups: tuple[tuple[str, int], ...]
    optional: tuple[str, ...] = ()
    dtype: str = "uint8"
    peak: float = 255.0
    reduce: int = 1
    gsd_m: tuple[float, float] | None = None
    oriented: bool = False
    multiple: int = 32
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    least_score: float = 0.25

    @property
    def counts(self) -> tuple[int, ...]:
        """Bands of each group."""
        return tuple(count for _, count in self.groups)

    def json(self) -> str:
        """The spec as it is stored."""
        return json.dumps(asdict(self))

    @staticmethod
    def parse(text: str) -> "DetectorSpec":
        """The spec that `json` wrote.

        Raises:
            InputError: something else.

        >>> spec = DetectorSpec(classes=("car",), groups=(("rgb", 3),))
        >>> DetectorSpec.parse(spec.json()) == spec
        True
        """
        try:
            found: dict[str, Any] = json.loads(text)
            found = {key: tuple(v) if isinstance(v, list) else v for key, v in found.items()}
            found["groups"] = tuple((str(name), int(count)) for name, count in found["groups"])
            spec = DetectorSpec(**found)
            sizes = (spec.reduce, spec.multiple, *spec.counts, len(spec.classes))
            if min(sizes) < 1 or max(sizes) > 10_000 or not spec.peak > 0 or spec.dtype not in PEAKS:
                raise ValueError("a value is out of its range")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"not a detector's description: {error}", hint="train it again, or take a shipped one"
            ) from error
        return spec

    def groups_of(
        self, given: Sequence[BandGroup], bands: int, *, paired: bool = False
    ) -> tuple[BandGroup, ...]:
        """The groups of bands to read, in the detector's order, from what the user named.

        Args:
            given: groups by name; without any, the first bands of the file in the detector's order.
            bands: of the scene's file.
            paired: there is a second file, which the last group lies in unless `given` says otherwise.

        Raises:
            InputError: a name that the detector does not know, or a group missing that it needs.
        """
        names = [name for name, _ in self.groups]
        for group in given:
            if group.name not in names:
                raise InputError(
                    f"the detector has no bands called {group.name!r}",
                    hint=f"it knows {', '.join(f'{name} ({count})' for name, count in self.groups)}",
                )
        if not given:
            chosen, first = [], 1
            *own, (last, last_count) = self.groups if paired else (*self.groups, ("", 0))
            for name, count in own:
                there = first + count - 1 <= bands
                chosen.append(BandGroup(name, tuple(range(first, first + count)) if there else ()))
                first += count
            if paired:
                chosen.append(BandGroup(last, tuple(range(1, last_count + 1)), second=True))
        else:
            by_name = {group.name: group for group in given}
            chosen = [by_name.get(name, BandGroup(name, ())) for name in names]
        missing = [g.name for g in chosen if not g.bands and g.name not in self.optional]
        if missing or not any(group.bands for group in chosen):
            want = ", ".join(f"{count} of {name}" for name, count in self.groups)
            raise InputError(
                f"a scene of {bands} bands without {', '.join(missing or names)}",
                hint=f"the detector needs {want}; name them with --bands, e.g. --bands {names[0]}=1",
            )
        return tuple(chosen)

    def check_samples(self, dtype: type) -> None:
        """Refuse samples of another type than the detector learned from.

        Raises:
            InputError: they are.
        """
        name = np.dtype(dtype).name
        if name != self.dtype:
            raise InputError(
                f"samples of {name}; the detector learned from {self.dtype}",
                hint="scale the scene, or say with --peak which sample value is to be white",
            )

    def check_gsd(self, gsd_m: float | None) -> None:
        """Refuse a scene whose pixels are much finer or coarser than those the detector learned from.

        Raises:
            InputError: beyond 1.6 times, either way.
        """
        if gsd_m is None or self.gsd_m is None:
            return
        low, high = self.gsd_m
        if not low / GSD_FACTOR_MOST <= gsd_m <= high * GSD_FACTOR_MOST:
            seen = f"{low:.2g}" if math.isclose(low, high, rel_tol=0.01) else f"{low:.2g} to {high:.2g}"
            raise InputError(
                f"pixels of {gsd_m:.3g} m; the detector learned from {seen} m",
                hint="resample the scene, take another detector, or insist with --any-gsd",
            )

    def prepare(self, samples: Shaped[np.ndarray, "c h w"]) -> Float[np.ndarray, "c H W"]:
        """Samples of a window as the network sees them: 0 to 1, reduced, filled up with zeros.

        The window's sides are multiples of `reduce` but at the scene's end, where the last pixel is repeated.
        """
        image = samples.astype(np.float32) / np.float32(self.peak)
        if self.reduce > 1:
            image = box_mean(image, self.reduce)
        down, right = (-side % self.multiple for side in image.shape[1:])
        return np.pad(image, ((0, 0), (0, down), (0, right)))


def box_mean(image: Float[np.ndarray, "c h w"], factor: int) -> Float[np.ndarray, "c H W"]:
    """Means of factor x factor pixels; the last ones are repeated where sides are no multiples.

    >>> box_mean(np.array([[[1.0, 3.0], [5.0, 7.0]]], dtype=np.float32), 2).tolist()
    [[[4.0]]]
    """
    down, right = (-side % factor for side in image.shape[1:])
    image = np.pad(image, ((0, 0), (0, down), (0, right)), mode="edge")
    c, h, w = image.shape
    return image.reshape(c, h // factor, factor, w // factor, factor).mean(axis=(2, 4), dtype=np.float32)
