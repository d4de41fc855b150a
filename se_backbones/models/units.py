"""A unit with slots for operators, and the one forward of residual units: the five slots of the SE paper's Figure 5."""

from collections.abc import Mapping

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleDict
from torch import Tensor, nn
from torch.utils import checkpoint

from se_backbones.models.placement import Slot
from se_backbones.models.residual_tail import residual_tail
from se_backbones.models.sizes import MapSize, strided
from se_backbones.ops.residual_tail import choice


class ContextUnit(BaseModule):
    """A module with slots; operators sit under ``context``, keyed by their placement.

    Subclasses call :meth:`fill_slots` once and define :meth:`_forward`, which calls
    :meth:`apply_operator` wherever a slot is.

    Args:
        in_channels, out_channels, stride: Of the unit.
        with_cp: Recompute the unit in the backward pass instead of storing its activations.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, with_cp: bool = False):
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride
        self.context = ModuleDict()
        self.with_cp = with_cp

    def forward(self, x: Tensor) -> Tensor:
        if self.with_cp and self.training and torch.is_grad_enabled():
            return checkpoint.checkpoint(self._forward, x, use_reentrant=False)
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def fill_slots(self, slots: dict[str, Slot], in_size: MapSize, norm_cfg: dict,
                   channels: Mapping[str, int] = {}) -> None:  # noqa: B006 read only
        """Build the operators of this unit. Slot ``pre`` has the input's channels and size, others have the output's.

        Args:
            slots: ``{placement: slot}``, as :meth:`ContextPlan.slots_of` returns.
            in_size: (H, W) of the input.
            norm_cfg: The backbone's norm.
            channels: Channels of those slots that have others than the output.

        Raises:
            ValueError: ``context.tail`` is set, and this is not a residual unit.
        """
        if 'standard' in slots:
            self.settle_tail(slots['standard'])
        out_size = strided(in_size, self.stride)
        for placement, slot in slots.items():
            default, size = (self.in_channels, in_size) if placement == 'pre' else (self.out_channels, out_size)
            self.context[placement] = slot.build(channels.get(placement, default), norm_cfg, size)

    def settle_tail(self, slot: Slot) -> None:
        """Take over what a config says about the end of the unit."""
        if slot.tail != 'auto':
            raise ValueError(f'{slot.key}.tail={slot.tail!r} has no effect in a {type(self).__name__}, which ends with '
                             'no sum of branch and shortcut; remove it.')

    def apply_operator(self, placement: str, x: Tensor) -> Tensor:
        """Pass ``x`` through the operator of this slot, if it has one."""
        return self.context[placement](x) if placement in self.context else x

    def plugin_names(self) -> list[str]:
        """Return the names of this unit's layers that a config adds to the published architecture."""
        return []

    def layers_to_rescale(self, placement: str) -> nn.Module | list[nn.Module] | str:
        """Return the layer whose parameters, doubled, make up for a gate of 0.5 in this slot; a norm or a convolution.

        Where several layers do so together, return all of them. Where there is none, return the reason as the end of a
        sentence that begins with "because".
        """
        raise NotImplementedError


class ResidualUnit(ContextUnit):
    """``post(activation(standard(norm(branch(pre(x)))) + identity(downsample(x))))``; ``(N, C, H, W)`` in and out.

    A subclass defines :meth:`branch`, which passes the output of its 3x3 convolution through
    ``self.apply_operator('3x3', ...)``, and may set the attributes below. It defines :meth:`fork` where something
    stands before branch and shortcut (pre-activation), and :meth:`combine` where they are not summed.

    Attributes:
        closing_norm: The norm after the branch's last convolution, which :meth:`branch` leaves to the tail; or None.
        downsample: The shortcut, from the unit's input to its output's shape; mmdet's name. Default: identity.
        activation: Module after the sum. Default: ReLU in place.
        residual_scale: Factor of the branch in the sum, after the standard slot. Default: 1.
        tail: ``'auto'``, ``'plain'`` or ``'fused'``: how norm, operator, sum and activation run; see
            :mod:`se_backbones.ops.residual_tail`.

    Args:
        in_channels, out_channels, stride: Of the unit.
        drop_path_rate: Probability to drop the branch of an image in training (stochastic depth).
        with_cp: Recompute the unit in the backward pass instead of storing its activations.
    """

    closing_norm: nn.Module | None = None
    residual_scale: float = 1.0
    tail: str = 'auto'

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, drop_path_rate: float = 0.0,
                 with_cp: bool = False):
        super().__init__(in_channels, out_channels, stride, with_cp)
        self.downsample = nn.Identity()
        self.activation = nn.ReLU(inplace=True)
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate else nn.Identity()

    def _forward(self, x: Tensor) -> Tensor:
        x, shortcut = self.fork(x)
        out = self.branch(self.apply_operator('pre', x))
        shortcut = self.apply_operator('identity', self.downsample(shortcut))
        return self.apply_operator('post', residual_tail(self, out, shortcut))

    def fork(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the branch and what the shortcut take of the unit's input; here it is the same for both."""
        return x, x

    def branch(self, x: Tensor) -> Tensor:
        """Return the residual ``(N, C', H', W')`` of ``x`` ``(N, C, H, W)``, before the :attr:`closing_norm`."""
        raise NotImplementedError

    def written_tail(self, out: Tensor, shortcut: Tensor) -> Tensor:
        """Return what the unit makes of branch and shortcut, one operation after the other."""
        if self.closing_norm is not None:
            out = self.closing_norm(out)
        out = self.drop_path(self.apply_operator('standard', out))
        if self.residual_scale != 1:
            out = out * self.residual_scale
        return self.activation(self.combine(out, shortcut))

    def combine(self, out: Tensor, shortcut: Tensor) -> Tensor:
        """Join the gated branch, which may be changed in place, with the shortcut: their sum."""
        out += shortcut
        return out

    def layers_to_rescale(self, placement: str) -> nn.Module | list[nn.Module] | str:
        if placement == 'post':
            return 'the gate acts on the sum with the shortcut, which no single layer scales'
        if placement == 'identity':
            return self.shortcut_layer or 'the shortcut of this block has no parameters'
        return self.branch_layer(placement)

    @property
    def shortcut_layer(self) -> nn.Module | None:
        """The last layer of the shortcut; None if it has no parameters."""
        layers = list(self.downsample) if isinstance(self.downsample, nn.Sequential) else [self.downsample]
        return layers[-1] if next(self.downsample.parameters(), None) is not None else None

    def branch_layer(self, placement: str) -> nn.Module | list[nn.Module] | str:
        """Return :meth:`layers_to_rescale` for ``standard``, ``3x3`` and ``pre``."""
        raise NotImplementedError

    def settle_tail(self, slot: Slot) -> None:
        self.tail = choice(slot.tail)

    def extra_repr(self) -> str:
        return f'tail={self.tail}' if 'standard' in self.context else ''

    @property
    def sums(self) -> bool:
        """Whether gated branch and shortcut are summed as they are, by the methods above."""
        cls = type(self)
        return (self.residual_scale == 1 and cls.combine is _COMBINE and cls.apply_operator is _APPLY
                and cls.written_tail is _TAIL
                and not vars(self).keys() & {'combine', 'apply_operator', 'written_tail'})


_APPLY, _COMBINE, _TAIL = ContextUnit.apply_operator, ResidualUnit.combine, ResidualUnit.written_tail
