"""A whole classifier, from images to the probability of each class."""

from typing import Any

import torch
from torch import Tensor, nn

from se_backbones.lab.export.errors import ExportError
from se_backbones.lab.export.images import Images


class Classifier(nn.Module):
    """``images (N, 3, H, W)`` to ``scores (N, classes)``, which sum to one.

    Args:
        model: An mmpretrain ``ImageClassifier`` with a linear head.

    Raises:
        ExportError: The head is of another kind.
    """

    outputs = ('scores',)
    takes_batches = True

    def __init__(self, model: nn.Module):
        super().__init__()
        from mmpretrain.models.heads import LinearClsHead
        if not isinstance(model.head, LinearClsHead):
            raise ExportError(f'model.head.type={type(model.head).__name__!r} cannot be exported, only '
                              "'LinearClsHead' and what inherits from it; the maps before it can be: part='features'.")
        self.images = Images(model.data_preprocessor)
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return torch.softmax(self.model.head(self.model.extract_feat(self.images(images))), 1)

    def expected(self, batch: dict) -> list[Tensor]:
        """Return the outputs for the one image of a batch, as mmpretrain computes them."""
        with torch.no_grad():
            sample, = self.model.test_step(batch)
        return [sample.pred_score[None]]

    @staticmethod
    def prediction(outputs: list[Tensor], sample: Any) -> Any:
        """Put the outputs for one image into its data sample, as ``test_step`` does."""
        return sample.set_pred_score(outputs[0][0]).set_pred_label(outputs[0].argmax(1))
