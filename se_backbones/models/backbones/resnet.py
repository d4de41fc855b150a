"""ResNet (arXiv 1512.03385) and ResNeXt (arXiv 1611.05431), with slots for context operators.

State-dict names and constructor arguments are those of mmdet's ``ResNet`` and ``ResNeXt`` and of mmseg's: a config of
theirs is inherited by changing ``type`` and adding ``context``, and torchvision's weights load as they are.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import build_conv_layer, build_norm_layer, build_plugin_layer
from torch import Tensor, nn

from se_backbones.models.backbones.base import ResidualBackbone
from se_backbones.models.backbones.layers import downsampling_pool, projection
from se_backbones.models.backbones.stages import StageBuilder
from se_backbones.models.norms import add_norm
from se_backbones.models.placement import ContextPlan, Slot
from se_backbones.models.sizes import MapSize, first_stages, halved, per_stage, strided
from se_backbones.models.units import ResidualUnit
from se_backbones.registry import MODELS
from se_backbones.utils.validation import known_keys, one_of, positive_int

STYLES = ('pytorch', 'caffe', 'aa')


class _ResNetUnit(ResidualUnit):
    """What BasicBlock and Bottleneck share: convolutions with norms, mmcv plugin layers between them.

    Args:
        in_channels: Channels of the input.
        planes: Width before the expansion; the output has ``planes * expansion`` channels.
        stride, dilation: Of the spatial convolution (``style`` may move the stride).
        style: ``'pytorch'``: the stride is in the first 3x3 convolution; ``'caffe'``: in the first 1x1; ``'aa'``: in an
            average pool after the 3x3, its norm and its ReLU (timm's ``aa_layer=nn.AvgPool2d``).
        width: Channels inside a bottleneck; None: ``planes``.
        first_width: Channels after the first 1x1; None: ``width``. SENet-154 halves them.
        groups: Groups of the 3x3 convolution.
        avg_down: Average pooling before a 1x1 projection without stride (ResNet-D).
        projection_kernel: Kernel of a projection that has a stride: 1, or 3 in SENet-154.
        dcn: Convolution config of the 3x3, for deformable convolution; None: ``conv_cfg``.
        plugins: ``[dict(cfg=..., position='after_conv1' | 'after_conv2' | 'after_conv3')]`` as in mmdet.
        slots: ``{placement: slot}`` of this unit.
        in_size: (H, W) of the input for operators that depend on it.
        drop_path_rate, with_cp: See :class:`ResidualUnit`.
    """

    expansion: int
    num_convs: int
    spatial_conv: int  # number of the 3x3 convolution that the ``3x3`` slot follows

    def __init__(self, in_channels: int, planes: int, *, stride: int = 1, dilation: int = 1, style: str = 'pytorch',
                 width: int | None = None, first_width: int | None = None, groups: int = 1,
                 avg_down: bool = False, projection_kernel: int = 1, conv_cfg: dict | None = None,
                 norm_cfg: dict | None = None, dcn: dict | None = None, plugins: Sequence[dict] = (),
                 slots: dict[str, Slot] | None = None, in_size: MapSize = (1, 1), drop_path_rate: float = 0.0,
                 with_cp: bool = False):
        super().__init__(in_channels, planes * self.expansion, stride, drop_path_rate, with_cp)
        self._conv_cfg = conv_cfg
        self._norm_cfg = norm_cfg or dict(type='BN')
        self._norms: list[str] = []
        if stride != 1 or in_channels != self.out_channels:
            self.downsample = projection(in_channels, self.out_channels, stride, conv_cfg, self._norm_cfg, avg_down,
                                         projection_kernel if stride != 1 else 1)
        self.mid_channels = width = width or planes
        if one_of('style', style, STYLES) == 'aa' and stride > 1:
            self.pool, conv_stride = downsampling_pool(stride), 1
        else:
            self.pool, conv_stride = None, stride
        self._build(in_channels, width, first_width or width, conv_stride, dilation, style, groups, dcn)
        self._build_plugins(plugins)
        self.fill_slots(slots or {}, in_size, self._norm_cfg, {'3x3': width})

    def _build(self, in_channels: int, width: int, first_width: int, stride: int, dilation: int, style: str,
               groups: int, dcn: dict | None) -> None:
        raise NotImplementedError

    def _add_conv(self, cfg: dict | None, in_channels: int, out_channels: int, kernel_size: int, **kwargs) -> None:
        """Add ``conv<n>`` and its norm (``bn<n>``, ``gn<n>``, ...), n counting from 1."""
        number = len(self._norms) + 1
        self.add_module(f'conv{number}', build_conv_layer(cfg, in_channels, out_channels, kernel_size, bias=False,
                                                          **kwargs))
        self._norms.append(add_norm(self, self._norm_cfg, out_channels, number))

    def _build_plugins(self, plugins: Sequence[dict]) -> None:
        positions = [f'after_conv{number + 1}' for number in range(self.num_convs)]
        self._plugins: list[list[str]] = [[] for _ in positions]
        for plugin in plugins:
            known_keys('plugins[...]', plugin, ['cfg', 'stages', 'position'])
            position = one_of('plugins[...].position', plugin.get('position'), positions)
            after = positions.index(position)
            cfg = dict(plugin['cfg'])
            name, layer = build_plugin_layer(cfg, postfix=cfg.pop('postfix', ''),
                                             in_channels=getattr(self, f'conv{after + 1}').out_channels)
            if hasattr(self, name):
                raise ValueError(f'plugins has two layers named {name!r} in one block; give the second one a postfix '
                                 "in its cfg, such as postfix='_2'.")
            self.add_module(name, layer)
            self._plugins[after].append(name)

    def after(self, number: int, x: Tensor) -> Tensor:
        """Pass ``x`` through the pool, the plugins and the slot after convolution ``number``, its norm and its ReLU."""
        if self.pool is not None and number == self.spatial_conv:
            x = self.pool(x)
        for name in self._plugins[number - 1]:
            x = getattr(self, name)(x)
        return self.apply_operator('3x3', x) if number == self.spatial_conv else x

    def plugin_names(self) -> list[str]:
        return [name for names in self._plugins for name in names]

    @property
    def norm1(self) -> nn.Module:
        return getattr(self, self._norms[0])

    @property
    def norm2(self) -> nn.Module:
        return getattr(self, self._norms[1])

    @property
    def last_norm(self) -> nn.Module:
        """The norm after the last convolution."""
        return getattr(self, self._norms[-1])

    @property
    def closing_norm(self) -> nn.Module | None:
        return None if self._plugins[-1] else getattr(self, self._norms[-1])

    def branch_layer(self, placement: str) -> nn.Module | str:
        if placement == 'pre':
            return self.conv1
        number = self.num_convs if placement == 'standard' else self.spatial_conv
        if self._plugins[number - 1]:
            return f'the plugin {self._plugins[number - 1][-1]!r} stands between the norm and the gate'
        return getattr(self, self._norms[number - 1])


class BasicBlock(_ResNetUnit):
    """Two 3x3 convolutions. Its ``3x3`` slot follows the first one, the only one inside the branch."""

    expansion = 1
    num_convs = 2
    spatial_conv = 1

    def _build(self, in_channels, width, first_width, stride, dilation, style, groups, dcn):
        if dcn is not None or groups != 1 or width != self.out_channels:
            raise ValueError('dcn, groups and base_width need bottleneck blocks (depth 50, 101, 152, or a tuple depth '
                             "with block='bottleneck').")
        self._add_conv(self._conv_cfg, in_channels, width, 3, stride=stride, padding=dilation, dilation=dilation)
        self._add_conv(self._conv_cfg, width, self.out_channels, 3, padding=1)

    def branch(self, x: Tensor) -> Tensor:
        x = self.after(1, F.relu(self.norm1(self.conv1(x)), inplace=True))
        x = self.conv2(x)
        return x if self.closing_norm is not None else self.after(2, self.norm2(x))


class Bottleneck(_ResNetUnit):
    """1x1, 3x3 (grouped in ResNeXt), 1x1 with four times the planes."""

    expansion = 4
    num_convs = 3
    spatial_conv = 2

    def _build(self, in_channels, width, first_width, stride, dilation, style, groups, dcn):
        # The papers' ResNets have the stride in the first 1x1 ("caffe"), their ResNeXts and SENet-154 in the 3x3.
        first_stride, spatial_stride = (stride, 1) if style == 'caffe' else (1, stride)
        self._add_conv(self._conv_cfg, in_channels, first_width, 1, stride=first_stride)
        if dcn is not None and self._conv_cfg is not None:
            raise ValueError(f'dcn={dcn!r} and conv_cfg={self._conv_cfg!r} exclude each other: both say what the 3x3 '
                             'convolution is.')
        dcn = dict(dcn) if dcn is not None else {}
        plain_when_strided = dcn.pop('fallback_on_stride', False)
        spatial_cfg = self._conv_cfg if not dcn or (plain_when_strided and spatial_stride > 1) else dcn
        self._add_conv(spatial_cfg, first_width, width, 3, stride=spatial_stride, padding=dilation, dilation=dilation,
                       groups=groups)
        self._add_conv(self._conv_cfg, width, self.out_channels, 1)

    @property
    def norm3(self) -> nn.Module:
        return getattr(self, self._norms[2])

    def branch(self, x: Tensor) -> Tensor:
        x = self.after(1, F.relu(self.norm1(self.conv1(x)), inplace=True))
        x = self.after(2, F.relu(self.norm2(self.conv2(x)), inplace=True))
        x = self.conv3(x)
        return x if self.closing_norm is not None else self.after(3, self.norm3(x))


# Caffe rounds the pooled size up and pads nothing; all give 56 for 112, but from other pixels.
STEM_POOLS = {
    'torch': lambda: nn.MaxPool2d(3, 2, padding=1),
    'caffe': lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    'avg': lambda: nn.AvgPool2d(2),
}
UNITS = {'basic': BasicBlock, 'bottleneck': Bottleneck}
DEPTHS = {
    18: ('basic', (2, 2, 2, 2)),
    34: ('basic', (3, 4, 6, 3)),
    50: ('bottleneck', (3, 4, 6, 3)),
    101: ('bottleneck', (3, 4, 23, 3)),
    152: ('bottleneck', (3, 8, 36, 3)),
}
# Blocks of the first stages that share a rate in layer-wise learning rate decay; mmpretrain's, after SparK's.
LAYER_GROUPS = {(3, 4, 6, 3): (3, 2, 3), (3, 4, 23, 3): (3, 2, 3), (3, 8, 36, 3): (3, 4, 4)}


def parse_depth(depth: int | Sequence[int], block: str | None = None) -> tuple[type[_ResNetUnit], tuple[int, ...]]:
    """Return the unit class and the blocks of each stage for a published depth or an explicit tuple of blocks.

    Raises:
        ValueError: The depth is not published, or ``block`` is given with a published one, which settles it.
    """
    if isinstance(depth, (tuple, list)):
        for count in depth:
            positive_int('depth[...]', count)
        return UNITS[one_of('block', block or 'bottleneck', tuple(UNITS))], tuple(depth)
    if depth not in DEPTHS:
        raise ValueError(f'depth must be one of {", ".join(map(str, DEPTHS))} or a tuple of blocks per stage such as '
                         f'(3, 4, 6, 3), got {depth!r}.')
    if block is not None:
        raise ValueError(f'block={block!r} needs a tuple depth; depth={depth} has {DEPTHS[depth][0]} blocks.')
    return UNITS[DEPTHS[depth][0]], DEPTHS[depth][1]


@MODELS.register_module()
class ResNet(ResidualBackbone):
    """ResNet with context operators; ``(N, in_channels, H, W)`` to a tuple of maps in ``out_indices`` order.

    Arguments that mmdet's ResNet or mmseg's has mean the same; defaults are mmpretrain's.

    Args:
        depth: 18, 34, 50, 101, 152, or a tuple of blocks per stage.
        context: None, or where which operators sit: see :class:`se_backbones.models.placement.ContextPlan`.
        block: ``'bottleneck'`` (default) or ``'basic'``, for a tuple ``depth``.
        stem_channels: Channels of the stem; None: ``base_channels``.
        base_channels: Planes of the first stage; they double from stage to stage.
        num_stages: How many of the stages are built.
        strides, dilations: Of each stage's first block; of each stage's 3x3 convolutions.
        multi_grid: Dilation of each block of the last stage, in place of that of ``dilations`` (arXiv 1706.05587).
        contract_dilation: Halve the dilation of the first block of each dilated stage, which still sees the denser grid
            of the stage before (arXiv 1705.09914).
        style: ``'pytorch'``: stride in the 3x3; ``'caffe'``: in the first 1x1, as in the papers' ResNets; ``'aa'``: in
            an average pool after the 3x3, its norm and its ReLU, as in timm's resnetaa* and seresnextaa*.
        deep_stem: Three 3x3 convolutions in place of the 7x7.
        stem_pool: ``'torch'``: 3x3, stride 2, padding 1; ``'caffe'``: no padding, ceil mode; ``'avg'``: average of 2x2,
            without an incomplete last one. Weights need one of them: the papers' own and Cadene's ``'caffe'``, timm's
            "aa" networks ``'avg'``.
        avg_down: Average pooling before the projection shortcuts.
        dcn, stage_with_dcn: Deformable convolution in place of the 3x3, and in which stages.
        plugins: mmcv plugin layers: ``[dict(cfg=..., stages=(...), position='after_conv3')]``.
        zero_init_residual: Start with the last norm of each branch at zero. Loaded weights come after it.
        groups, base_width: Groups and width per group (for 64 planes) of the 3x3; ``base_width=128`` with one group is
            torchvision's wide ResNet. None: the plain width.
        width_per_group: mmpretrain's name of ``base_width``.
        expansion: mmpretrain's: output channels of a bottleneck in its planes, as its wide ResNets have 2 instead of 4.
        se_ratio: mmpretrain's: SE with this ratio in every unit, a short form of ``context``.
        kwargs: See :class:`Backbone` and :class:`ResidualBackbone`.

    Raises:
        ValueError: A wrong value; the message names the key and the allowed values.
    """

    def __init__(self, depth: int | Sequence[int], context: dict | Sequence[dict] | None = None, *,
                 block: str | None = None, stem_channels: int | None = None, base_channels: int = 64,
                 num_stages: int | None = None, strides: Sequence[int] | None = None,
                 dilations: Sequence[int] | None = None, multi_grid: Sequence[int] | None = None,
                 contract_dilation: bool = False, style: str = 'pytorch', deep_stem: bool = False,
                 stem_pool: str = 'torch', avg_down: bool = False, dcn: dict | None = None,
                 stage_with_dcn: Sequence[bool] | None = None, plugins: Sequence[dict] | None = None,
                 zero_init_residual: bool = True, groups: int = 1, base_width: int | None = None,
                 width_per_group: int | None = None, expansion: int | None = None, se_ratio: int | None = None,
                 **kwargs):
        unit, blocks = parse_depth(depth, block)
        if width_per_group is not None:
            if base_width is not None:
                raise ValueError(f'width_per_group={width_per_group} and base_width={base_width} are two names of one '
                                 'option; give one of them.')
            base_width = width_per_group
        if expansion not in (None, unit.expansion):
            base_channels, base_width = _planes_of_ours(base_channels, expansion, unit, groups)
        if se_ratio is not None:
            if context is not None:
                raise ValueError(f'se_ratio={se_ratio!r} and context={context!r} exclude each other: se_ratio means '
                                 f"context=dict(op=dict(type='SqueezeExcite', ratio={se_ratio!r})).")
            context = dict(op=dict(type='SqueezeExcite', ratio=se_ratio))
        blocks = first_stages(blocks, num_stages, depth)
        num_stages = len(blocks)
        super().__init__(num_stages, **kwargs)
        one_of('stem_pool', stem_pool, tuple(STEM_POOLS))
        strides = per_stage('strides', strides, num_stages, (1, *[2] * (num_stages - 1)))
        dilations = per_stage('dilations', dilations, num_stages, (1,) * num_stages)
        stage_with_dcn = per_stage('stage_with_dcn', stage_with_dcn, num_stages, (False,) * num_stages)
        if (dcn is not None) != any(stage_with_dcn):
            raise ValueError(f'dcn={dcn!r} and stage_with_dcn={stage_with_dcn!r} need each other.')
        self.zero_init_residual = zero_init_residual
        # What published weights need and no tensor shows (models/loading/settings.py).
        self.style, self.stem_pool = style, stem_pool
        self.deep_stem = deep_stem
        self.stem_channels = base_channels if stem_channels is None else stem_channels
        self._build_stem(self.stem_channels)
        builder = StageBuilder(ContextPlan(context, blocks), self.stem_channels, self._stem_size(), 4,
                               **self.unit_options)
        self.stage_names = [f'layer{stage + 1}' for stage in range(num_stages)]
        for stage, name in enumerate(self.stage_names):
            planes = base_channels * 2**stage
            within = block_dilations(blocks[stage], dilations[stage], contract_dilation,
                                     multi_grid if stage == num_stages - 1 else None)
            self.add_module(name, builder.stage(
                unit, stage, strides[stage], [dict(dilation=dilation) for dilation in within], planes=planes,
                style=style, avg_down=avg_down, groups=groups,
                dcn=dcn if stage_with_dcn[stage] else None, plugins=stage_plugins(plugins, stage, num_stages),
                **self._widths(planes, base_channels, groups, base_width)))
        self.features = builder.features
        self.freeze()

    def _widths(self, planes: int, base_channels: int, groups: int, base_width: int | None) -> dict:
        """Return what the units are told of the widths inside of them."""
        if base_width is None:
            return {}
        return dict(width=int(planes * base_width / base_channels) * groups)

    def _build_stem(self, channels: int) -> None:
        if self.deep_stem:
            layers = []
            for source, target, stride in ((self.in_channels, channels // 2, 2), (channels // 2, channels // 2, 1),
                                           (channels // 2, channels, 1)):
                layers += [build_conv_layer(self.conv_cfg, source, target, 3, stride=stride, padding=1, bias=False),
                           build_norm_layer(self.norm_cfg, target)[1], nn.ReLU(inplace=True)]
            self.stem = nn.Sequential(*layers)
        else:
            self.conv1 = build_conv_layer(self.conv_cfg, self.in_channels, channels, 7, stride=2, padding=3, bias=False)
            self.norm1_name = add_norm(self, self.norm_cfg, channels, 1)
        self.maxpool = STEM_POOLS[self.stem_pool]()

    def _stem_size(self) -> MapSize:
        size = strided(self.input_size, 2)
        return strided(size, 2) if self.stem_pool == 'torch' else halved(size)

    @property
    def norm1(self) -> nn.Module:
        """The stem's norm."""
        return getattr(self, self.norm1_name)

    def stem_modules(self) -> list[nn.Module]:
        return [self.stem] if self.deep_stem else [self.conv1, self.norm1]

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the stages, the second and the third of the published depths in groups of blocks as in mmpretrain."""
        stages = [list(getattr(self, name)) for name in self.stage_names]
        sizes = LAYER_GROUPS.get(tuple(map(len, stages)), ())
        sizes = [*sizes, *map(len, stages[len(sizes):])]
        return [stage[start:start + size] for stage, size in zip(stages, sizes, strict=True)
                for start in range(0, len(stage), size)]

    def zero_init(self) -> None:
        if self.zero_init_residual:
            for module in self.modules():
                if isinstance(module, ResidualUnit) and module.last_norm.weight is not None:
                    nn.init.zeros_(module.last_norm.weight)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        # The stem's large maps have no name here, which would keep them while the stages run.
        return self.run_stages(self.maxpool(
            self.stem(x) if self.deep_stem else F.relu(self.norm1(self.conv1(x)), inplace=True)))


@MODELS.register_module()
class ResNeXt(ResNet):
    """ResNeXt; the default is 32x4d. See :class:`ResNet` for the other arguments.

    Args:
        depth: 50, 101, 152 or a tuple of blocks per stage.
        groups: Cardinality.
        base_width: Channels per group where the planes are 64; None: 4, or ``width_per_group``.
    """

    def __init__(self, depth: int | Sequence[int], context: dict | Sequence[dict] | None = None, *, groups: int = 32,
                 base_width: int | None = None, **kwargs):
        if groups == 1:
            raise ValueError('groups=1 makes a plain ResNet; use type="se_backbones.ResNet".')
        if base_width is None and kwargs.get('width_per_group') is None:
            base_width = 4
        super().__init__(depth, context, groups=groups, base_width=base_width, **kwargs)


@MODELS.register_module()
class ResNetV1c(ResNet):
    """ResNet with the deep stem, the usual trunk of mmseg. See :class:`ResNet` for the arguments."""

    def __init__(self, depth: int | Sequence[int], context: dict | Sequence[dict] | None = None, *,
                 deep_stem: bool = True, **kwargs):
        super().__init__(depth, context, deep_stem=deep_stem, **kwargs)


@MODELS.register_module()
class ResNetV1d(ResNetV1c):
    """ResNet with the deep stem and average pooling in its shortcuts (ResNet-D, arXiv 1812.01187)."""

    def __init__(self, depth: int | Sequence[int], context: dict | Sequence[dict] | None = None, *,
                 avg_down: bool = True, **kwargs):
        super().__init__(depth, context, avg_down=avg_down, **kwargs)


def _planes_of_ours(planes: int, expansion: int, unit: type[_ResNetUnit], groups: int) -> tuple[int, int]:
    """Return ``base_channels`` and ``base_width`` of the network with another expansion than the unit's own.

    Its units have ``planes`` channels inside and ``planes * expansion`` outside.
    """
    if unit is not Bottleneck or groups != 1 or planes * expansion % unit.expansion:
        raise ValueError(f'expansion={expansion!r} needs bottlenecks without groups, and base_channels={planes!r} '
                         f'times it must be a multiple of {unit.expansion}; base_channels and base_width say the same.')
    return planes * expansion // unit.expansion, planes


def block_dilations(blocks: int, dilation: int, contract: bool = False,
                    multi_grid: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the dilation of each block of a stage; see ``multi_grid`` and ``contract_dilation`` of :class:`ResNet`."""
    if multi_grid is not None:
        if len(multi_grid) != blocks:
            raise ValueError(f'multi_grid must have one dilation for each of the {blocks} blocks of the last stage, '
                             f'got {tuple(multi_grid)!r}.')
        return tuple(multi_grid)
    first = dilation // 2 if contract and dilation > 1 else dilation
    return (first, *[dilation] * (blocks - 1))


def stage_plugins(plugins: Sequence[dict] | None, stage: int, num_stages: int) -> list[dict]:
    """Return the entries of mmdet's ``plugins`` that belong to this stage."""
    return [plugin for plugin in plugins or ()
            if per_stage('plugins.stages', plugin.get('stages'), num_stages, (True,) * num_stages)[stage]]
