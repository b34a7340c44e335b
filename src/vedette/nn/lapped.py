"""The lapped orthogonal transform: a block DCT behind a filter across the block borders.

A block DCT decorrelates inside 8 x 8 pixels and leaves seams; the lapped transform first rotates
the 8 pixels that straddle each border, so that its basis functions are 16 pixels long and fade out.
Both halves are matrices here, so that a network can start as the transform and learn on from it.

Source: H. Malvar, Signal Processing with Lapped Transforms, 1992; the time-domain form with a
pre-filter is Tran, Liang and Tu, IEEE Trans. Signal Processing 51(6), 2003.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

BLOCK = 8  # pixels a side


def dct_matrix(size: int) -> Float[Tensor, "size size"]:
    """The orthonormal DCT-II, one basis function a row.

    >>> matrix = dct_matrix(8)
    >>> torch.allclose(matrix @ matrix.T, torch.eye(8, dtype=torch.float64))
    True
    """
    index = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * (index[None] + 0.5) * index[:, None]) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def border_matrix(size: int = BLOCK) -> Float[Tensor, "size size"]:
    """The orthogonal pre-filter on `size` pixels centered on a block border.

    A signal that is symmetric about the border passes unchanged, so extending an image
    symmetrically makes the filter an identity at the image's own border.

    >>> matrix = border_matrix()
    >>> torch.allclose(matrix @ matrix.T, torch.eye(8, dtype=torch.float64))
    True
    """
    half = size // 2
    identity, exchange = torch.eye(half, dtype=torch.float64), torch.eye(half, dtype=torch.float64).flip(0)
    index = torch.arange(half, dtype=torch.float64)
    dct_iv = math.sqrt(2 / half) * torch.cos(math.pi / half * (index[None] + 0.5) * (index[:, None] + 0.5))
    rotate = exchange @ dct_matrix(half).T @ dct_iv @ exchange
    butterfly = torch.cat([torch.cat([identity, exchange], 1), torch.cat([exchange, -identity], 1)])
    return butterfly @ torch.block_diag(identity, rotate) @ butterfly / 2


def color_matrix() -> Float[Tensor, "3 3"]:
    """Orthonormal luma and two differences: the rows are their weights on red, green, blue."""
    rows = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]], dtype=torch.float64)
    return rows / rows.norm(dim=1, keepdim=True)


def symmetric_pad(x: Float[Tensor, "b c h w"], margin: int) -> Float[Tensor, "b c H W"]:
    """Mirror `margin` pixels outside each border, the border pixel included.

    >>> symmetric_pad(torch.arange(4.0).reshape(1, 1, 2, 2), 1)[0, 0]
    tensor([[0., 0., 1., 1.],
            [0., 0., 1., 1.],
            [2., 2., 3., 3.],
            [2., 2., 3., 3.]])
    """
    x = torch.cat([x[..., :margin].flip(-1), x, x[..., -margin:].flip(-1)], dim=-1)
    return torch.cat([x[..., :margin, :].flip(-2), x, x[..., -margin:, :].flip(-2)], dim=-2)


def _on_borders(x: Float[Tensor, "b c h w"], matrix: Float[Tensor, "k k"]) -> Float[Tensor, "b c h w"]:
    """Apply `matrix` to the 8 x 8 pixels around each crossing of block borders."""
    margin = BLOCK // 2
    groups = functional.pixel_unshuffle(symmetric_pad(x, margin), BLOCK)
    filtered = functional.conv2d(groups, matrix[:, :, None, None])
    return functional.pixel_shuffle(filtered, BLOCK)[..., margin:-margin, margin:-margin]


class LappedAnalysis(nn.Module):
    """image (3, H, W) --border filter--> --8 x 8 blocks, color and DCT--> (192, H/8, W/8).

    >>> LappedAnalysis()(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 192, 2, 3])
    """

    def __init__(self) -> None:
        super().__init__()
        border, dct = border_matrix(), dct_matrix(BLOCK)
        eye = torch.eye(3, dtype=torch.float64)
        self.border = nn.Parameter(torch.kron(eye, torch.kron(border, border)).float())
        self.block = nn.Parameter(torch.kron(color_matrix(), torch.kron(dct, dct)).float())

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 192 h//8 w//8"]:
        with torch.autocast(image.device.type, enabled=False):  # the signal itself stays in float32
            blocks = functional.pixel_unshuffle(_on_borders(image, self.border), BLOCK)
            return functional.conv2d(blocks, self.block[:, :, None, None])


class LappedSynthesis(nn.Module):
    """(192, H/8, W/8) --inverse DCT and color--> --inverse border filter--> image (3, H, W).

    Starts as the exact inverse of `LappedAnalysis`, borders included.

    >>> image = torch.rand(1, 3, 16, 24)
    >>> torch.allclose(LappedSynthesis()(LappedAnalysis()(image)), image, atol=1e-5)
    True
    """

    def __init__(self) -> None:
        super().__init__()
        analysis = LappedAnalysis()
        self.border = nn.Parameter(analysis.border.detach().T.contiguous())
        self.block = nn.Parameter(analysis.block.detach().T.contiguous())

    def forward(self, coefficients: Float[Tensor, "b 192 h w"]) -> Float[Tensor, "b 3 8*h 8*w"]:
        with torch.autocast(coefficients.device.type, enabled=False):
            blocks = functional.conv2d(coefficients, self.block[:, :, None, None])
            return _on_borders(functional.pixel_shuffle(blocks, BLOCK), self.border)
