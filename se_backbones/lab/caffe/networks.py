"""Which of the released networks a set of Caffe layers is, and the config of our backbone that computes the same.

Widths, blocks, groups, reduction ratios and strides are read from the layers, so that a network of the same kind with
other sizes is known too.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from se_backbones.lab.caffe.reader import Layer
from se_backbones.models.backbones.bn_inception import STAGES
from se_backbones.pretrained.errors import LayoutError
from se_backbones.utils.validation import first_few

Layers = Mapping[str, Layer]
Config = dict[str, Any]

# A layer that no other family has.
_SIGNS = {
    'se_bn_inception': 'inception_3a/3x3_reduce',
    'senet': 'conv1_1/3x3_s2',
    'se_resnet': 'conv2_1_1x1_reduce',
    'genet': 'conv2_1/1x1_reduce',
}
_DEPTHS = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}
_SENET_DEPTHS = {(3, 8, 36, 3): 154}
# What caffe.proto says where a norm does not; torch's default too.
_EPS = 1e-5
# SE-ResNet-152 has 50. A network is built to compare it with the file: names alone must not make it a huge one.
_MOST_BLOCKS = 1000


def family_of(layers: Layers) -> str:
    """Return the name of the family in :data:`se_backbones.lab.caffe.names.LAYER_RULES`.

    Raises:
        LayoutError: The layers are those of another network.
    """
    for family, layer in _SIGNS.items():
        if layer in layers:
            return family
    raise LayoutError(f'The layers {first_few(layers)} match no known network: SE-ResNet, SE-ResNeXt, '
                      "SENet-154 and SE-BN-Inception of hujie-frank/SENet, and hujie-frank/GENet's RN50-GEPF, RN50-GEP "
                      'and RN50-GEPP.')


def backbone_of(layers: Layers, family: str) -> Config:
    """Return the config of our backbone, without what is the default.

    SENet's and GENet's ResNets have the stride in the first 1x1 convolution (``style='caffe'``), its ResNeXts and
    SENet-154 in the 3x3. All pool the stem without padding, rounding sizes up: ``stem_pool='caffe'``.

    Raises:
        LayoutError: Layers are missing, or no config of ours has these sizes.
    """
    build = {'se_bn_inception': _bn_inception, 'genet': _genet}.get(family, _resnet)
    config = build(layers, family)
    eps = {float(f'{value:.6g}') for layer in layers.values() if (value := _eps(layer))}
    if len(eps) > 1:
        raise LayoutError(f'The norms have different eps ({first_few(map(str, sorted(eps)))}), ours share one.')
    if eps and eps != {_EPS}:
        config['norm_cfg'] = dict(type='BN', eps=eps.pop())
    return config


def is_published(config: Config) -> bool:
    """Return whether the network has as many blocks as a released one."""
    return not isinstance(config.get('depth'), tuple)


def _resnet(layers: Layers, family: str, separator: str = '_') -> Config:
    def unit(name: str, stage: int = 2) -> str:
        return f'conv{stage}_1{separator}{name}'

    reduce, spatial = _weight(layers, unit('1x1_reduce')), _weight(layers, unit('3x3'))
    base_channels = len(_weight(layers, unit('1x1_increase'))) // 4
    groups = len(reduce) // max(1, spatial.shape[1])
    if groups == 0 or groups * spatial.shape[1] != len(reduce):
        raise LayoutError(f'{unit("3x3")} takes {spatial.shape[1]} channels in each group, and {unit("1x1_reduce")}, '
                          f'which it reads, gives {len(reduce)}.')
    counts = _blocks(layers, separator)
    grouped = dict(groups=groups, base_width=len(spatial) // groups)
    if family == 'senet':
        config = dict(type='se_backbones.SENet', depth=_SENET_DEPTHS.get(counts, counts),
                      **({} if grouped == dict(groups=64, base_width=4) else grouped))
        first, last, stem_channels = 'conv1_1/3x3_s2', 'conv1_3/3x3', 2 * base_channels
    else:
        config = dict(type='se_backbones.ResNet', depth=_DEPTHS.get(counts, counts))
        if groups > 1:
            config.update(grouped, type='se_backbones.ResNeXt')
        first = last = 'conv1/7x7_s2'
        stem_channels = base_channels
    style = _style([{'caffe': layers.get(unit('1x1_reduce', stage)), 'pytorch': layers.get(unit('3x3', stage))}
                    for stage in range(3, 2 + len(counts))], 'caffe' if groups == 1 else 'pytorch')
    if style == 'caffe':
        config['style'] = style
    config['stem_pool'] = 'caffe'
    for key, value, default in (('in_channels', _weight(layers, first).shape[1], 3),
                                ('base_channels', base_channels, 64),
                                ('stem_channels', len(_weight(layers, last)), stem_channels)):
        if value != default:
            config[key] = value
    if family != 'genet':
        config['context'] = dict(op=_squeeze_excite(layers))
    return config


def _genet(layers: Layers, family: str) -> Config:
    config = _resnet(layers, family, '/')
    gather = layers.get('conv2_1/gather')
    if gather is None:
        raise LayoutError('There is no layer conv2_1/gather, by which the GE networks are told from a plain ResNet; '
                          'give the prototxt too.')
    op: Config = dict(type='GatherExcite', variant='theta_minus')
    if gather.blobs:
        op['variant'] = 'theta'
        # Gathers span the map; the stem has a stride of 4.
        input_size = tuple(4 * size for size in _weight(layers, gather.name).shape[2:])
        if input_size != (224, 224):
            config['input_size'] = input_size
        if 'conv2_1/excite/1x1_down' in layers:
            op = {**_squeeze_excite(layers), 'type': 'GatherExcite', 'variant': 'theta_plus'}
    config['context'] = dict(op=op)
    return config


def _bn_inception(layers: Layers, family: str) -> Config:
    config: Config = dict(type='se_backbones.BNInception', context=dict(op=_squeeze_excite(layers)))
    stem = _weight(layers, 'conv1/7x7_s2')
    depth = tuple(sum(f'inception_{module.name}/3x3_reduce' in layers for module in stage) for stage in STAGES[1:])
    for key, value, default in (('depth', depth, tuple(map(len, STAGES[1:]))), ('widen_factor', len(stem) / 64, 1.0),
                                ('in_channels', stem.shape[1], 3)):
        if value != default:
            config[key] = value
    return config


def _weight(layers: Layers, name: str) -> Tensor:
    blobs = layers[name].blobs if name in layers else ()
    if not blobs or blobs[0].dim() != 4 or not blobs[0].numel():
        raise LayoutError(f'There is no layer {name} with the kernels of a convolution. Is the file truncated?')
    return blobs[0]


def _blocks(layers: Layers, separator: str) -> tuple[int, ...]:
    """Return the number of blocks of each stage."""
    first = re.compile(rf'conv(\d{{1,6}})_(\d{{1,6}}){separator}1x1_reduce')
    numbers: dict[int, set[int]] = {}
    for match in filter(None, map(first.fullmatch, layers)):
        numbers.setdefault(int(match[1]), set()).add(int(match[2]))
    counts = tuple(len(numbers[stage]) for stage in sorted(numbers))
    if sum(counts) > _MOST_BLOCKS:
        raise LayoutError(f'There are {sum(counts)} blocks, more than any network has ({_MOST_BLOCKS}).')
    # A missing block or stage is found when the result is held against the network of this depth.
    return counts


def _squeeze_excite(layers: Layers) -> Config:
    """Return the config of the operators, whose first layers are called ``..._1x1_down``, in GENet ``.../1x1_down``."""
    down = [name for name in layers if name.endswith('1x1_down')]
    if not down:
        raise LayoutError('There is no layer ...1x1_down: it is a network without its SE operators.')
    pairs = {(weight.shape[1], len(weight)) for weight in (_weight(layers, name) for name in down)}
    # max(1, channels // ratio) == reduced for a range of ratios, which has no end where reduced is 1.
    least = max(channels // (reduced + 1) + 1 for channels, reduced in pairs)
    most = min((channels // reduced for channels, reduced in pairs if reduced > 1), default=max(16, least))
    if least <= most:
        op = dict(type='SqueezeExcite', ratio=16 if least <= 16 <= most else least)
        return op if len(layers[down[0]].blobs) == 2 else dict(op, bias=False)
    raise LayoutError('The operators have no common reduction ratio: '
                      f'{first_few(f"{channels} to {reduced}" for channels, reduced in sorted(pairs))} channels.')


def _style(stages: Sequence[Mapping[str, Layer | None]], released: str) -> str:
    """Return where the stride of the later stages is; ``released`` where the layers do not say.

    Args:
        stages: Of each, the two convolutions of its first block that may have it.
        released: The style of the released network.
    """
    # What else a truncated file lacks is found when it is held against the network.
    params = [{style: layer.settings.convolution_param for style, layer in convs.items()} for convs in stages
              if all(convs.values())]
    if not any(param.num_output for convs in params for param in convs.values()):
        return released
    found = {tuple(style for style, param in convs.items() if 2 in (*param.stride, param.stride_h, param.stride_w))
             for convs in params}
    if found not in ({('caffe',)}, {('pytorch',)}):
        raise LayoutError('Each stage after the first has a stride of 2 in its first block, all in the 1x1_reduce or '
                          'all in the 3x3 convolution; here it is otherwise.')
    return found.pop()[0]


def _eps(layer: Layer) -> float | None:
    if not layer.blobs:
        return None
    return {'BatchNorm': layer.settings.batch_norm_param.eps,
            'CuDNNBatchNorm': layer.settings.cudnn_batch_norm_param.eps}.get(layer.type)
