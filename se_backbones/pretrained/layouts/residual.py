"""ResNet, ResNeXt and SENet-154: all libraries agree on the stages and differ in stem, operator and classifier."""

from se_backbones.pretrained.layouts.rules import Rules, prefixed, same

Pairs = tuple[tuple[str, str], ...]

BRANCHES = same('layer{i}.{j}.conv{n}.weight', 'layer{i}.{j}.bn{n}.{s}')
UNITS = (*BRANCHES, *same('layer{i}.{j}.downsample.{n}.{s}'))
# With avg_down a pool is downsample.0; mmpretrain has none in the first stage, where it would do nothing.
PROJECTIONS = same('layer{i}.{j}.downsample.0.weight', 'layer{i}.{j}.downsample.1.{s}')
MMPRETRAIN_POOLED_PROJECTIONS = (
    ('layer1.{j}.downsample.0.weight', 'layer1.{j}.downsample.1.weight'),
    ('layer1.{j}.downsample.1.{s}', 'layer1.{j}.downsample.2.{s}'),
    *same('layer{i}.{j}.downsample.1.weight', 'layer{i}.{j}.downsample.2.{s}'),
)

PLAIN_STEM = same('conv1.weight', 'bn1.{s}')

# Ours is a sequence of convolution, norm and ReLU, three times: stem.0, stem.1, (stem.2), stem.3, ...
TIMM_DEEP_STEM = (
    ('conv1.0.weight', 'stem.0.weight'), ('conv1.1.{s}', 'stem.1.{s}'),
    ('conv1.3.weight', 'stem.3.weight'), ('conv1.4.{s}', 'stem.4.{s}'),
    ('conv1.6.weight', 'stem.6.weight'), ('bn1.{s}', 'stem.7.{s}'),
)
LEGACY_PLAIN_STEM = (('layer0.conv1.weight', 'conv1.weight'), ('layer0.bn1.{s}', 'bn1.{s}'))
LEGACY_DEEP_STEM = (
    ('layer0.conv1.weight', 'stem.0.weight'), ('layer0.bn1.{s}', 'stem.1.{s}'),
    ('layer0.conv2.weight', 'stem.3.weight'), ('layer0.bn2.{s}', 'stem.4.{s}'),
    ('layer0.conv3.weight', 'stem.6.weight'), ('layer0.bn3.{s}', 'stem.7.{s}'),
)
MMPRETRAIN_DEEP_STEM = (
    ('stem.0.conv.weight', 'stem.0.weight'), ('stem.0.bn.{s}', 'stem.1.{s}'),
    ('stem.1.conv.weight', 'stem.3.weight'), ('stem.1.bn.{s}', 'stem.4.{s}'),
    ('stem.2.conv.weight', 'stem.6.weight'), ('stem.2.bn.{s}', 'stem.7.{s}'),
)


def squeeze_excite(reduce: str, expand: str) -> Pairs:
    """Return the rules of SE at its standard place, the only one that other libraries have."""
    ours = 'layer{i}.{j}.context.standard.excite'
    return (('layer{i}.{j}.' + reduce + '.{p}', ours + '.down.{p}'),
            ('layer{i}.{j}.' + expand + '.{p}', ours + '.up.{p}'))


def timm() -> dict[str, Rules]:
    """timm's ``resnet.py``: resnet*, resnext*, seresnet*, seresnext*, senet154, and what it took over from Gluon."""
    rest = (*UNITS, *squeeze_excite('se.fc1', 'se.fc2'), ('fc.{p}', 'head.fc.{p}'))
    return {'resnet': Rules(*PLAIN_STEM, *rest), 'resnet, deep stem': Rules(*TIMM_DEEP_STEM, *rest)}


def timm_legacy() -> dict[str, Rules]:
    """Cadene's networks, which timm calls legacy_*."""
    rest = (*UNITS, *squeeze_excite('se_module.fc1', 'se_module.fc2'), ('last_linear.{p}', 'head.fc.{p}'))
    return {'resnet': Rules(*LEGACY_PLAIN_STEM, *rest), 'resnet, deep stem': Rules(*LEGACY_DEEP_STEM, *rest)}


def mmpretrain(prefix: str) -> dict[str, Rules]:
    """mmpretrain's ResNet, ResNeXt, SEResNet and SEResNeXt, in a classifier or, with an empty prefix, alone."""
    units = (*BRANCHES, *squeeze_excite('se_layer.conv1.conv', 'se_layer.conv2.conv'))
    head = same('head.fc.{p}') if prefix else ()
    return {f'{kind}{shortcut}': Rules(*prefixed(prefix, *stem, *projections, *units), *head)
            for kind, stem in (('resnet', PLAIN_STEM), ('resnet, deep stem', MMPRETRAIN_DEEP_STEM))
            for shortcut, projections in (('', PROJECTIONS), (', avg_down', MMPRETRAIN_POOLED_PROJECTIONS))}


def torchvision() -> dict[str, Rules]:
    """torchvision's ResNets, which have no operators."""
    return {'resnet': Rules(*PLAIN_STEM, *UNITS, ('fc.{p}', 'head.fc.{p}'))}
