"""The additive colour jitter of the SENet repository's augmentation table: "Pixel Jitter: -20 ~ 20".

No host library has it: mmpretrain's ``ColorJitter`` multiplies, and its ``Lighting`` adds without stopping at 0 and
255, where integers wrap around.
"""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from se_backbones.registry import TRANSFORMS
from se_backbones.utils.validation import one_of

PER = ('channel', 'image', 'pixel')


@TRANSFORMS.register_module()
class PixelJitter(BaseTransform):
    """Add a uniformly drawn offset to ``img`` ``(H, W, C)`` with values from 0 to 255; the dtype is kept.

    Args:
        delta: The offset lies between ``-delta`` and ``delta``.
        per: What has an offset of its own: each ``'channel'`` of an image (default), each ``'image'``, or each
            ``'pixel'`` and channel. The authors do not say which of them they mean.

    Raises:
        ValueError: ``delta`` is not above 0 and at most 255, or ``per`` is none of the three.
    """

    def __init__(self, delta: float = 20, per: str = 'channel'):
        if isinstance(delta, bool) or not isinstance(delta, (int, float)) or not 0 < delta <= 255:
            raise ValueError(f'PixelJitter.delta must be above 0 and at most 255, got {delta!r}.')
        self.delta = delta
        self.per = one_of('PixelJitter.per', per, PER)

    @cache_randomness
    def _offset(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.random.uniform(-self.delta, self.delta, size=shape).astype(np.float32)

    def transform(self, results: dict) -> dict:
        image = results['img']
        shape = {'channel': (1, 1, image.shape[2]), 'image': (1, 1, 1), 'pixel': image.shape}[self.per]
        jittered = np.clip(image + self._offset(shape), 0, 255)
        if np.issubdtype(image.dtype, np.integer):
            jittered = jittered.round()
        results['img'] = jittered.astype(image.dtype)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(delta={self.delta}, per={self.per!r})'
