"""A whole semantic segmentor, from images to the probability of each class at each pixel."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from se_backbones.lab.export.errors import ExportError
from se_backbones.lab.export.images import Images


class Segmentor(nn.Module):
    """``images (N, 3, H, W)`` to ``scores (N, classes, H, W)``, which sum to one at each pixel.

    Args:
        model: An mmseg ``EncoderDecoder`` that looks at whole images, with a decode head of two classes or more.

    Raises:
        ExportError: The head is of another kind, has one channel, or the model slides a window over its images.
    """

    outputs = ('scores',)
    takes_batches = True

    def __init__(self, model: nn.Module):
        super().__init__()
        from mmseg.models.decode_heads.decode_head import BaseDecodeHead
        head, instead = model.decode_head, "; the maps before it can be: part='features'."
        if any(getattr(type(head), name, None) is not getattr(BaseDecodeHead, name)
               for name in ('predict', 'predict_by_feat')):
            raise ExportError(f'model.decode_head.type={type(head).__name__!r} predicts in a way of its own and cannot '
                              f'be exported{instead}')
        if head.out_channels < 2:
            raise ExportError('model.decode_head.out_channels=1 cannot be exported, only a channel for each '
                              f'class{instead}')
        if model.test_cfg.get('mode', 'whole') != 'whole':
            raise ExportError(f'model.test_cfg.mode={model.test_cfg["mode"]!r}: a file takes whole images. Set '
                              "model.test_cfg.mode='whole', which may change the result.")
        self.images = Images(model.data_preprocessor)
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        prepared = self.images(images)
        head = self.model.decode_head
        logits = F.interpolate(head(self.model.extract_feat(prepared)), prepared.shape[-2:], mode='bilinear',
                               align_corners=head.align_corners)
        return torch.softmax(logits[..., :height, :width], 1)

    def expected(self, batch: dict) -> list[Tensor]:
        """Return the outputs for the images of a batch, as mmseg computes them before it resizes them."""
        height, width = batch['inputs'][0].shape[-2:]
        with torch.no_grad():
            data = self.model.data_preprocessor(batch, False)
            logits = self.model.inference(data['inputs'], [sample.metainfo for sample in data['data_samples']])
        return [torch.softmax(logits[..., :height, :width], 1)]

    def prediction(self, outputs: list[Tensor], sample: Any) -> Any:
        """Put the outputs for one image into its data sample, at the size that the image had before the pipeline."""
        from mmengine.structures import PixelData
        # mmseg enlarges logits; these differ from them by one number for all classes of a pixel, which decides nothing.
        logits = outputs[0].clamp_min(torch.finfo(torch.float32).tiny).log()
        logits = F.interpolate(logits, sample.ori_shape, mode='bilinear',
                               align_corners=self.model.decode_head.align_corners)
        sample.pred_sem_seg = PixelData(data=logits[0].argmax(0, keepdim=True))
        return sample
