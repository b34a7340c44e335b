"""Trained classifiers as files: safetensors in float16, with the network's name, its classes and the image
side.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from vedette.errors import InputError, UnknownNameError
from vedette.images import write_atomically
from vedette.nn.classify import build_classifier

WEIGHTS = Path(__file__).parent.parent / "weights"
SIDE_MOST = 1024  # pixels


@dataclass(frozen=True)
class Classifier:
    """A network and what belongs to it.

    Args:
        name: of the network, as `build_classifier` knows it.
        classes: in the order of its scores.
        side: of the images it was trained on, pixels.
    """

    model: nn.Module
    name: str
    classes: tuple[str, ...]
    side: int


def save_classifier(path: Path, classifier: Classifier) -> None:
    """Write the file, whole or not at all; a network in low bits is written as the float one it came from."""
    tensors = {
        name: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.cpu()
        for name, value in classifier.model.state_dict().items()
    }
    metadata = {"name": classifier.name, "classes": list(classifier.classes), "side": classifier.side}
    write_atomically(path, save(tensors, metadata={"classifier": json.dumps(metadata)}))


def shipped() -> tuple[str, ...]:
    """Names of the classifiers that ship with the package."""
    return tuple(sorted(path.stem for path in WEIGHTS.glob("*.safetensors") if _metadata(path)))


def load_classifier(name: str | Path) -> Classifier:
    """The shipped classifier called `name`, or that of the file which `name` is the path of.

    Raises:
        UnknownNameError: neither.
        InputError: a file of something else.
    """
    path = Path(name)
    if not path.suffix:
        if str(name) not in shipped():
            raise UnknownNameError("classifier", str(name), shipped())
        path = WEIGHTS / f"{name}.safetensors"
    metadata = _metadata(path)
    if not metadata:
        raise InputError(f"{path.name} holds no classifier", hint="give a file that `vedette lowbit` wrote")
    try:
        found = json.loads(metadata)
        classes, side = tuple(map(str, found["classes"])), int(found["side"])
        if not 1 <= side <= SIDE_MOST or len(classes) < 2:
            raise ValueError
        model = build_classifier(str(found["name"]), classes=len(classes))
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except (KeyError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"{path.name} is damaged: {str(error).splitlines()[0] if str(error) else 'its header'}",
            hint="train it again, or take a shipped one",
        ) from error
    return Classifier(model.eval(), str(found["name"]), classes, side)


def _metadata(path: Path) -> str:
    """What the file says of its classifier; nothing where it says nothing or is no such file."""
    try:
        with safe_open(path, framework="pt") as file:
            return str((file.metadata() or {}).get("classifier", ""))
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", hint="check the path") from error
    except SafetensorError as error:
        raise InputError(f"{path.name} is no safetensors file", hint="give a weights file") from error
