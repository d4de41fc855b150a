"""Squeeze-and-Excitation (arXiv 1709.01507); released networks: hujie-frank/SENet (Caffe)."""

from torch import nn

from se_backbones.models.operators.base import GATES, ContextOperator
from se_backbones.models.operators.excite import BottleneckExcite
from se_backbones.models.operators.gather import GlobalPool
from se_backbones.registry import MODELS
from se_backbones.utils.validation import one_of, positive_int


@MODELS.register_module()
class SqueezeExcite(ContextOperator):
    """The SE block: ``y = x * sigma(W2 relu(W1 squeeze(x)))`` (SE paper, eq. 2 to 4); ``(N, C, H, W)`` in and out.

    Args:
        in_channels: C.
        ratio: Reduction ratio r; the hidden width is ``max(1, C // r)`` (Table X).
        squeeze: ``'avg'`` or ``'max'`` pooling (Table XI), or ``'none'``: the NoSqueeze network of Table XVI, whose
            1x1 convolutions act on every position.
        gate: ``'sigmoid'``, ``'tanh'`` or ``'relu'`` (Table XII), or ``'double_sigmoid'``: twice the sigmoid, with
            logits that start at 0, so that the gate starts at exactly 1.
        bias: Whether the two layers have a bias. The released networks do; the paper's ablations (section 6) do not.

    Raises:
        ValueError: An option outside the values above.
    """

    _abbr_ = 'squeeze_excite'

    def __init__(self, in_channels: int, ratio: int = 16, squeeze: str = 'avg', gate: str = 'sigmoid',
                 bias: bool = True):
        positive_int('SqueezeExcite.ratio', ratio)
        one_of('SqueezeExcite.squeeze', squeeze, ('avg', 'max', 'none'))
        one_of('SqueezeExcite.gate', gate, tuple(GATES))
        one_of('SqueezeExcite.bias', bias, (True, False))
        super().__init__(
            in_channels,
            gather=nn.Identity() if squeeze == 'none' else GlobalPool(squeeze),
            excite=BottleneckExcite(in_channels, ratio, bias),
            gate=gate)
        self.squeeze = squeeze

    @property
    def logit_layer(self) -> nn.Module:
        return self.excite.up

    def reset_parameters(self) -> None:
        for conv in (self.excite.down, self.excite.up):
            nn.init.kaiming_normal_(conv.weight, nonlinearity='relu')  # "MSRA", the paper's [66]
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
