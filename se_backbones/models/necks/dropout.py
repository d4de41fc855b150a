"""Dropout between the pooled features and the classifier, which mmpretrain's linear head lacks (SENet-154 has 0.2)."""

from torch import Tensor, nn

from se_backbones.registry import MODELS
from se_backbones.utils.validation import probability


@MODELS.register_module()
class Dropout(nn.Dropout):
    """Dropout of a tuple of tensors: the second neck of an mmpretrain ``ImageClassifier``.

    ``neck=[dict(type='GlobalAveragePooling'), dict(type='se_backbones.Dropout', p=0.2)]``

    Args:
        p: Probability that a feature is dropped in training, at least 0 and below 1.
    """

    def __init__(self, p: float = 0.5):
        super().__init__(probability('Dropout.p', p))

    def forward(self, x: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        if isinstance(x, tuple):
            return tuple(super(Dropout, self).forward(part) for part in x)
        return super().forward(x)
