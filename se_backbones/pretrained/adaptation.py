"""Adapt the first convolution to another number of input channels."""

from collections.abc import Mapping

from torch import Tensor, nn

from se_backbones.models.loading import PretrainedModule


def adapt_input(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that differ for the first convolution of our backbones, as timm's ``adapt_input_conv`` does.

    Of one channel: the sum over the colours, so that a grey image gives what it gave as a colour image. Of more than
    three, or two: the colours again and again, scaled by 3 / channels.

    Args:
        module: What is loaded.
        state: The checkpoint's tensors by its keys.
    """
    adapted = {}
    keys = {id(value): key for key, value in module.state_dict(keep_vars=True).items()}
    for part in module.modules():
        conv = next((conv for conv in part.modules() if isinstance(conv, nn.Conv2d)), None) \
            if isinstance(part, PretrainedModule) else None
        first = conv and keys.get(id(conv.weight))
        if first in state and state[first].ndim == 4 and state[first].shape[1] == 3:
            weight, channels = state[first], conv.weight.shape[1]
            if channels == 1:
                adapted[first] = weight.sum(1, keepdim=True)
            elif channels != 3:
                adapted[first] = weight.repeat(1, -(-channels // 3), 1, 1)[:, :channels] * (3 / channels)
    return adapted
