"""Pre-activation ResNets for CIFAR ("Identity mappings in deep residual networks", arXiv 1603.05027).

They are the ResNet-110 and ResNet-164 of both papers' CIFAR tables. Official code: KaimingHe/resnet-1k-layers.
"""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmcv.cnn import build_conv_layer
from torch import Tensor, nn

from se_backbones.models.backbones.base import ResidualBackbone
from se_backbones.models.backbones.stages import StageBuilder
from se_backbones.models.norms import add_norm
from se_backbones.models.placement import ContextPlan, Slot
from se_backbones.models.sizes import MapSize
from se_backbones.models.units import ResidualUnit
from se_backbones.registry import MODELS
from se_backbones.utils.validation import one_of, positive_int

# Three stages of units with two or three convolutions: this many layers for one more unit in each stage.
LAYERS_PER_BLOCK = {'basic': 6, 'bottleneck': 9}


class PreActUnit(ResidualUnit):
    """``conv(relu(norm(x)))``, twice or three times, and a sum without activation; ``(N, C, H, W) -> (N, C', H', W')``.

    In units that change the width or the size (official code), and in the first one of the network (the paper's
    appendix), norm and ReLU of the input stand before the fork, so that the shortcut takes them too; elsewhere it takes
    the raw input.

    The slots: ``standard`` is on the branch's last convolution, which no norm follows; ``3x3`` after the 3x3
    convolution with the norm and ReLU that follow it; ``pre`` on the branch's input after its norm and ReLU, which the
    shortcut takes ungated; ``identity`` on the shortcut; ``post`` on the sum, where there is no ReLU.

    Args:
        in_channels: Channels of the input.
        planes: Width before the expansion; the output has ``planes * expansion`` channels.
        stride: Of the first convolution; in a bottleneck that is the first 1x1, as in the official code.
        dropout: Probability to zero an input of the last convolution in training.
        slots: ``{placement: slot}`` of this unit.
        in_size: (H, W) of the input for operators that depend on it.
        drop_path_rate, with_cp: See :class:`ResidualUnit`.
    """

    expansion: int
    kernels: Sequence[int]

    def __init__(self, in_channels: int, planes: int, *, stride: int, dropout: float, conv_cfg: dict | None,
                 norm_cfg: dict, slots: dict[str, Slot], in_size: MapSize, drop_path_rate: float, with_cp: bool):
        super().__init__(in_channels, planes * self.expansion, stride, drop_path_rate, with_cp)
        self.activation = nn.Identity()
        widths = [in_channels, *[planes] * (len(self.kernels) - 1), self.out_channels]
        self._norms = []
        for number, kernel in enumerate(self.kernels, 1):
            self._norms.append(add_norm(self, norm_cfg, widths[number - 1], number))
            self.add_module(f'conv{number}', build_conv_layer(
                conv_cfg, widths[number - 1], widths[number], kernel, stride=stride if number == 1 else 1,
                padding=kernel // 2, bias=False))
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        projects = stride != 1 or in_channels != self.out_channels
        if projects:
            # Deleted first to come after the norms: mmcv's `fuse_conv_bn` takes a norm for that of the convolution
            # registered before it, which is right for conv1 and bn2 but must not join the projection and bn1.
            del self.downsample
            self.downsample = build_conv_layer(conv_cfg, in_channels, self.out_channels, 1, stride=stride, bias=False)
        self.shares_activation = projects
        self.fill_slots(slots, in_size, norm_cfg, {'3x3': planes})

    def _activated(self, number: int, x: Tensor) -> Tensor:
        return F.relu(getattr(self, self._norms[number - 1])(x), inplace=True)

    def fork(self, x: Tensor) -> tuple[Tensor, Tensor]:
        activated = self._activated(1, x)
        return activated, activated if self.shares_activation else x

    def branch(self, x: Tensor) -> Tensor:
        last = len(self.kernels)
        x = self.conv1(x)
        for number in range(2, last + 1):
            x = self._activated(number, x)
            if number == last:
                x = self.dropout(self.apply_operator('3x3', x))
            x = getattr(self, f'conv{number}')(x)
        return x

    def branch_layer(self, placement: str) -> nn.Module:
        if placement == 'pre':
            return self.conv1  # not the norm before it, which feeds a projection too
        last = len(self.kernels)
        return getattr(self, self._norms[last - 1]) if placement == '3x3' else getattr(self, f'conv{last}')


class PreActBasicBlock(PreActUnit):
    """Two 3x3 convolutions; the ``3x3`` slot follows the first one, the only one inside the branch."""

    expansion = 1
    kernels = (3, 3)


class PreActBottleneck(PreActUnit):
    """1x1, 3x3, and 1x1 with four times the planes."""

    expansion = 4
    kernels = (1, 3, 1)


UNITS = {'basic': PreActBasicBlock, 'bottleneck': PreActBottleneck}


def parse_cifar_depth(depth: int | Sequence[int], block: str | None,
                      published: dict[int, str]) -> tuple[str, tuple[int, ...]]:
    """Return the kind of block and the blocks of each stage.

    Args:
        depth: ``6n + 2`` for n basic blocks in each of three stages, ``9n + 2`` for n bottlenecks, or a tuple.
        block: ``'basic'``, ``'bottleneck'`` or None: what ``depth`` says; for a tuple, ``'bottleneck'``.
        published: The kind of block of published depths, since some numbers have both forms.

    Raises:
        ValueError: The depth has neither form, or not that of ``block``, or both and no ``block`` is given.
    """
    if block is not None:
        one_of('block', block, tuple(LAYERS_PER_BLOCK))
    if isinstance(depth, (tuple, list)):
        return block or 'bottleneck', block_counts(depth)
    counts = {kind: block_count(depth, layers, 2) for kind, layers in LAYERS_PER_BLOCK.items()}
    kinds = [kind for kind, count in counts.items() if count and block in (None, kind)]
    if not kinds:
        forms = {'basic': "6n + 2 (block='basic')", 'bottleneck': "9n + 2 (block='bottleneck')"}
        allowed = ' or '.join(forms.values()) if block is None else forms[block]
        raise ValueError(f'depth must be {allowed}, or a tuple of blocks per stage such as (3, 3, 3), got {depth!r}.')
    if len(kinds) > 1 and depth not in published:
        raise ValueError(f"depth={depth} has both forms: {counts['basic']} basic blocks per stage with block='basic', "
                         f"{counts['bottleneck']} bottlenecks with block='bottleneck'; set block.")
    kind = published[depth] if len(kinds) > 1 else kinds[0]
    return kind, (counts[kind],) * 3


def block_count(depth: int, layers_per_block: int, other_layers: int) -> int:
    """Return n of ``depth = layers_per_block * n + other_layers``, or 0 where there is no n of at least 1."""
    if isinstance(depth, bool) or not isinstance(depth, int):
        return 0
    count, rest = divmod(depth - other_layers, layers_per_block)
    return count if rest == 0 and count > 0 else 0


def block_counts(depth: Sequence[int]) -> tuple[int, ...]:
    """Return a tuple ``depth`` if it holds the number of blocks of each stage, else raise ValueError."""
    if not depth:
        raise ValueError(f'depth must have at least one stage, got {depth!r}.')
    return tuple(positive_int('depth[...]', count) for count in depth)


class CifarBackbone(ResidualBackbone):
    """A 3x3 stem without stride and stages ``layer1``, ``layer2``, ... of strides 1, 2, 4, ..., twice as wide each.

    Subclasses build the stem, call :meth:`add_stages`, may define :meth:`finish`, and call :meth:`freeze`.

    Args:
        input_size: As in other backbones, but 32 by default.
        kwargs: See :class:`Backbone` and :class:`ResidualBackbone`.
    """

    def __init__(self, num_stages: int, /, *, input_size: int | tuple[int, int] = 32, **kwargs):
        super().__init__(num_stages, input_size=input_size, **kwargs)

    def add_stages(self, unit: type[ResidualUnit], plan: ContextPlan, widths: Sequence[dict],
                   **options: Any) -> None:
        """Build the stages after the stem ``conv1``.

        Args:
            unit: Class of the units.
            plan: Where the operators sit.
            widths: What the units of each stage are told of their widths.
            options: What all units are told.
        """
        builder = StageBuilder(plan, self.conv1.out_channels, self.input_size, **self.unit_options, **options)
        self.stage_names = [f'layer{stage + 1}' for stage in range(len(plan.blocks))]
        for stage, name in enumerate(self.stage_names):
            self.add_module(name, builder.stage(unit, stage, 2 if stage else 1, **widths[stage]))
        self.features = builder.features

    def finish(self) -> list[nn.Module]:
        """Return the modules that follow the last unit of the network."""
        return []

    def stage_modules(self, stage: int) -> list[nn.Module]:
        modules = super().stage_modules(stage)
        return modules + self.finish() if stage == len(self.stage_names) - 1 else modules


@MODELS.register_module()
class PreActResNet(CifarBackbone):
    """Pre-activation ResNet; ``(N, in_channels, H, W)`` to a tuple of maps in ``out_indices`` order.

    Three stages of strides 1, 2 and 4; ResNet-110 has 18 basic blocks in each (16, 32, 64 channels), ResNet-164 has 18
    bottlenecks (64, 128, 256 channels). The network ends with a norm and ReLU, which belong to the last stage: its
    output has passed them, while those of the other stages are the raw sums.

    Args:
        depth: ``6n + 2`` for n basic blocks per stage, ``9n + 2`` for n bottlenecks, or a tuple of blocks per stage.
        context: None, or where which operators sit: see :class:`~se_backbones.models.placement.ContextPlan` and,
            for what the slots mean here, :class:`PreActUnit`. ``stages`` has one entry per stage.
        block: ``'basic'`` or ``'bottleneck'``, needed where ``depth`` has both forms and is none of the paper's (110 is
            basic, 164 and 1001 are bottleneck); for a tuple ``depth`` the default is ``'bottleneck'``.
        stem_channels: Channels of the stem; None: ``base_channels``.
        base_channels: Planes of the first stage; they double from stage to stage.
        dropout: Dropout before the last convolution of each unit, as in wide residual networks.
        kwargs: See :class:`CifarBackbone`.

    Raises:
        ValueError: A wrong value; the message names the key and the allowed values.
    """

    published = {110: 'basic', 164: 'bottleneck', 1001: 'bottleneck'}
    norms_follow = False
    # In the paper the activation after conv1 comes before the first unit splits into two paths (appendix).
    first_unit_shares_activation = True

    def __init__(self, depth: int | Sequence[int], context: dict | Sequence[dict] | None = None, *,
                 block: str | None = None, stem_channels: int | None = None, base_channels: int = 16,
                 dropout: float = 0.0, **kwargs):
        kind, blocks = parse_cifar_depth(depth, block, self.published)
        super().__init__(len(blocks), **kwargs)
        # The final norm is registered before the stem, so that mmcv's `fuse_conv_bn` does not join the two.
        self.norm_name = add_norm(self, self.norm_cfg, base_channels * 2**(len(blocks) - 1) * UNITS[kind].expansion)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = build_conv_layer(self.conv_cfg, self.in_channels,
                                      base_channels if stem_channels is None else stem_channels, 3, padding=1,
                                      bias=False)
        self.add_stages(UNITS[kind], ContextPlan(context, blocks),
                        [dict(planes=base_channels * 2**stage) for stage in range(len(blocks))], dropout=dropout)
        if self.first_unit_shares_activation:
            self.layer1[0].shares_activation = True
        self.freeze()

    def stem_modules(self) -> list[nn.Module]:
        return [self.conv1]

    def finish(self) -> list[nn.Module]:
        return [getattr(self, self.norm_name), self.relu]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.run_stages(self.conv1(x))
