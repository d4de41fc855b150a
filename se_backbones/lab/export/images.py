"""Channel order, normalisation and padding inside of the exported network."""

import torch
import torch.nn.functional as F
from mmengine.model import ImgDataPreprocessor
from torch import Tensor, nn

from se_backbones.lab.export.errors import ExportError


class Images(nn.Module):
    """A model's data preprocessor as operations on one tensor; ``(N, C, H, W)`` to ``(N, C, H', W')``, float32.

    Images come as the config's test pipeline leaves them: pixels from 0 to 255, in the order that
    :func:`se_backbones.lab.inference.reading.channel_order` returns. They leave in the model's channel order,
    normalised, and padded at the right and at the bottom to the next multiple of ``pad_size_divisor``.

    Args:
        preprocessor: Of an mmpretrain classifier, an mmdet detector or an mmseg segmentor.

    Raises:
        ExportError: The preprocessor is of another kind, or pads images to one size.
    """

    def __init__(self, preprocessor: nn.Module):
        super().__init__()
        if isinstance(preprocessor, ImgDataPreprocessor):  # mmdet's and mmseg's among them
            self.swaps_channels = preprocessor._channel_conversion
        elif type(preprocessor).__name__ == 'ClsDataPreprocessor':
            self.swaps_channels = preprocessor.to_rgb
        else:
            raise ExportError(f'model.data_preprocessor.type={type(preprocessor).__name__!r} is none of those that can '
                              "be exported: 'DetDataPreprocessor', 'ImgDataPreprocessor', 'ClsDataPreprocessor'.")
        normalises = preprocessor._enable_normalize
        self.register_buffer('mean', preprocessor.mean.clone() if normalises else torch.zeros(1, 1, 1))
        self.register_buffer('std', preprocessor.std.clone() if normalises else torch.ones(1, 1, 1))
        self.divisor = preprocessor.pad_size_divisor
        if type(preprocessor).__name__ == 'SegDataPreProcessor':  # pads tests by settings of their own
            padding = preprocessor.test_cfg or {}
            if padding.get('size') is not None:
                raise ExportError(f'model.data_preprocessor.test_cfg.size={padding["size"]} cannot be exported, only a '
                                  'size_divisor.')
            self.divisor = padding.get('size_divisor') or 1
        self.pad_value = float(preprocessor.pad_value)

    def forward(self, images: Tensor) -> Tensor:
        if self.swaps_channels and images.shape[1] == 3:  # of others mmpretrain leaves the order
            images = images.flip(1)
        images = (images - self.mean) / self.std
        if self.divisor > 1:
            height, width = images.shape[-2:]
            images = F.pad(images, (0, -width % self.divisor, 0, -height % self.divisor), value=self.pad_value)
        return images
