"""Convolution, norm, ReLU: the layer that networks other than ResNets repeat; and their width multiplier."""

from mmcv.cnn import ConvModule


class ConvNorm(ConvModule):
    """mmcv's convolution, norm, ReLU (``conv``, ``bn`` or ``gn``, ...; timm's names too), drawn by the backbone.

    mmcv's own draws its parameters after the backbone's ``init_cfg`` did, which would then have no effect on it.
    """

    def init_weights(self) -> None:
        """Draw nothing, except for convolutions with a start of their own: deformable ones begin at offset zero."""
        if hasattr(self.conv, 'init_weights'):
            self.conv.init_weights()


def widened(channels: int, widen_factor: float) -> int:
    """Return ``max(1, int(channels * widen_factor))``.

    Raises:
        ValueError: ``widen_factor`` is no number above 0.
    """
    if isinstance(widen_factor, bool) or not isinstance(widen_factor, (int, float)) or not widen_factor > 0:
        raise ValueError(f'widen_factor must be a number above 0, got {widen_factor!r}.')
    return max(1, int(channels * widen_factor))
