"""Classifiers of images: the ResNet of CIFAR (He et al., arXiv 1512.03385, section 4.2) and the plain ViT.

Both take images 0..1 and normalize them by buffers of their own. The ViT has the layout and the names of DeiT
(arXiv 2012.12877) as timm has them.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vedette.errors import InputError, UnknownNameError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green, blue


class Normalize(nn.Module):
    """(image - mean) / std of each channel."""

    def __init__(self, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return (image - self.mean) / self.std


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalization; the shortcut drops pixels and adds channels of zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.stride, self.more = stride, outputs - inputs

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        inner = self.relu(self.bn1(self.conv1(x)))
        inner = self.bn2(self.conv2(inner))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.more:
            x = nn.functional.pad(x, (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return self.relu(inner + x)


class ResNet(nn.Module):
    """6 n + 2 layers: three stages of n blocks at full, half and quarter size. 20 layers have 0.27 M
    parameters.

    Args:
        depth: 20, 32, 44, 56 or 110 in the paper.
        width: channels of the first stage; the others have 2 and 4 times as many.

    >>> sum(parameter.numel() for parameter in ResNet(depth=20).parameters())
    269722
    """

    def __init__(self, *, depth: int = 20, width: int = 16, classes: int = 10) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise InputError(f"a ResNet of {depth} layers", hint="take 6 n + 2: 20, 32, 44, 56 or 110")
        self.normalize = Normalize()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        blocks: list[nn.Module] = []
        inputs = width
        for stage in range(3):
            for index in range((depth - 2) // 6):
                outputs = width << stage
                blocks.append(BasicBlock(inputs, outputs, 2 if stage and not index else 1))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        x = self.relu(self.bn1(self.conv1(self.normalize(image))))
        return self.fc(self.blocks(x).mean(dim=(2, 3)))


class Attention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: Float[Tensor, "b tokens d"]) -> Float[Tensor, "b tokens d"]:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))


class Mlp(nn.Module):
    """Linear, GELU, Linear."""

    def __init__(self, embed_dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden)
        self.fc2 = nn.Linear(hidden, embed_dim)

    def forward(self, x: Float[Tensor, "b tokens d"]) -> Float[Tensor, "b tokens d"]:
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class TransformerBlock(nn.Module):
    """Pre-normalized attention and MLP, each with a residual."""

    def __init__(self, embed_dim: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.attn = Attention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-6)
        self.mlp = Mlp(embed_dim, int(embed_dim * mlp_ratio))

    def forward(self, x: Float[Tensor, "b tokens d"]) -> Float[Tensor, "b tokens d"]:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """Each square patch becomes a token."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, patch_size, stride=patch_size)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b tokens d"]:
        return self.proj(image).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Patches, a class token, learned positions, `depth` blocks, a normalization and a linear head.

    Args:
        image_size: side of the square images, pixels; a multiple of `patch_size`.

    >>> sum(p.numel() for p in build_classifier("deit-tiny", classes=1000).parameters())  # 5.7 M published
    5717416
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        patch_size: int = 16,
        embed_dim: int = 192,
        depth: int = 12,
        num_heads: int = 3,
        mlp_ratio: float = 4.0,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        if image_size % patch_size or embed_dim % num_heads:
            raise InputError(
                f"images of {image_size} in patches of {patch_size}, width {embed_dim} in {num_heads} heads",
                hint="each must be a multiple of the other",
            )
        self.image_size = image_size
        self.normalize = Normalize()
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, (image_size // patch_size) ** 2 + 1, embed_dim))
        self.blocks = nn.Sequential(
            *(TransformerBlock(embed_dim, num_heads, mlp_ratio) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.head = nn.Linear(embed_dim, classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        if image.shape[2:] != (self.image_size, self.image_size):
            raise InputError(
                f"images of {image.shape[2]}x{image.shape[3]} pixels",
                hint=f"this network takes {self.image_size}x{self.image_size}",
            )
        x = self.patch_embed(self.normalize(image))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


CLASSIFIERS: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "resnet20": (ResNet, {"depth": 20}),
    "vit-64": (  # 0.8 M parameters, for tiles of 64 pixels
        VisionTransformer,
        {"image_size": 64, "patch_size": 8, "embed_dim": 128, "depth": 4, "num_heads": 4},
    ),
    "deit-tiny": (VisionTransformer, {}),
    "deit-small": (VisionTransformer, {"embed_dim": 384, "num_heads": 6}),
    "deit-base": (VisionTransformer, {"embed_dim": 768, "num_heads": 12}),
}


def build_classifier(name: str, *, classes: int, **changed: Any) -> nn.Module:
    """The classifier called `name`, newly initialized; `changed` are other values than its own.

    Raises:
        UnknownNameError: no such classifier.

    >>> build_classifier("resnet20", classes=10)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    if name not in CLASSIFIERS:
        raise UnknownNameError("classifier", name, CLASSIFIERS)
    kind, values = CLASSIFIERS[name]
    return kind(**(values | changed), classes=classes)
