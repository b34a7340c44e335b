"""Sizes and tables as people write and read them."""

import json
import re
from collections.abc import Mapping

import click

UNITS = {"": 1, "B": 1, "kB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}


class ByteSize(click.ParamType):
    """A size in bytes, kB, MB, KiB or MiB.

    >>> ByteSize().convert("1.5kB", None, None)
    1500
    """

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(value))
        units = {unit.lower(): factor for unit, factor in UNITS.items()}
        if not match or match[2].lower() not in units:
            self.fail(f"{value!r} is not a size; write bytes, or 100kB, 2MB, 64KiB, 1MiB", param, context)
        size = int(float(match[1]) * units[match[2].lower()])
        if not 1 <= size < 1 << 63:
            self.fail("a size is 1 byte to 8 EiB", param, context)
        return size


def show(rows: Mapping[str, object], *, as_json: bool) -> None:
    """Print results on stdout: aligned, or as one JSON object."""
    if as_json:
        click.echo(json.dumps(rows))
        return
    width = max(map(len, rows))
    for name, value in rows.items():
        match value:
            case bool():
                text = "yes" if value else "no"
            case float():
                text = f"{value:,.4g}"
            case int():
                text = f"{value:,}"
            case _:
                text = str(value)
        click.echo(f"{name.replace('_', ' '):<{width}}  {text}")
