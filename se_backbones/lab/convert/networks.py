"""Build the network of another library for a layout, to compare outputs."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from se_backbones.registry import MODELS

Config = Mapping[str, Any]
_UNNAMED = 'network without a name (--arch NAME)'


class NoNetwork(Exception):
    """A library is not installed or has no such network; the text says which."""


class Scores(nn.Module):
    """A backbone and a linear classifier on its pooled last map: ``(N, 3, H, W) -> (N, classes)``.

    Without a classifier the output is the pooled map, ``(N, C)``. The keys are those of an mmpretrain classifier.

    Args:
        backbone: Returns a tuple of maps, or one that ends in scores, as VGG's does.
        num_classes, num_features: Of the classifier and of what it takes; 0 classes: there is none.
    """

    def __init__(self, backbone: nn.Module, num_classes: int, num_features: int):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Module()
        self.head.fc = nn.Linear(num_features, num_classes) if num_classes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone(x)[-1]
        return self.head.fc(x.mean((2, 3)) if x.dim() == 4 else x)


def build_network(layout: str, arch: str, backbone: Config, ours: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of an architecture as the layout's library has it, from images to scores, in eval mode.

    Args:
        layout: Name of the layout.
        arch: Name in the manifest's table of architectures.
        backbone: Config of our backbone; some libraries take settings from it.
        ours: Tensors by our keys, for the size of the classifier.

    Raises:
        NoNetwork: The library is not installed or does not have it.
    """
    if layout not in _BUILDERS:
        raise NoNetwork(f'there is no library to compare {layout} with')
    num_classes, num_features = ours['head.fc.weight'].shape if 'head.fc.weight' in ours else (0, 0)
    if 'classifier.6.weight' in ours:
        backbone = {**backbone, 'num_classes': len(ours['classifier.6.weight'])}
    try:
        return _BUILDERS[layout](arch, backbone, num_classes, num_features).eval()
    except ImportError as error:
        raise NoNetwork(f'{error.name or error} is not installed') from error


def load_network(network: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Load all that the network has from tensors by its library's keys.

    The counters of batches, which came late to torch, may be missing.

    Raises:
        NoNetwork: Tensors are missing or have another shape.
    """
    if isinstance(network, Scores):
        state = {_scores_key(key): value for key, value in state.items()}
    try:
        missing = network.load_state_dict(state, strict=False).missing_keys
    except RuntimeError as error:
        raise NoNetwork(f'tensors have another shape than those of {type(network).__name__}') from error
    missing = [key for key in missing if not key.endswith('num_batches_tracked')]
    if missing:
        raise NoNetwork(f'{len(missing)} tensors of {type(network).__name__} are missing, such as {missing[0]}')
    return network


def _scores_key(key: str) -> str:
    if key.startswith(('backbone.', 'head.')):
        return key
    return f'head.{key}' if key.startswith('fc.') else f'backbone.{key}'


def _ours(arch: str, backbone: Config, num_classes: int, num_features: int) -> nn.Module:
    return Scores(MODELS.build(dict(backbone)), num_classes, num_features)


def _timm(prefix: str, arch: str, backbone: Config, num_classes: int, num_features: int) -> nn.Module:
    import timm
    model = prefix + arch.replace('se_res', 'seres')
    if not timm.is_model(model):
        raise NoNetwork(f'timm has no {model or _UNNAMED}')
    return timm.create_model(model, num_classes=num_classes)


def _torchvision(arch: str, backbone: Config, num_classes: int, num_features: int) -> nn.Module:
    import torchvision
    if arch not in torchvision.models.list_models():
        raise NoNetwork(f'torchvision has no {arch or _UNNAMED}')
    classes = {'num_classes': num_classes} if num_classes else {}
    return torchvision.models.get_model(arch, weights=None, **classes)


def _mmpretrain(arch: str, backbone: Config, num_classes: int, num_features: int) -> nn.Module:
    from mmpretrain.models import VGG, ResNet, ResNeXt, SEResNet, SEResNeXt, ShuffleNetV1
    config, se = _common(backbone)
    kind = config.pop('type')
    if kind == 'VGG':
        return Scores(VGG(config['depth'], num_classes=config['num_classes'], norm_cfg=dict(type='BN')), 0, 0)
    if kind == 'ShuffleNetV1':
        return Scores(ShuffleNetV1(groups=config.get('groups', 3)), num_classes, num_features)
    if 'base_width' in config:
        config['width_per_group'] = config.pop('base_width')
    networks = {'ResNet': (ResNet, SEResNet), 'ResNeXt': (ResNeXt, SEResNeXt)}
    wide = kind == 'ResNet' and 'width_per_group' in config
    if kind not in networks or not isinstance(config['depth'], int) or wide:
        raise NoNetwork(f'mmpretrain has no {arch or _UNNAMED}')
    return Scores(networks[kind][se](**config), num_classes, num_features)


def _mmdet(arch: str, backbone: Config, num_classes: int, num_features: int) -> nn.Module:
    from mmdet.models.backbones import ResNet, ResNeXt
    config, se = _common(backbone)
    kind = config.pop('type')
    networks = {'ResNet': ResNet, 'ResNeXt': ResNeXt}
    if se or kind not in networks:
        raise NoNetwork(f'mmdet has no {arch or _UNNAMED}')
    return Scores(networks[kind](**config), num_classes, num_features)


def _common(backbone: Config) -> tuple[dict[str, Any], bool]:
    """Return the settings that OpenMMLab's networks share with ours, and whether there is SE."""
    config = {key: value for key, value in backbone.items() if key not in ('context', 'stem_pool', 'bottleneck')}
    return {**config, 'type': config['type'].removeprefix('se_backbones.')}, 'context' in backbone


_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    'se-backbones': _ours,
    'se-backbones-classifier': _ours,
    'torchvision': _torchvision,
    'timm': partial(_timm, ''),
    'timm-legacy': partial(_timm, 'legacy_'),
    'mmpretrain': _mmpretrain,
    'mmdet-caffe': _mmdet,
}
