"""What a converted set holds and what was left out of it: the numbers to read before training."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette.data.boxes import BoxSet

SHOWN = 3  # names of a list that `Report.lines` prints; `Report.to_dict` has all


@dataclass(kw_only=True)
class Report:
    """Counts of a conversion; the readers fill it while they read.

    Args:
        kind: the format, a key of `FORMATS`.
        images: images of each part.
        objects: objects of each class, of each part; regions to ignore are not among them.
        ignored: regions to ignore, by the name they had.
        dropped: objects left out: class, then reason, then how many.
        clipped: boxes that reached beyond their image and were cut at its edge.
        no_area: boxes left out because nothing of them lies inside their image, by class.
        without_labels: images of which nothing is said.
        without_image: label files, or entries, whose image is not there.
        leaks: what two parts have in common.
        notes: what else the reader decided.

    >>> report = Report(kind="dota")
    >>> report.count("train", "plane")
    >>> report.drop("ship", "not wanted")
    >>> report.to_dict()["objects"], report.to_dict()["dropped"]
    ({'plane': 1}, {'ship': {'not wanted': 1}})
    """

    kind: str
    images: Counter[str] = field(default_factory=Counter)
    objects: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    ignored: Counter[str] = field(default_factory=Counter)
    dropped: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    clipped: int = 0
    no_area: Counter[str] = field(default_factory=Counter)
    without_labels: list[str] = field(default_factory=list)
    without_image: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, part: str, name: str, *, ignore: bool = False) -> None:
        """One more box of class `name`."""
        if ignore:
            self.ignored[name] += 1
        else:
            self.objects[part][name] += 1

    def drop(self, name: str, reason: str) -> None:
        """One object less."""
        self.dropped[name][reason] += 1

    @property
    def of_class(self) -> Counter[str]:
        """Objects of each class, all parts together."""
        return sum(self.objects.values(), Counter())

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return {
            "format": self.kind,
            "images": dict(self.images),
            "objects": dict(self.of_class),
            "objects_of_part": {part: dict(counts) for part, counts in self.objects.items()},
            "ignored": dict(self.ignored),
            "dropped": {name: dict(reasons) for name, reasons in self.dropped.items()},
            "clipped": self.clipped,
            "no_area": dict(self.no_area),
            "images_without_labels": list(self.without_labels),
            "labels_without_image": list(self.without_image),
            "leaks": list(self.leaks),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """The same as a table for a terminal."""
        parts = list(self.images)
        rows = [("", *parts), ("images", *(f"{self.images[part]:,}" for part in parts))]
        rows += [
            (name, *(f"{self.objects.get(part, Counter())[name]:,}" for part in parts))
            for name in sorted(self.of_class)
        ]
        first = max(len(row[0]) for row in rows)
        width = max((len(cell) for row in rows for cell in row[1:]), default=0)
        table = ["  ".join([row[0].ljust(first), *(cell.rjust(width) for cell in row[1:])]) for row in rows]
        for name, reasons in self.dropped.items():
            table += [f"dropped: {count:,} {name} ({reason})" for reason, count in reasons.items()]
        table += [f"to ignore: {count:,} {name}" for name, count in self.ignored.items()]
        if self.clipped:
            table.append(f"clipped at the edge of the image: {self.clipped:,}")
        table += [f"no area inside the image: {count:,} {name}" for name, count in self.no_area.items()]
        table += _some("images without labels", self.without_labels)
        table += _some("labels without image", self.without_image)
        table += _some("leaks", self.leaks)
        return table + [f"note: {note}" for note in self.notes]


def _some(title: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f", and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return [f"{title}: {len(names):,}: {', '.join(names[:SHOWN])}{more}"]


def duplicates(parts: Mapping[str, BoxSet]) -> list[str]:
    """Image files of one part that lie, byte for byte, in another as well: a sentence for each.

    A detector that is tested on what it learned looks better than it is. Copies that were resized or stored
    anew are not found.
    """
    of_size: defaultdict[int, list[tuple[str, Path]]] = defaultdict(list)
    for part, boxes in parts.items():
        for path in dict.fromkeys(path for image in boxes.images for path in image.paths):
            of_size[path.stat().st_size].append((part, path))
    found = []
    for files in of_size.values():
        if len({part for part, _ in files}) < 2:  # most files differ in size from all of the other parts
            continue
        same: defaultdict[bytes, list[tuple[str, Path]]] = defaultdict(list)
        for part, path in files:
            with path.open("rb") as stream:
                same[hashlib.file_digest(stream, "sha256").digest()].append((part, path))
        found += [_sentence(copies) for copies in same.values() if len({part for part, _ in copies}) > 1]
    return sorted(found)


def _sentence(copies: Iterable[tuple[str, Path]]) -> str:
    return " = ".join(f"{path.name} ({part})" for part, path in copies)
