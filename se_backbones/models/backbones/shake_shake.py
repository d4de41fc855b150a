"""Shake-Shake networks (arXiv 1705.07485), with slots for context operators.

Official code: xgastaldi/shake-shake. The SE paper's CIFAR tables have 26 2x96d (CIFAR-10) and 29 2x4x64d (CIFAR-100).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_conv_layer
from torch import Tensor, nn
from torch.autograd import Function

from se_backbones.models.backbones.layers import projection
from se_backbones.models.backbones.preact_resnet import CifarBackbone, parse_cifar_depth
from se_backbones.models.norms import add_norm
from se_backbones.models.placement import ContextPlan, Slot
from se_backbones.models.sizes import MapSize
from se_backbones.models.units import ContextUnit, ResidualUnit
from se_backbones.registry import MODELS
from se_backbones.utils.validation import one_of

KINDS = ('shake', 'even')
LEVELS = ('image', 'batch')


class ShakeMix(Function):
    """``alpha * a + (1 - alpha) * b``, with the gradients ``beta * g`` and ``(1 - beta) * g`` (paper, section 1).

    ``a`` and ``b`` are ``(N, C, H, W)``; ``alpha`` and ``beta`` are ``(N, 1, 1, 1)`` or ``(1, 1, 1, 1)``.
    """

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        ctx.save_for_backward(beta)
        return alpha * a + (1 - alpha) * b

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        beta, = ctx.saved_tensors
        return beta * grad, (1 - beta) * grad, None, None


def coefficients(kinds: Sequence[str], level: str, like: Tensor) -> list[Tensor]:
    """Return numbers between 0 and 1 for ``like`` ``(N, C, H, W)``: ``(N, 1, 1, 1)``, or ``(1, 1, 1, 1)`` per batch.

    Both passes' numbers are drawn in the forward pass, so that a recomputed one (``with_cp``) draws the same, and at
    once, so that a compiled one, which would move a draw of its own to the backward pass, draws the same.

    Args:
        kinds: For the forward and the backward pass, ``'shake'`` or ``'even'``.
        level, like: For each image of ``like``, or one for all.
    """
    shape = (len(kinds), like.shape[0] if level == 'image' else 1, 1, 1, 1)
    half = like.new_full(shape[1:], 0.5)
    drawn = torch.rand(shape, dtype=like.dtype, device=like.device)
    return [half if kind == 'even' else numbers for kind, numbers in zip(kinds, drawn, strict=True)]


class Branch(ContextUnit):
    """One of the two residual branches: convolutions with norms, ReLU between; ``(N, C, H, W) -> (N, C', H', W')``.

    Its slots are ``3x3``, after the 3x3 convolution with its norm and ReLU (in a basic block, the first one), and
    ``standard``, on its output, used where each branch has an operator of its own.

    Args:
        widths: Channels of the input and after each convolution.
        kernels, strides, groups: Of each convolution.
        slots: ``{placement: slot}`` of this branch.
        in_size: (H, W) of the input for operators that depend on it.
    """

    def __init__(self, widths: Sequence[int], kernels: Sequence[int], strides: Sequence[int], groups: Sequence[int],
                 conv_cfg: dict | None, norm_cfg: dict, slots: dict[str, Slot], in_size: MapSize):
        super().__init__(widths[0], widths[-1], max(strides))
        self._norms = []
        for number, kernel in enumerate(kernels, 1):
            self.add_module(f'conv{number}', build_conv_layer(
                conv_cfg, widths[number - 1], widths[number], kernel, stride=strides[number - 1], padding=kernel // 2,
                groups=groups[number - 1], bias=False))
            self._norms.append(add_norm(self, norm_cfg, widths[number], number))
        self.fill_slots(slots, in_size, norm_cfg, {'3x3': widths[-2]})

    def _conv_norm(self, number: int, x: Tensor) -> Tensor:
        return getattr(self, self._norms[number - 1])(getattr(self, f'conv{number}')(x))

    def _forward(self, x: Tensor) -> Tensor:
        last = len(self._norms)
        for number in range(1, last):
            x = F.relu(self._conv_norm(number, x), inplace=True)
        return self.apply_operator('standard', self._conv_norm(last, self.apply_operator('3x3', x)))

    def layers_to_rescale(self, placement: str) -> nn.Module:
        return getattr(self, self._norms[-1 if placement == 'standard' else -2])


class ShiftedProjection(nn.Module):
    """Two 1x1 convolutions, one on the map and one on the map shifted by a pixel, subsampled, concatenated, norm.

    ``(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))``; the shift, right and down as in the official code,
    lets the second convolution see other pixels than the first.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, conv_cfg: dict | None, norm_cfg: dict):
        super().__init__()
        self.stride = stride
        # The norm is registered first, so that mmcv's `fuse_conv_bn` does not join it with the second convolution.
        self.norm_name = add_norm(self, norm_cfg, out_channels)
        self.conv1 = build_conv_layer(conv_cfg, in_channels, out_channels // 2, 1, bias=False)
        self.conv2 = build_conv_layer(conv_cfg, in_channels, out_channels - out_channels // 2, 1, bias=False)

    @property
    def norm(self) -> nn.Module:
        """The norm after the concatenation."""
        return getattr(self, self.norm_name)

    def forward(self, x: Tensor) -> Tensor:
        step = self.stride
        shifted = F.pad(x, (1, -1, 1, -1))
        return self.norm(torch.cat((self.conv1(x[:, :, ::step, ::step]), self.conv2(shifted[:, :, ::step, ::step])), 1))


class ShakeUnit(ResidualUnit):
    """A unit whose branch is a random mix of two; ``(N, C, H, W) -> (N, C', H', W')``.

    The slots: ``standard`` is on the mix, before the sum; ``3x3`` is in each branch, with an operator each; ``pre`` is
    on what both branches take, the shortcut without it; ``identity`` is on the shortcut; ``post`` on the unit's output.

    Args:
        in_channels: Channels of the input.
        stride: Of the unit.
        shake: ``(forward, backward, level)``, as the network's arguments.
        context_per_branch: Whether ``standard`` is on each branch, before the mix.
        slots: ``{placement: slot}`` of this unit.
        in_size: (H, W) of the input for operators that depend on it.
        widths: See the subclasses.
        drop_path_rate, with_cp: See :class:`ResidualUnit`.
    """

    def __init__(self, in_channels: int, *, stride: int, shake: tuple[str, str, str], context_per_branch: bool,
                 conv_cfg: dict | None, norm_cfg: dict, slots: dict[str, Slot], in_size: MapSize,
                 drop_path_rate: float, with_cp: bool, **widths):
        shape = self.branch_shape(in_channels, stride, **widths)
        super().__init__(in_channels, shape['widths'][-1], stride, drop_path_rate, with_cp)
        self.shake = shake
        layers = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        in_branches = ('3x3', 'standard') if context_per_branch else ('3x3',)
        options = dict(layers, slots={key: slot for key, slot in slots.items() if key in in_branches},
                       in_size=in_size)
        self.branch1 = Branch(**shape, **options)
        self.branch2 = Branch(**shape, **options)
        self.projects = stride != 1 or in_channels != self.out_channels
        if self.projects:
            self.downsample = self.make_projection(in_channels, stride, **layers)
        self.fill_slots({key: slot for key, slot in slots.items() if key not in in_branches}, in_size, norm_cfg)

    def branch_shape(self, in_channels: int, stride: int, **widths) -> dict:
        """Return ``widths kernels strides groups`` of a :class:`Branch`."""
        raise NotImplementedError

    def make_projection(self, in_channels: int, stride: int, conv_cfg: dict | None, norm_cfg: dict) -> nn.Module:
        """Return the shortcut of a unit that changes the shape."""
        raise NotImplementedError

    def branch(self, x: Tensor) -> Tensor:
        a, b = self.branch1(x), self.branch2(x)
        forward, backward, level = self.shake
        if not self.training:
            return (a + b) * 0.5
        return ShakeMix.apply(a, b, *coefficients((forward, backward), level, a))

    def branch_layer(self, placement: str) -> list[nn.Module]:
        branches = (self.branch1, self.branch2)
        if placement == 'pre':
            return [branch.conv1 for branch in branches]
        return [branch.layers_to_rescale('standard') for branch in branches]


class ShakeBasicBlock(ShakeUnit):
    """ReLU, then per branch 3x3, norm, ReLU, 3x3, norm; no activation after the sum (paper, section 2.1).

    The raw input is the shortcut where the shape stays; elsewhere it is a :class:`ShiftedProjection` of the ReLU's
    output.

    Args:
        width: Channels of both convolutions.
    """

    def __init__(self, in_channels: int, **kwargs):
        super().__init__(in_channels, **kwargs)
        self.activation = nn.Identity()

    def branch_shape(self, in_channels, stride, width):
        return dict(widths=(in_channels, width, width), kernels=(3, 3), strides=(stride, 1), groups=(1, 1))

    def make_projection(self, in_channels, stride, conv_cfg, norm_cfg):
        return ShiftedProjection(in_channels, self.out_channels, stride, conv_cfg, norm_cfg)

    @property
    def shortcut_layer(self) -> nn.Module | None:
        return self.downsample.norm if self.projects else None

    def fork(self, x: Tensor) -> tuple[Tensor, Tensor]:
        activated = F.relu(x)
        return activated, activated if self.projects else x


class ShakeBottleneck(ShakeUnit):
    """ResNeXt's unit without pre-activation: per branch 1x1, grouped 3x3, 1x1; ReLU after the sum (section 2.2).

    Args:
        width: Channels of the 3x3, over all groups.
        out_channels: Channels of the output.
        groups: Groups of the 3x3.
    """

    def branch_shape(self, in_channels, stride, width, out_channels, groups):
        return dict(widths=(in_channels, width, width, out_channels), kernels=(1, 3, 1), strides=(1, stride, 1),
                    groups=(1, groups, 1))

    def make_projection(self, in_channels, stride, conv_cfg, norm_cfg):
        return projection(in_channels, self.out_channels, stride, conv_cfg, norm_cfg)


@MODELS.register_module()
class ShakeShake(CifarBackbone):
    """Shake-Shake network of two residual branches; ``(N, in_channels, H, W)`` to a tuple of maps.

    ``depth=26`` is 26 2x96d (basic blocks) and ``depth=29, backward_shake='even'`` is the "Shake-Even" 29 2x4x64d
    (ResNeXt bottlenecks); three stages of strides 1, 2 and 4. In training each unit mixes its branches with random
    coefficients, others forward than backward; in eval mode with one half each. A network of basic blocks ends with a
    ReLU, which belongs to the last stage: its output has passed it, while those of the other stages are the raw sums.

    Args:
        depth: ``6n + 2`` for n basic blocks per stage, ``9n + 2`` for n bottlenecks, or a tuple of blocks per stage.
        context: None, or where which operators sit: see :class:`~se_backbones.models.placement.ContextPlan` and,
            for what the slots mean here, :class:`ShakeUnit`. ``stages`` has one entry per stage.
        block: ``'basic'`` or ``'bottleneck'``, needed where ``depth`` has both forms; for a tuple ``depth`` the default
            is ``'bottleneck'``.
        base_width: Of a branch in the first stage: channels of a basic block (default 96), or channels per group of a
            bottleneck (default 64). It doubles from stage to stage.
        groups: Groups (cardinality) of a bottleneck's 3x3, default 4.
        base_channels: A quarter of the output channels of the first stage of bottlenecks, default 64.
        forward_shake, backward_shake: ``'shake'``: random coefficients in this pass; ``'even'``: one half.
        shake_level: ``'image'`` (default): coefficients for each image; ``'batch'``: one for all.
        context_per_branch: ``standard`` operators on each branch before the mix, in place of one on the mix.
        stem_channels: Channels of the stem; None: 16 for basic blocks, ``base_channels`` for bottlenecks.
        kwargs: See :class:`CifarBackbone`.

    Raises:
        ValueError: A wrong value, or a setting without effect; the message names the key and the allowed values.
    """

    def __init__(self, depth: int | Sequence[int], context: dict | Sequence[dict] | None = None, *,
                 block: str | None = None, base_width: int | None = None, groups: int | None = None,
                 base_channels: int | None = None, forward_shake: str = 'shake', backward_shake: str = 'shake',
                 shake_level: str | None = None, context_per_branch: bool = False, stem_channels: int | None = None,
                 **kwargs):
        kind, blocks = parse_cifar_depth(depth, block, published={})
        super().__init__(len(blocks), **kwargs)
        one_of('forward_shake', forward_shake, KINDS)
        one_of('backward_shake', backward_shake, KINDS)
        if shake_level is not None:
            one_of('shake_level', shake_level, LEVELS)
            if forward_shake == backward_shake == 'even':
                raise ValueError(f"shake_level={shake_level!r} has no effect with forward_shake='even' and "
                                 "backward_shake='even'; remove it.")
        plan = ContextPlan(context, blocks)
        if context_per_branch and not any('standard' in plan.slots_of(stage, number)
                                          for stage, count in enumerate(blocks) for number in range(count)):
            raise ValueError("context_per_branch=True has no effect without a context of placement='standard'; remove "
                             'it.')
        if kind == 'basic':
            for key, value in dict(groups=groups, base_channels=base_channels).items():
                if value is not None:
                    raise ValueError(f'{key}={value!r} is for bottlenecks; the basic blocks of depth={depth!r} have '
                                     'only a base_width.')
            width = 96 if base_width is None else base_width
            widths = [dict(width=width * 2**stage) for stage in range(len(blocks))]
            channels, unit = 16, ShakeBasicBlock
        else:
            width = 64 if base_width is None else base_width
            groups = 4 if groups is None else groups
            channels = 64 if base_channels is None else base_channels
            widths = [dict(width=width * 2**stage * groups, out_channels=4 * channels * 2**stage, groups=groups)
                      for stage in range(len(blocks))]
            unit = ShakeBottleneck
        channels = channels if stem_channels is None else stem_channels
        self.conv1 = build_conv_layer(self.conv_cfg, self.in_channels, channels, 3, padding=1, bias=False)
        self.norm1_name = add_norm(self, self.norm_cfg, channels, 1)
        self.relu = nn.ReLU(inplace=True)
        self._preactivates = kind == 'basic'
        self.add_stages(unit, plan, widths, shake=(forward_shake, backward_shake, shake_level or 'image'),
                        context_per_branch=context_per_branch)
        self.freeze()

    @property
    def norm1(self) -> nn.Module:
        """The stem's norm."""
        return getattr(self, self.norm1_name)

    def stem_modules(self) -> list[nn.Module]:
        return [self.conv1, self.norm1]

    def finish(self) -> list[nn.Module]:
        return [self.relu] if self._preactivates else []

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.norm1(self.conv1(x))
        return self.run_stages(x if self._preactivates else self.relu(x))
