"""BN-Inception (arXiv 1502.03167) as released with SE: hujie-frank/SENet, SE-BN-Inception.prototxt.

Layers have the prototxt's names: ``inception_3a/double3x3a`` is ``inception_3a.double3x3a.conv`` here, its norm
``inception_3a.double3x3a.bn``. Pooling is Caffe's: strided max pools have no padding and round their size up, and the
zeros around average pools count.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from se_backbones.models.backbones.base import Backbone
from se_backbones.models.backbones.layers import ConvNorm
from se_backbones.models.backbones.stages import StageBuilder
from se_backbones.models.placement import ContextPlan, Slot
from se_backbones.models.sizes import MapSize, halved, strided, widened
from se_backbones.models.units import ContextUnit
from se_backbones.registry import MODELS
from se_backbones.utils.validation import positive_int


class Inception(NamedTuple):
    """Output channels of each layer of a module; ``one`` and ``proj`` are None in modules of stride 2."""

    name: str
    one: int | None                    # 1x1
    three: tuple[int, int]             # 1x1, 3x3
    double: tuple[int, int, int]       # 1x1, 3x3, 3x3
    pool: str
    proj: int | None                   # 1x1 after the pool


STAGES = (
    (),  # stage 0 has conv2 alone
    (Inception('3a', 64, (64, 64), (64, 96, 96), 'avg', 32),
     Inception('3b', 64, (64, 96), (64, 96, 96), 'avg', 64)),
    (Inception('3c', None, (128, 160), (64, 96, 96), 'max', None),
     Inception('4a', 224, (64, 96), (96, 128, 128), 'avg', 128),
     Inception('4b', 192, (96, 128), (96, 128, 128), 'avg', 128),
     Inception('4c', 160, (128, 160), (128, 160, 160), 'avg', 128),
     Inception('4d', 96, (128, 192), (160, 192, 192), 'avg', 128)),
    (Inception('4e', None, (128, 192), (192, 256, 256), 'max', None),
     Inception('5a', 352, (192, 320), (160, 224, 224), 'avg', 128),
     Inception('5b', 352, (192, 320), (192, 224, 224), 'max', 128)),
)


class StridedMaxPool(nn.Module):
    """Max pool 3x3 of stride 2: ``(N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2))``.

    For even H and W, as in a 224 network, this is Caffe's: no padding, size rounded up. There the pool of an odd map is
    one smaller than the 3x3 convolutions beside it; one more row or column at the end keeps the branches equal.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2), value=float('-inf'))
        return F.max_pool2d(x, 3, 2, ceil_mode=True)


class InceptionUnit(ContextUnit):
    """Branches ``1x1``, ``3x3``, ``double3x3`` and ``pool``, concatenated in this order, then the ``standard`` slot.

    ``(N, C, H, W) -> (N, C', H, W)``; modules of stride 2 have no 1x1 branch, pass the max pool on as it is and give
    ``(N, C', ceil(H / 2), ceil(W / 2))``.

    Args:
        in_channels: C.
        module: Its widths.
        widen_factor: See :class:`BNInception`.
        slots: ``{'standard': slot}`` or empty.
        in_size: (H, W) of the input for operators that depend on it.
        with_cp: See :class:`ContextUnit`.
    """

    def __init__(self, in_channels: int, module: Inception, widen_factor: float, *, slots: dict[str, Slot],
                 in_size: MapSize, conv_cfg: dict | None, norm_cfg: dict, with_cp: bool):
        widths = [widened(width, widen_factor) for width in (module.one, module.three[-1], module.double[-1],
                                                             module.proj) if width is not None]
        stride, passed_on = (2, in_channels) if module.proj is None else (1, 0)
        super().__init__(in_channels, sum(widths) + passed_on, stride, with_cp)
        self.strided = stride == 2
        if self.strided:
            self.pool = StridedMaxPool()
        elif module.pool == 'avg':
            self.pool = nn.AvgPool2d(3, 1, padding=1, count_include_pad=True)
        else:
            self.pool = nn.MaxPool2d(3, 1, padding=1)
        self._branches: list[list[str]] = []
        for names, layers in (
                ([], [('1x1', module.one, 1, 1)]),
                ([], [('3x3_reduce', module.three[0], 1, 1), ('3x3', module.three[1], 3, stride)]),
                ([], [('double3x3_reduce', module.double[0], 1, 1), ('double3x3a', module.double[1], 3, 1),
                      ('double3x3b', module.double[2], 3, stride)]),
                (['pool'], [('pool_proj', module.proj, 1, 1)])):
            channels = in_channels
            for name, width, kernel, step in layers:
                if width is not None:
                    width = widened(width, widen_factor)
                    self.add_module(name, ConvNorm(channels, width, kernel, stride=step, padding=kernel // 2,
                                                   conv_cfg=conv_cfg, norm_cfg=norm_cfg))
                    names.append(name)
                    channels = width
            if names:
                self._branches.append(names)
        self._read_by: list[nn.Module] = []
        self.fill_slots(slots, in_size, norm_cfg)

    def read_by(self, following: 'InceptionUnit') -> None:
        """Tell this unit which one takes its output."""
        if not following.strided:
            self._read_by = following.reading_convs()  # a list: they stay modules of the other unit alone

    def reading_convs(self) -> list[nn.Module]:
        """Return the convolution of each branch that reads the input (through the pool, which commutes with scale)."""
        return [next(layer.conv for layer in map(self.get_submodule, names) if isinstance(layer, ConvNorm))
                for names in self._branches]

    def layers_to_rescale(self, placement: str) -> list[nn.Module] | str:
        if not self.strided:
            return [self.get_submodule(names[-1]).norm for names in self._branches]
        # The max pool passes values on with no layer to double, so the convolutions that read the gated map are.
        return self._read_by or ('the max pool of this stride-2 module passes values on, and the next module is none '
                                 'that only convolves them')

    def _forward(self, x: Tensor) -> Tensor:
        outputs = []
        for names in self._branches:
            out = x
            for name in names:
                out = getattr(self, name)(out)
            outputs.append(out)
        return self.apply_operator('standard', torch.cat(outputs, 1))


@MODELS.register_module()
class BNInception(Backbone):
    """BN-Inception with context operators; ``(N, in_channels, H, W)`` to a tuple of maps in ``out_indices`` order.

    ===== ====== ======== ==================================================
    stage stride channels modules
    ===== ====== ======== ==================================================
    stem  2      64       conv1
    0     4      192      pool1, conv2: no module, hence no operator
    1     8      320      pool2, 3a, 3b
    2     16     608      3c, 4a, 4b, 4c, 4d
    3     32     1024     4e, 5a, 5b
    ===== ====== ======== ==================================================

    A stage is what has one resolution, as everywhere in OpenMMLab: the stride-2 modules 3c and 4e begin stages, where
    their names end the ones before. SE in all ten modules with the 1000-way classifier is the released network,
    11,931,622 parameters.

    Function-preserving insertion doubles the last norm of each branch, and for 3c and 4e the convolutions of 4a and 5a
    that read their output.

    Args:
        depth: How many of the modules of stages 1, 2 and 3 are built, from the first.
        context: None, or where which operators sit: see :class:`se_backbones.models.placement.ContextPlan`. The slot is
            ``'standard'``: on the concatenation. ``stages`` has four entries; the first selects nothing.
        widen_factor: Factor of all widths, which are ``max(1, int(c * widen_factor))``.
        kwargs: See :class:`Backbone`.

    Raises:
        ValueError: A wrong value; the message names the key and the allowed values.
    """

    def __init__(self, depth: Sequence[int] = (2, 5, 3), context: dict | Sequence[dict] | None = None, *,
                 widen_factor: float = 1.0, **kwargs):
        super().__init__(len(STAGES), **kwargs)
        most = tuple(len(modules) for modules in STAGES[1:])
        if (not isinstance(depth, (tuple, list)) or len(depth) != len(most)
                or any(positive_int('depth[...]', count) > limit for count, limit in zip(depth, most))):
            raise ValueError(f'depth must be a tuple with the modules of stages 1, 2 and 3, at most {most}, got '
                             f'{depth!r}.')
        layers = self.layer_cfgs
        narrow, channels = widened(64, widen_factor), widened(192, widen_factor)
        self.conv1_7x7_s2 = ConvNorm(self.in_channels, narrow, 7, stride=2, padding=3, **layers)
        self.pool1_3x3_s2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2_3x3_reduce = ConvNorm(narrow, narrow, 1, **layers)
        self.conv2_3x3 = ConvNorm(narrow, channels, 3, padding=1, **layers)
        self.pool2_3x3_s2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self._stages = [['pool1_3x3_s2', 'conv2_3x3_reduce', 'conv2_3x3'], ['pool2_3x3_s2'], [], []]
        builder = StageBuilder(ContextPlan(context, (0, *depth), placements=('standard',)), channels,
                               halved(strided(self.input_size, 2)), 4, **self.unit_options)
        builder.end_stage()
        builder.size, builder.stride = halved(builder.size), 8
        units: list[InceptionUnit] = []
        for stage, count in enumerate(depth, 1):
            for block, module in enumerate(STAGES[stage][:count]):
                units.append(builder.unit(InceptionUnit, stage, block, module=module, widen_factor=widen_factor))
                self.add_module(f'inception_{module.name}', units[-1])
                self._stages[stage].append(f'inception_{module.name}')
            builder.end_stage()
        self.features = builder.features
        for unit, following in pairwise(units):
            unit.read_by(following)
        self.freeze()

    def stem_modules(self) -> list[nn.Module]:
        return [self.conv1_7x7_s2]

    def stage_modules(self, stage: int) -> list[nn.Module]:
        return [getattr(self, name) for name in self._stages[stage]]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.run_stages(self.conv1_7x7_s2(x))
