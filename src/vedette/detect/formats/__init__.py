"""Published detection sets in their own formats, read into one kind of set and written as COCO.

`convert` does all of it. A reader of `FORMATS` takes a folder and `Options` and gives what it `Found`.
"""

from vedette.detect.formats.convert import FORMATS, convert
from vedette.detect.formats.found import Found, Options
from vedette.detect.formats.report import Report, duplicates

__all__ = ["FORMATS", "Found", "Options", "Report", "convert", "duplicates"]
