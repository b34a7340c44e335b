"""ffmpeg: where it is, how it is run, and still images coded by its VVC encoder.

The program comes with the PyPI package imageio-ffmpeg (extra `anchors`), whose build holds VVenC;
`IMAGEIO_FFMPEG_EXE` names another one. It is started as a separate program and never linked.
"""

import re
from collections.abc import Sequence
from functools import cache
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vedette.errors import InputError, MissingExtraError, ToolError
from vedette.tools import process

TIMEOUT_S = 600.0
# ITU-R BT.709, full range, exact rounding: what loses least on the way to YCbCr and back.
_SCALE = "flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic"
PRESETS = ("faster", "fast", "medium", "slow", "slower")


def executable() -> str:
    """Path of the ffmpeg program.

    Raises:
        MissingExtraError: imageio-ffmpeg is not installed, or holds no program for this platform.
    """
    hint = "pip install 'vedette[anchors]', or let IMAGEIO_FFMPEG_EXE name an ffmpeg that has libvvenc"
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as error:
        raise MissingExtraError("ffmpeg is needed, and imageio-ffmpeg is not installed", hint=hint) from error
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError as error:
        raise MissingExtraError(
            "imageio-ffmpeg finds no ffmpeg program on this machine", hint=hint
        ) from error


def run(arguments: Sequence[str], data: bytes = b"", *, timeout_s: float = TIMEOUT_S) -> tuple[bytes, str]:
    """What ffmpeg writes to stdout and what it says on stderr when it reads `data` from stdin.

    Raises:
        ToolError: it does not start, ends with another code than 0, or runs beyond `timeout_s` seconds.
    """
    command = (
        [executable(), "-hide_banner", "-nostdin", *arguments]
        if not data
        else [executable(), "-hide_banner", *arguments]
    )
    said = process.run(
        command,
        name="ffmpeg",
        data=data,
        timeout_s=timeout_s,
        too_long="try a smaller image",
        no_start="see IMAGEIO_FFMPEG_EXE",
    )
    return said.data, said.log


@cache
def has_vvenc() -> bool:
    """Whether this ffmpeg was built with the VVC encoder libvvenc."""
    return b"libvvenc" in run(["-v", "error", "-encoders"])[0]


@cache
def versions() -> tuple[str, str]:
    """Versions of ffmpeg and of the VVenC inside it, "?" where it does not say."""
    banner = run(["-version"])[0].decode(errors="replace")
    found = re.match(r"ffmpeg version n?(\d+(?:\.\d+)*|\S+)", banner)
    said = _vvenc(np.zeros((3, 64, 64), dtype=np.uint8), 40, "faster", "verbose")[1] if has_vvenc() else ""
    vvenc = re.search(r"libvvenc version: (\S+)", said)
    return found.group(1) if found else "?", vvenc.group(1) if vvenc else "?"


def vvc_encode(image: UInt8[np.ndarray, "3 h w"], qp: int, *, preset: str = "medium") -> bytes:
    """One RGB image as a VVC elementary stream: 4:2:0, 10 bit, constant QP, no perceptual tuning.

    The encoder wants even sides, so an odd one is extended by its last row or column: whoever decodes
    cuts that off again.

    Args:
        qp: 0 (best) to 63.
        preset: one of PRESETS, from quick to thorough.

    Raises:
        InputError: a QP or preset that VVenC has not.
        ToolError: ffmpeg failed, or has no libvvenc.
    """
    if not 0 <= qp <= 63 or preset not in PRESETS:
        raise InputError(
            f"QP {qp} and preset {preset!r}", hint=f"QP is 0..63, the preset one of {', '.join(PRESETS)}"
        )
    if not has_vvenc():
        raise ToolError(
            f"{executable()} was built without libvvenc", hint="unset IMAGEIO_FFMPEG_EXE, or name another"
        )
    _, height, width = image.shape
    even = np.pad(image, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    return _vvenc(even, qp, preset, "error")[0]


def vvc_decode(data: bytes) -> UInt8[np.ndarray, "3 h w"]:
    """The RGB image of a stream of `vvc_encode`; its sides are even.

    Raises:
        ToolError: not such a stream.
    """
    convert = f"scale=in_color_matrix=bt709:in_range=full:{_SCALE},format=rgb24"
    options = ["-v", "error", "-xerror", "-f", "vvc", "-color_range", "pc", "-i", "-", "-vf", convert]
    decoded, _ = run([*options, "-frames:v", "1", "-f", "image2pipe", "-c:v", "ppm", "-"], data)
    if not decoded:
        raise ToolError("ffmpeg found no picture in the stream", hint="give a VVC elementary stream")
    return np.ascontiguousarray(np.asarray(Image.open(BytesIO(decoded))).transpose(2, 0, 1))


def _vvenc(image: UInt8[np.ndarray, "3 h w"], qp: int, preset: str, loglevel: str) -> tuple[bytes, str]:
    _, height, width = image.shape
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "1", "-i", "-"]
    convert = f"scale=out_color_matrix=bt709:out_range=full:{_SCALE},format=yuv420p10le"
    coder = ["-frames:v", "1", "-c:v", "libvvenc", "-preset", preset, "-qp", str(qp), "-qpa", "0", "-g", "1"]
    options = ["-v", loglevel, *raw, "-vf", convert, *coder, "-f", "vvc", "-"]
    return run(options, image.transpose(1, 2, 0).tobytes())
