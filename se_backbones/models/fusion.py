"""Fold norms into the convolutions before them, for inference."""

import copy
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks import wrappers
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode

from se_backbones.models.exact import touched
from se_backbones.models.sizes import empty_image
from se_backbones.ops.residual_tail.naive import wide

# A subclass may do something else with its weight, as weight standardisation does.
CONVOLUTIONS = nn.Conv2d, wrappers.Conv2d
FORWARDS = _BatchNorm.forward, nn.SyncBatchNorm.forward


def fuse_for_inference(model: nn.Module) -> nn.Module:
    """Return a copy of ``model`` in eval mode in which batch norms are part of the convolutions before them.

    Also in operators: a gather's depth-wise convolutions take their norms in. The copy computes the same up to
    rounding, and cannot be trained further as the original could: its norms are gone, Identity stands in their places.
    A norm belongs to the convolution that is registered right before it in the same module, as in mmcv's
    ``fuse_conv_bn``, which folds weight-standardised convolutions wrongly and fails at norms without affine, and only
    if a pass of an empty image through the backbone hands it that convolution's output as it is. What does not run in
    that pass, such as heads, is folded where mmcv's ``ConvModule`` has the norm right after the convolution, and
    elsewhere if the number of channels, and that in the names (``fc2``, ``bn1``), do not tell the two apart.
    Norms stay where the convolution is not exactly torch's (``ConvWS``, deformable, parametrised), is hooked, or
    stands in several modules, as those that RTMDet's levels share; where they have no running statistics; and where
    their class has a forward of its own, as timm's ``BatchNormAct2d``.

    Args:
        model: A backbone, or a detector or classifier with one.
    """
    model = copy.deepcopy(model)
    model.eval()  # whose result is None for mmpretrain's networks
    times = Counter(id(child) for module in model.modules() for child in module._modules.values())
    watch = _watched(model)
    for module in model.modules():
        if isinstance(module, ConvModule) and module.order.index('norm') != module.order.index('conv') + 1:
            continue
        convolution, its_name = None, ''
        for name, child in module._modules.items():
            if isinstance(child, _BatchNorm) and convolution is not None and _plain(child) and (
                    watch.sources[child] is convolution if child in watch.sources and convolution in watch.seen else
                    child.num_features == convolution.out_channels and _same_number(its_name, name, module)):
                _fold(convolution, child)
                module._modules[name] = nn.Identity().eval()
            alone = type(child) in CONVOLUTIONS and touched(child) is None and times[id(child)] == 1
            convolution, its_name = (child, name) if alone else (None, '')
    return model


def _plain(norm: nn.Module) -> bool:
    """Return whether a norm does what its statistics and weights say, and nothing else."""
    return norm.running_mean is not None and touched(norm) is None and type(norm).forward in FORWARDS


class _Watch(TorchFunctionMode):
    """Sees which norm is given which convolution's output, without hooks, which would take units off the fused path.

    Attributes:
        sources: The convolution of each norm that ran; None: it got something else, or ran twice.
        seen: The convolutions that ran.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self._convolutions = {id(child.weight): child for child in model.modules() if type(child) in CONVOLUTIONS}
        self._norms = {id(child.running_mean): child for child in model.modules() if isinstance(child, _BatchNorm)}
        self._made: dict[int, tuple[Tensor, int, nn.Module]] = {}
        self.sources: dict[nn.Module, nn.Module | None] = {}
        self.seen: set[nn.Module] = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is F.batch_norm and (norm := self._norms.get(id(args[1]))) is not None:
            output, version, convolution = self._made.get(id(args[0]), (None, None, None))
            # After an activation in place it is not the convolution's output any more.
            unchanged = norm not in self.sources and output is args[0] and output._version == version
            self.sources[norm] = convolution if unchanged else None
        output = function(*args, **(kwargs or {}))
        if function is torch.conv2d and (convolution := self._convolutions.get(id(args[1]))) is not None:
            self._made[id(output)] = output, output._version, convolution  # held, so that the id stays its own
            self.seen.add(convolution)
        return output


def _watched(model: nn.Module) -> _Watch:
    """Return what was seen in a pass of an empty image through the backbone."""
    backbone = getattr(model, 'backbone', model)
    watch = _Watch(backbone)
    # A network of another size or of several inputs: what did not run is judged by its names.
    with suppress(Exception), torch.no_grad(), _without_hooks(backbone), watch:
        backbone(empty_image(backbone))
    return watch


@contextmanager
def _without_hooks(model: nn.Module) -> Iterator[None]:
    """While it is open no hook is called: users' collect what they see, and what has one is not folded anyway."""
    names = '_forward_hooks', '_forward_pre_hooks'
    kept = [(module.__dict__, name, module.__dict__[name]) for module in model.modules() for name in names]
    for attributes, name, hooks in kept:
        attributes[name] = type(hooks)()
    try:
        yield
    finally:
        for attributes, name, hooks in kept:
            attributes[name] = hooks


def _same_number(convolution: str, norm: str, module: nn.Module) -> bool:
    """Return whether two names end in the same number, or not both in one; in lists they are places."""
    numbers = [re.search(r'\d+$', name) for name in (convolution, norm)]
    return isinstance(module, (nn.Sequential, nn.ModuleList)) or not all(numbers) or numbers[0][0] == numbers[1][0]


def _fold(conv: nn.Conv2d, norm: _BatchNorm) -> None:
    """Make ``conv`` compute ``norm(conv(x))``; in float32 for half precision."""
    learns, dtype = conv.weight.requires_grad, conv.weight.dtype
    weight, bias, mean, variance, gamma, beta = (
        value if value is None else wide(value.detach())
        for value in (conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias))
    conv.weight, conv.bias = (
        nn.Parameter(value.to(dtype), requires_grad=learns)
        for value in fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, gamma, beta))
