"""Every distinct ResNet of the hosts' configs is inherited by changing its type and adding a context, if any."""

import importlib.util
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from se_backbones.pretrained.layouts import get_layout

# Theirs: ours.
TYPES = {**{name: name for name in ('ResNet', 'ResNeXt', 'ResNetV1c', 'ResNetV1d')},
         'SEResNet': 'ResNet', 'SEResNeXt': 'ResNeXt'}
# How many distinct settings there are at least, and their types.
HOSTS = {
    'mmdet': (50, {'ResNet', 'ResNeXt'}),
    'mmpretrain': (30, set(TYPES)),
    'mmseg': (28, {'ResNet', 'ResNetV1c'}),
}


def backbones(node):
    """Yield the ResNets in a config, wherever they are: some are a ``backbone_cfg`` or a ``target_backbone``."""
    if isinstance(node, dict):
        if node.get('type') in TYPES and 'depth' in node:
            yield {key: value for key, value in node.items() if key not in ('init_cfg', 'pretrained', '_scope_')}
        for value in node.values():
            yield from backbones(value)


def distinct_backbones(host):
    """Return ``{setting: config that has it}`` of all configs of a host that mmengine can read."""
    root = Path(importlib.util.find_spec(host).origin).parent / '.mim' / 'configs'
    found = {}
    for path in sorted(root.rglob('*.py')):
        relative = path.relative_to(root)
        # A file that does not speak of a backbone has that of its base.
        if relative.parts[0] == '_base_' and relative.parts[1] != 'models' or 'backbone' not in path.read_text():
            continue
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            try:
                cfg = Config.fromfile(path, import_custom_modules=False)
            except (RuntimeError, KeyError):  # four of mmpretrain's, in mmengine or in themselves
                continue
        for backbone in backbones(cfg.to_dict()):
            found.setdefault(repr(sorted(backbone.items(), key=str)), (str(relative), backbone))
    return list(found.values())


def shapes(net, layout=None):
    """Return the shapes of the state by our keys."""
    state = net.state_dict()
    if layout:
        renamed = get_layout(layout).to_ours(state)
        assert not renamed.unmatched
        state = renamed.state
    return {key: tuple(value.shape) for key, value in state.items()}


def convolutions(net):
    return Counter((layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.dilation,
                    layer.padding, layer.groups) for layer in net.modules() if isinstance(layer, nn.Conv2d))


@pytest.mark.parametrize('host', ['mmdet', 'mmpretrain', pytest.param('mmseg', marks=pytest.mark.slow)])
def test_every_resnet_of_the_hosts_configs_is_inherited(host, monkeypatch):
    pytest.importorskip(f'{host}.models', reason=f'{host} is not installed')
    # mmpretrain computes its drop path rates with tensors, which have no values on the meta device.
    monkeypatch.setattr(torch, 'linspace', partial(torch.linspace, device='cpu'))
    least, types = HOSTS[host]
    found = distinct_backbones(host)
    assert len(found) >= least
    assert {backbone['type'] for _, backbone in found} == types
    for name, backbone in found:
        has_se = backbone['type'].startswith('SE')
        stock = {'se_ratio': 16, **backbone} if has_se else backbone
        ours = dict(stock, type=f'se_backbones.{TYPES[backbone["type"]]}')
        with DefaultScope.overwrite_default_scope(host), torch.device('meta'):
            theirs = MODELS.build(dict(stock, type=f'{host}.{backbone["type"]}'))
            # SE networks have their operators already; theta-minus has no parameters.
            net = MODELS.build(ours if has_se else dict(ours, context=dict(op=dict(type='GatherExcite'))))
        assert shapes(net) == shapes(theirs, 'mmpretrain-backbone' if host == 'mmpretrain' else None), name
        assert convolutions(net) == convolutions(theirs), name
