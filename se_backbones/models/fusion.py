"""Fold norms into the convolutions before them, for inference."""

import copy
import re
from collections import Counter

from mmcv.cnn import ConvModule
from mmcv.cnn.bricks import wrappers
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from se_backbones.models.exact import touched
from se_backbones.ops.residual_tail.naive import wide

# A subclass may do something else with its weight, as weight standardisation does.
CONVOLUTIONS = nn.Conv2d, wrappers.Conv2d


def fuse_for_inference(model: nn.Module) -> nn.Module:
    """Return a copy of ``model`` in eval mode in which batch norms are part of the convolutions before them.

    Also in operators: a gather's depth-wise convolutions take their norms in. The copy computes the same up to
    rounding, and cannot be trained further as the original could: its norms are gone, Identity stands in their places.
    A norm belongs to the convolution that is registered right before it in the same module, as in mmcv's
    ``fuse_conv_bn``, which folds weight-standardised convolutions wrongly and fails at norms without affine.
    Norms stay where the convolution is not exactly torch's (``ConvWS``, deformable, parametrised), is hooked, or
    stands in several modules, as those that RTMDet's levels share; where they have no running statistics; where mmcv's
    ``ConvModule`` has something between the two, or the norm first; and where the number of channels, or that in the
    names (``fc2``, ``bn1``), tells that they do not belong together.

    Args:
        model: A backbone, or a detector or classifier with one.
    """
    model = copy.deepcopy(model)
    times = Counter(id(child) for module in model.modules() for child in module._modules.values())
    for module in model.modules():
        if isinstance(module, ConvModule) and module.order.index('norm') != module.order.index('conv') + 1:
            continue
        convolution, its_name = None, ''
        for name, child in module._modules.items():
            if isinstance(child, _BatchNorm):
                if convolution is not None and child.running_mean is not None and touched(child) is None and \
                        child.num_features == convolution.out_channels and \
                        (isinstance(module, nn.Sequential) or _same_number(its_name, name)):
                    _fold(convolution, child)
                    module._modules[name] = nn.Identity()
            alone = type(child) in CONVOLUTIONS and touched(child) is None and times[id(child)] == 1
            convolution, its_name = (child, name) if alone else (None, '')
    model.eval()  # whose result is None for mmpretrain's networks
    return model


def _same_number(*names: str) -> bool:
    """Return whether names end in the same number, or not all of them in one."""
    numbers = [re.search(r'\d+$', name) for name in names]
    return not all(numbers) or len({number[0] for number in numbers}) == 1


def _fold(conv: nn.Conv2d, norm: _BatchNorm) -> None:
    """Make ``conv`` compute ``norm(conv(x))``; in float32 for half precision."""
    learns, dtype = conv.weight.requires_grad, conv.weight.dtype
    weight, bias, mean, variance, gamma, beta = (
        value if value is None else wide(value.detach())
        for value in (conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias))
    conv.weight, conv.bias = (
        nn.Parameter(value.to(dtype), requires_grad=learns)
        for value in fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, gamma, beta))
