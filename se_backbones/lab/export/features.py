"""Backbone and neck of a model, for a head of your own."""

from functools import cached_property

import torch
from torch import Tensor, nn

from se_backbones.lab.export.images import Images
from se_backbones.models.sizes import empty_image


class Features(nn.Module):
    """``images (N, 3, H, W)`` to what the model's head takes, ``feature_0``, ``feature_1``, ...: maps or vectors.

    Args:
        model: A classifier, detector or segmentor with a backbone, and a neck or none.
    """

    takes_batches = True

    def __init__(self, model: nn.Module):
        super().__init__()
        self.images = Images(model.data_preprocessor)
        self.backbone = model.backbone
        self.neck = model.neck if getattr(model, 'with_neck', False) else nn.Identity()
        # Not `model` itself: a file would hold the weights of its head too.
        self._preprocess = [model.data_preprocessor]

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        # No attribute of every backbone and neck says how many they are.
        with torch.no_grad():
            made = self(empty_image(self.backbone))
        return tuple(f'feature_{number}' for number in range(len(made)))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.neck(self.backbone(self.images(images))))

    def expected(self, batch: dict) -> list[Tensor]:
        """Return the outputs for a batch, with the model's own preprocessor."""
        with torch.no_grad():
            return list(self.neck(self.backbone(self._preprocess[0](batch, False)['inputs'])))
