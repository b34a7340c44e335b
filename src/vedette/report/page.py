"""The frame of every page: one HTML file that fetches nothing, light or dark, on a phone or on paper."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined
from PIL import Image

from vedette import __version__
from vedette.images import write_atomically

SIDE_MOST = 1024  # pixels: larger pictures are shown smaller, and the page says so

_FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ title }}</title>
<style>
:root { --paper: #fcfcfa; --card: #ffffff; --ink: #1d2329; --soft: #59636e; --line: #dfe3e6;
  --accent: #0b63a5; --warn: #8a4b00; --warn-paper: #fff4e0; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #14181c; --card: #1c2126; --ink: #e6eaee; --soft: #9aa6b2; --line: #323a42;
    --accent: #6cb6f2; --warn: #ffcf8a; --warn-paper: #33270f; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0 0 1.5rem; font-size: 1.7rem; line-height: 1.25; letter-spacing: -0.01em;
  overflow-wrap: anywhere; }
h2 { margin: 0 0 .2rem; font-size: 1.05rem; }
p { margin: 0 0 .7rem; color: var(--soft); }
section { margin: 0 0 1.25rem; padding: 1.1rem 1.25rem 1.25rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .6rem; break-inside: avoid; }
img { display: block; width: 100%; height: auto; max-height: 85vh; object-fit: contain;
  border-radius: .3rem; }
footer { color: var(--soft); font-size: .85rem; }
pre { margin: 0; font: .88rem/1.5 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; }
{{ style }}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  section { border-color: #bbb; }
}
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% block content %}{% endblock %}
<footer>Vedette {{ version }}</footer>
</body>
</html>
"""


def render(template: str, *, style: str, title: str, **values: object) -> str:
    """A whole page: `template` fills the block `content` of the frame; every value is escaped.

    Args:
        template: Jinja text that starts with `{% extends "frame" %}`.
        style: CSS of ours; it is put in as it stands.

    Raises:
        jinja2.UndefinedError: the template names a value that was not given.

    >>> page = render('{% extends "frame" %}{% block content %}{{ a }}{% endblock %}',
    ...               style="", title="<b>", a="1 < 2")
    >>> "<title>&lt;b&gt;</title>" in page, "1 &lt; 2" in page
    (True, True)
    """
    environment = Environment(
        loader=DictLoader({"frame": _FRAME.replace("{{ style }}", style), "page": template}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page").render(title=title, version=__version__, **values)


def data_uri(picture: Image.Image) -> str:
    """The picture as a PNG inside an address, so that the page carries it.

    >>> data_uri(Image.new("L", (1, 1)))[:22]
    'data:image/png;base64,'
    """
    file = BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + b64encode(file.getvalue()).decode("ascii")


def write_report(path: Path, html: str) -> None:
    """Write a page as UTF-8 under `path`, whole or not at all.

    Raises:
        VedetteError: the folder is missing or cannot be written to.
    """
    write_atomically(path, html.encode("utf-8"))
