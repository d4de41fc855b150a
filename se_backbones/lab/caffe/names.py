"""Layer names of the released Caffe networks and our keys, in both directions.

A norm is two layers in SENet's networks, ``X/bn`` (statistics) and ``X/bn/scale`` (scale and shift), and one in
GENet's, ``X/bn``.
"""

from collections.abc import Sequence

from se_backbones.pretrained.layouts.rules import Pattern

# In a pattern {i} is a stage and {j} a block: Caffe's conv2_1 is layer1.0 here. {m} is a module such as 3a.
_FIELDS = {'i': r'\d{1,6}', 'j': r'\d{1,6}', 'm': r'\w+'}
# The parameters of a layer in the order of Caffe's blobs; None: it has no tensor of its own here.
LAYER = ('weight', 'bias')
STATISTICS = ('running_mean', 'running_var', None)
CUDNN_NORM = ('weight', 'bias', 'running_mean', 'running_var')


class Names:
    """The names of one family of networks.

    Args:
        rules: ``(Caffe's layer, our module)``. A layer that ends in ``/bn`` is a norm.
        split_norms: Whether norms are two layers.
    """

    def __init__(self, *rules: tuple[str, str], split_norms: bool = True):
        self._split_norms = split_norms
        self._rules = [(_Pattern(theirs, 1), _Pattern(ours, 0)) for theirs, ours in rules]

    def parameters(self, layer: str) -> tuple[str | None, ...]:
        """Return what the blobs of this layer are, in their order."""
        if not layer.endswith('/bn'):
            return LAYER
        return STATISTICS if self._split_norms else CUDNN_NORM

    def to_ours(self, layer: str) -> str | None:
        """Return our module for a layer of Caffe's; None: the family has no such layer."""
        module = layer.removesuffix('/scale') if self._split_norms and layer.endswith('/bn/scale') else layer
        return _first(module, self._rules)

    def caffe_to_ours(self, layer: str, blob: int) -> str | None:
        """Return our key for a blob of Caffe's; None: there is none, as for the scale factor of a ``BatchNorm``."""
        module, parameters = self.to_ours(layer), self.parameters(layer)
        if module is None or blob >= len(parameters) or parameters[blob] is None:
            return None
        return f'{module}.{parameters[blob]}'

    def ours_to_caffe(self, key: str) -> tuple[str, int] | None:
        """Return ``(layer, number of the blob)`` for a key of ours; None: the family has no such parameter."""
        module, _, parameter = key.rpartition('.')
        layer = _first(module, [(ours, theirs) for theirs, ours in self._rules])
        if layer is None:
            return None
        if self._split_norms and layer.endswith('/bn') and parameter in LAYER:
            return f'{layer}/scale', LAYER.index(parameter)
        parameters = self.parameters(layer)
        return (layer, parameters.index(parameter)) if parameter in parameters else None


class _Pattern(Pattern):
    """A name with fields.

    Args:
        text: Such as ``conv{i}_{j}_3x3``.
        base: What this side counts stages and blocks from, less what we do: Caffe's stage is ours + 1.
    """

    def __init__(self, text: str, base: int):
        super().__init__(text, _FIELDS)
        self._base = base

    def read(self, key: str) -> dict[str, str] | None:
        fields = self._shifted(super().read(key), -self._base)
        # Caffe counts from 1: what it calls conv0_0 is not a unit of these networks.
        return None if fields and any(value.startswith('-') for value in fields.values()) else fields

    def write(self, fields: dict[str, str]) -> str:
        return super().write(self._shifted(fields, self._base))

    @staticmethod
    def _shifted(fields: dict[str, str] | None, by: int) -> dict[str, str] | None:
        return fields and {field: value if field == 'm' else str(int(value) + by) for field, value in fields.items()}


def _first(name: str, rules: Sequence[tuple[_Pattern, _Pattern]]) -> str | None:
    for old, new in rules:
        fields = old.read(name)
        if fields is not None:
            return new.write(fields)
    return None


def _with_norm(layer: str, conv: str, norm: str) -> tuple[tuple[str, str], ...]:
    return (layer, conv), (f'{layer}/bn', norm)


def _units(prefix: str) -> tuple[tuple[str, str], ...]:
    """Return the rules of the bottleneck units, which SENet and GENet separate from the block by ``_`` and ``/``."""
    unit = 'layer{i}.{j}'
    return (*_with_norm(f'{prefix}1x1_reduce', f'{unit}.conv1', f'{unit}.bn1'),
            *_with_norm(f'{prefix}3x3', f'{unit}.conv2', f'{unit}.bn2'),
            *_with_norm(f'{prefix}1x1_increase', f'{unit}.conv3', f'{unit}.bn3'),
            *_with_norm(f'{prefix}1x1_proj', f'{unit}.downsample.0', f'{unit}.downsample.1'))


def _excite(down: str, up: str, unit: str) -> tuple[tuple[str, str], ...]:
    operator = f'{unit}.context.standard'
    return (down, f'{operator}.excite.down'), (up, f'{operator}.excite.up')


_STEM = _with_norm('conv1/7x7_s2', 'conv1', 'bn1')
_CLASSIFIER = (('classifier', 'head.fc'),)
_SE_UNITS = (*_units('conv{i}_{j}_'), *_excite('conv{i}_{j}_1x1_down', 'conv{i}_{j}_1x1_up', 'layer{i}.{j}'))

LAYER_RULES: dict[str, Names] = {
    # SE-ResNet-50, -101, -152, SE-ResNeXt-50, -101.
    'se_resnet': Names(*_STEM, *_SE_UNITS, *_CLASSIFIER),
    # SENet-154. Our stem is a sequence of convolution, norm and ReLU, three times.
    'senet': Names(
        *_with_norm('conv1_1/3x3_s2', 'stem.0', 'stem.1'), *_with_norm('conv1_2/3x3', 'stem.3', 'stem.4'),
        *_with_norm('conv1_3/3x3', 'stem.6', 'stem.7'), *_SE_UNITS, *_CLASSIFIER),
    'se_bn_inception': Names(
        *_with_norm('conv1/7x7_s2', 'conv1_7x7_s2.conv', 'conv1_7x7_s2.bn'),
        *_with_norm('conv2/3x3_reduce', 'conv2_3x3_reduce.conv', 'conv2_3x3_reduce.bn'),
        *_with_norm('conv2/3x3', 'conv2_3x3.conv', 'conv2_3x3.bn'),
        *(rule for layer in ('1x1', '3x3_reduce', '3x3', 'double3x3_reduce', 'double3x3a', 'double3x3b', 'pool_proj')
          for rule in _with_norm(f'inception_{{m}}/{layer}', f'inception_{{m}}.{layer}.conv',
                                 f'inception_{{m}}.{layer}.bn')),
        *_excite('inception_{m}_1x1_down', 'inception_{m}_1x1_up', 'inception_{m}'),
        *_CLASSIFIER),
    # RN50-GEPF (theta-minus), -GEP (theta), -GEPP (theta-plus).
    'genet': Names(
        *_STEM, *_units('conv{i}_{j}/'),
        *_with_norm('conv{i}_{j}/gather', 'layer{i}.{j}.context.standard.gather.conv1',
                    'layer{i}.{j}.context.standard.gather.bn1'),
        *_excite('conv{i}_{j}/excite/1x1_down', 'conv{i}_{j}/excite/1x1_up', 'layer{i}.{j}'),
        *_CLASSIFIER, split_norms=False),
}
