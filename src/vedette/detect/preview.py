"""A picture of a detector in training: bands, what super-resolution makes of them, truth and findings."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw

from vedette.data.boxes import BoxImage
from vedette.detect.outputs import BACKGROUND, INK, colors, outlines
from vedette.detect.scene import Finding, pick
from vedette.detect.spec import DetectorSpec, box_mean
from vedette.detect.store import Store
from vedette.detect.task import Learner

SIDE_MOST = 320  # pixels of the network's input
TRUTH = (255, 255, 255)
GAP = 4  # pixels between panels
LABEL = 14  # pixels of a panel's title


@torch.no_grad()
def preview(learner: Learner, store: Store, image: BoxImage, spec: DetectorSpec) -> Image.Image:
    """The middle of an image as panels: for each group what the network sees, what the branch makes of it and
    what that should be; then the first group with the truth (white) and what was found (by class).
    """
    factor = learner.branch.factor if learner.branch is not None else 1
    side = SIDE_MOST // spec.multiple * spec.multiple
    height, width = (
        max(spec.multiple, min(side, n // spec.reduce // spec.multiple * spec.multiple))
        for n in (image.height, image.width)
    )
    top = max(0, (image.height - height * spec.reduce) // 2)
    left = max(0, (image.width - width * spec.reduce) // 2)
    samples = store.read(image)[:, top : top + height * spec.reduce, left : left + width * spec.reduce]
    seen = spec.prepare(samples)[:, :height, :width]
    scaled = samples.astype(np.float32) / np.float32(spec.peak)
    sharp = box_mean(scaled, spec.reduce // factor) if spec.reduce > factor else scaled
    learner.network.eval()
    device = next(learner.network.parameters()).device
    fine, deep, maps = learner.network.features(torch.from_numpy(seen)[None].to(device))
    rows = learner.network.head(maps).decode()[0].float().cpu().numpy()
    made = None
    if learner.branch is not None:
        made = learner.branch(fine, deep)[0].float().cpu().numpy()
    panels, first = [], 0
    for name, count in spec.groups:
        shown = slice(first, first + (3 if count >= 3 else 1))
        panels.append((f"{name}, seen", _picture(seen[shown], factor)))
        if made is not None:
            panels += [(f"{name}, made", _picture(made[shown])), (f"{name}, sharp", _picture(sharp[shown]))]
        first += count
    count = spec.groups[0][1]
    boxes = _picture(sharp[: 3 if count >= 3 else 1])
    draw = ImageDraw.Draw(boxes)
    scale = factor / spec.reduce
    for box in (image.xyxy[~image.ignore] - [left, top, left, top]) * scale:
        draw.rectangle(box.tolist(), outline=TRUTH)
    found = pick(rows, spec, Finding())
    for ring, label in zip(outlines(found) * factor, found.labels.tolist(), strict=True):
        points = [(float(x), float(y)) for x, y in ring]
        draw.line([*points, points[0]], fill=colors(len(spec.classes))[label])
    panels.append((f"{len(found)} found, truth in white", boxes))
    return _beside(panels)


def _picture(bands: Float[np.ndarray, "c h w"], enlarge: int = 1) -> Image.Image:
    """Values 0 to 1 as a picture, each pixel `enlarge` times as large."""
    bands = np.broadcast_to(bands, (3, *bands.shape[1:])).repeat(enlarge, axis=1).repeat(enlarge, axis=2)
    return Image.fromarray(np.rint(np.clip(bands, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0).copy())


def _beside(panels: list[tuple[str, Image.Image]]) -> Image.Image:
    width = sum(picture.width + GAP for _, picture in panels) - GAP
    canvas = Image.new("RGB", (width, max(p.height for _, p in panels) + LABEL), BACKGROUND)
    draw, left = ImageDraw.Draw(canvas), 0
    for title, picture in panels:
        canvas.paste(picture, (left, LABEL))
        draw.text((left + 2, 1), title, fill=INK)
        left += picture.width + GAP
    return canvas
