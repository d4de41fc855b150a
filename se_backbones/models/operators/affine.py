"""Features that are an affine map of others, and are gathered from without being built."""

from typing import NamedTuple

from torch import Tensor


class AffineFeatures(NamedTuple):
    """``y = scale * x + shift``, ``(N, C, H, W)``: what a norm would make of ``x``.

    Attributes:
        x: ``(N, C, H, W)``.
        scale, shift: ``(C,)``, in float32 for half-precision ``x``; both None where y is x.
        means: The mean of each map of x, ``(N, C)``, for gathers that have ``needs_means``; else None.
    """

    x: Tensor
    scale: Tensor | None
    shift: Tensor | None
    means: Tensor | None = None

    def applied(self, gathered: Tensor) -> Tensor:
        """Return the affine map of what a mean-preserving gather made of x, ``(N, C, H', W')``, in x's dtype."""
        if self.scale is not None:
            gathered = gathered * self.scale[:, None, None] + self.shift[:, None, None]
        return gathered.to(self.x.dtype)
