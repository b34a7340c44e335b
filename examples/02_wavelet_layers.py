"""Convolutions in the wavelet domain in networks of other kinds: the codec `charm` and a ResNet-20.

    python examples/02_wavelet_layers.py [--steps 150]

In `charm` it is one keyword. In the classifier the second convolution of every block is exchanged. Each is
measured beside its plain form: parameters, multiply-adds, seconds of a forward pass; and the classifiers'
accuracy after a short training, in telling from red, green and blue how bright a piece of the shipped scene
is in the near infrared, by quarters of its range.
"""

import argparse
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from vedette import codec
from vedette.images import Window, open_scene
from vedette.nn.classify import BasicBlock, ResNet
from vedette.nn.weconv import WeConv3D
from vedette.samples import scene_path


def cost(network: nn.Module, *inputs: torch.Tensor) -> str:
    """Size, work and time of one forward pass."""
    network.eval()
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            network(*inputs)
        start = time.perf_counter()
        network(*inputs)
        seconds = time.perf_counter() - start
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    mega_macs = counter.get_total_flops() / 2e6
    return f"{millions:6.2f} M parameters {mega_macs:8.1f} MMAC {1000 * seconds:7.1f} ms"


def wavelet_resnet() -> nn.Module:
    """A ResNet-20 whose blocks end in a `WeConv3D` in place of a 3x3 convolution."""
    network = ResNet(depth=20, classes=4)
    for block in network.modules():
        if isinstance(block, BasicBlock):
            block.conv2 = WeConv3D(block.conv2.out_channels, "none", wavelet="5/3", levels=1)
    return network


def pieces(scene: torch.Tensor, count: int, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Pieces of 32 x 32 pixels, in color, and their mean near infrared."""
    rows = torch.randint(scene.shape[1] - 32, (count,), generator=random).tolist()
    columns = torch.randint(scene.shape[2] - 32, (count,), generator=random).tolist()
    cut = torch.stack([scene[:, r : r + 32, c : c + 32] for r, c in zip(rows, columns, strict=True)])
    return cut[:, :3], cut[:, 3].mean(dim=(1, 2))


def accuracy(network: nn.Module, scene: torch.Tensor, steps: int) -> float:
    """Percent of pieces of the lower quarter of the scene put right, learned on the rest."""
    random = torch.Generator().manual_seed(1)
    border = scene.shape[1] * 3 // 4
    quarters = pieces(scene[:, :border], 1000, random)[1].quantile(torch.tensor([0.25, 0.5, 0.75]))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    network.train()
    for _ in range(steps):
        colors, infrared = pieces(scene[:, :border], 32, random)
        optimizer.zero_grad()
        cross_entropy(network(colors), torch.bucketize(infrared, quarters)).backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        colors, infrared = pieces(scene[:, border:], 400, random)
        return 100 * (network(colors).argmax(1) == torch.bucketize(infrared, quarters)).float().mean().item()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100, help="of the classifiers' training")
    steps = parser.parse_args().steps
    torch.manual_seed(1)
    crop, quality = torch.rand(1, 3, 64, 64), torch.tensor([32.0])
    for conv in ("residual", "weconv", "weconv3d"):
        print(f"charm, conv={conv!r:11} {cost(codec.build('charm', conv=conv), crop, quality)}")
    with open_scene(scene_path()) as file:
        scene = torch.from_numpy(file.read(Window(0, 0, file.height, file.width))).float() / 255
    for name, network in (("plain", ResNet(depth=20, classes=4)), ("WeConv3D", wavelet_resnet())):
        size = cost(network, scene[None, :3, :64, :64])
        print(f"ResNet-20, {name:9}      {size} {accuracy(network, scene, steps):5.1f} % after {steps} steps")


if __name__ == "__main__":
    main()
