"""MindSpore's GE-ResNet-50: its file format, its keys, and its network in plain functions, on random checkpoints."""

import hashlib
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS

from se_backbones.models.loading import MisfitError
from se_backbones.pretrained import manifest as manifest_module
from se_backbones.pretrained import mindspore, source
from se_backbones.pretrained.errors import CheckpointError, LayoutError, WeightsError
from se_backbones.pretrained.manifest import find
from se_backbones.pretrained.mindspore import read_ckpt, to_ours
from se_backbones.pretrained.verification import verify

VARIANTS = ('theta_minus', 'theta', 'theta_plus')
BLOCKS, PLANES, SPATIAL = (2, 1, 1, 1), 16, (56, 28, 14, 7)
NARROW = dict(depth=BLOCKS, base_channels=PLANES)


# What MindSpore writes.

def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number, content):
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def value(tag, dims, kind, content):
    tensor = b''.join(field(1, dim) for dim in dims) + field(2, kind.encode()) + field(3, content)
    return field(1, field(1, tag.encode()) + field(2, tensor))


def ckpt(state, slices=1):
    out = b''
    for key, tensor in state.items():
        content = tensor.numpy().tobytes()
        step = -(-len(content) // slices // 4) * 4
        for start in range(0, len(content), step):
            out += value(key, tensor.shape or (0,), 'Float32', content[start:start + step])
    return out + value('learning_rate', (0,), 'Float32', b'\0\0\0\0') + value('name', (2,), 'str', b'ab')


# The network of model_zoo/research/cv/GENet_Res50/src: tensors by its keys, and what it computes of them.

def random_state(variant):
    generator = torch.Generator().manual_seed(0)
    state = {}

    def conv(key, out, inside, size):
        state[f'{key}.weight'] = torch.randn(out, inside, size, size, generator=generator) / (inside * size**2) ** 0.5

    def norm(key, channels):
        for name, low, high in (('gamma', 0.5, 1), ('beta', -0.2, 0.2), ('moving_mean', -0.1, 0.1),
                                ('moving_variance', 1e-3, 1)):
            state[f'{key}.{name}'] = torch.empty(channels).uniform_(low, high, generator=generator)
    conv('conv1', PLANES, 3, 7)
    norm('bn1', PLANES)
    channels = PLANES
    for stage, blocks in enumerate(BLOCKS):
        planes = PLANES * 2**stage
        for block in range(blocks):
            at = f'layer{stage + 1}.{block}'
            shapes = [('conv1', planes, channels, 1), ('conv2', planes, planes, 3), ('conv3', planes * 4, planes, 1)]
            for name, out, inside, size in shapes + [('down_layer', planes * 4, channels, 1)] * (block == 0):
                conv(f'{at}.{name}.conv', out, inside, size)
                norm(f'{at}.{name}.batchnorm', out)
            channels, index, spatial = planes * 4, 0, SPATIAL[stage]
            if variant != 'theta_minus':
                if spatial >= 56:
                    conv(f'{at}.downop.0', channels, channels, 3)
                    norm(f'{at}.downop.1', channels)
                    index, spatial = 2, spatial // 2
                conv(f'{at}.downop.{index}', channels, 1, spatial)
                norm(f'{at}.downop.{index + 1}', channels)
            if variant == 'theta_plus':
                conv(f'{at}.mlpLayer.0', channels // 16, channels, 1)
                conv(f'{at}.mlpLayer.2', channels, channels // 16, 1)
    state['end_point.weight'] = torch.randn(5, channels, generator=generator)
    state['end_point.bias'] = torch.randn(5, generator=generator)
    return state


def same(x, kernel, stride, fill=0.0):
    """Pad as "same" does: the odd one behind."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=fill)


def theirs(state, x):
    """Return the scores of the network, and its last map."""
    def conv(x, key, stride=1):
        weight = state[f'{key}.weight']
        return F.conv2d(same(x, weight.shape[2], stride), weight, stride=stride)

    def norm(x, key, eps=1e-5):
        gamma, beta, mean, variance = (state[f'{key}.{name}'][:, None, None] for name in (
            'gamma', 'beta', 'moving_mean', 'moving_variance'))
        return (x - mean) / (variance + eps).sqrt() * gamma + beta

    def block(x, key, stride):
        out = x
        for name, step in (('conv1', 1), ('conv2', stride), ('conv3', 1)):
            out = norm(conv(out, f'{key}.{name}.conv', step), f'{key}.{name}.batchnorm')
            out = out.relu() if name != 'conv3' else out
        gate = out.mean((2, 3), keepdim=True)
        if f'{key}.downop.0.weight' in state:
            gate, index = out, 0
            if f'{key}.downop.2.weight' in state:
                gate, index = norm(conv(gate, f'{key}.downop.0', 2), f'{key}.downop.1'), 2
            full = F.conv2d(gate, state[f'{key}.downop.{index}.weight'], groups=gate.shape[1])
            gate = norm(full, f'{key}.downop.{index + 1}')
        if f'{key}.mlpLayer.0.weight' in state:
            gate = conv(conv(gate, f'{key}.mlpLayer.0').relu(), f'{key}.mlpLayer.2')
        if f'{key}.down_layer.conv.weight' in state:
            x = norm(conv(x, f'{key}.down_layer.conv', stride), f'{key}.down_layer.batchnorm')
        return (out * gate.sigmoid() + x).relu()
    x = norm(conv(x, 'conv1', 2), 'bn1', 1e-4).relu()
    x = F.max_pool2d(same(x, 3, 2, float('-inf')), 3, 2)
    for stage, blocks in enumerate(BLOCKS):
        for number in range(blocks):
            x = block(x, f'layer{stage + 1}.{number}', 2 if stage and not number else 1)
    return x.mean((2, 3)) @ state['end_point.weight'].T + state['end_point.bias'], x


@pytest.fixture
def published(monkeypatch, weights_server, tmp_path):
    """Return a function that serves a random checkpoint under a name of the manifest; it returns the row and state."""
    monkeypatch.setenv('SE_BACKBONES_HOME', str(tmp_path / 'cache'))

    def publish(variant, slices=1):
        entry, state = find(f'ge_resnet50_{variant}.mindspore'), random_state(variant)
        content = ckpt(state, slices)
        entry = replace(entry, urls=(weights_server.serve(entry.file, content),), backbone=entry.backbone | NARROW,
                        sha256=hashlib.sha256(content).hexdigest())
        monkeypatch.setitem(manifest_module.manifest(), entry.name, entry)
        return entry, state
    return publish


@torch.no_grad()
@pytest.mark.parametrize('slices', [1, 3])
@pytest.mark.parametrize('variant', VARIANTS)
def test_our_network_computes_what_theirs_does(variant, slices, published):
    entry, state = published(variant, slices)
    images = torch.randn(2, 3, 224, 224)
    scores, last = theirs(state, images)
    init = dict(type='Pretrained', checkpoint=f'se-backbones://{entry.name}')
    net = MODELS.build(dict(entry.backbone, init_cfg=init))
    net.init_weights()
    got = net.eval()(images)[0]
    assert (got - last).abs().max() <= 2e-5 * last.abs().max()
    loaded = source.load(init['checkpoint']).state
    ours = got.mean((2, 3)) @ loaded['head.fc.weight'].T + loaded['head.fc.bias']
    assert (ours - scores).abs().max() <= 2e-5 * scores.abs().max()


def test_verify_compares_a_file_with_what_was_published(published, tmp_path):
    entry, state = published('theta')
    path = tmp_path / entry.file
    path.write_bytes(ckpt(state))
    found = verify(path)
    assert (found.weights, found.problems, found.not_finite) == ((entry,), (), ())
    path.write_bytes(ckpt({key: tensor for key, tensor in state.items() if not key.startswith('layer3')}))
    digest, operators, rest = verify(path).problems
    assert digest == f'the hash should start with {entry.sha256}' and operators == 'nothing of 1 operators is there'
    assert 'tensors are missing (layer3.0.' in rest


@torch.no_grad()
def test_theta_minus_takes_any_size_of_a_detector(published):
    entry, state = published('theta_minus')
    net = MODELS.build(dict(entry.backbone, init_cfg=dict(type='Pretrained', checkpoint=f'se-backbones://{entry.name}')))
    net.init_weights()
    images = torch.randn(1, 3, 96, 160)
    last = theirs(state, images)[1]
    assert (net.eval()(images)[0] - last).abs().max() <= 2e-5 * last.abs().max()


@torch.no_grad()
@pytest.mark.parametrize('change', [dict(conv_cfg=None), dict(stem_pool='torch'), dict(style='caffe')], ids=str)
def test_what_no_tensor_shows_is_compared(change, published):
    entry, _ = published('theta_minus')
    init = dict(type='Pretrained', checkpoint=f'se-backbones://{entry.name}')
    with pytest.raises(MisfitError, match=f'{next(iter(change))}=.* was trained with'):
        MODELS.build({**entry.backbone, **change, 'init_cfg': init}).init_weights()


def test_the_relu_that_theta_plus_lacks_is_compared(published):
    entry, _ = published('theta_plus')
    context = [dict(part, op={key: value for key, value in part['op'].items() if key != 'relu'})
               for part in entry.backbone['context']]
    init = dict(type='Pretrained', checkpoint=f'se-backbones://{entry.name}')
    with pytest.raises(MisfitError, match='was trained with .*relu=False'):
        MODELS.build({**entry.backbone, 'context': context, 'init_cfg': init}).init_weights()


@pytest.mark.parametrize(('variant', 'millions'), [('theta_minus', 25.56), ('theta', 31.07), ('theta_plus', 33.59)])
def test_the_full_networks_have_their_parameters(variant, millions):
    """The numbers of the README of GENet_Res50, with a classifier of 1,000 classes."""
    with torch.device('meta'):
        net = MODELS.build(dict(find(f'ge_resnet50_{variant}.mindspore').backbone))
    assert (sum(p.numel() for p in net.parameters()) + 2049 * 1000) / 1e6 == pytest.approx(millions, abs=0.01)


GOOD = value('a', (2,), 'Float32', bytes(8))


@pytest.mark.parametrize(('content', 'words'), [
    (b'', 'it holds no tensors'), (GOOD[:-3], 'claims 26 bytes and 23 are left'), (b'\xff' * 20, 'more than 64 bits'),
    (b'\x0a', 'it ends within a number'), (b'\x0d\x01\x00\x00\x00', 'wire type 5'), (field(1, 3), 'a number stands'),
    (field(1, field(1, b'a')), 'no tag or no tensor'), (value('a', (3,), 'Float32', bytes(8)), 'should have 12 bytes'),
    (value('a', (2**62,), 'Float32', bytes(8)), 'and has 8'), (value('a', (1,) * 9 + (2,), 'Float32', bytes(8)), 'and'),
    (field(1, field(1, b'\xff') + field(2, b'')), 'a name is not text'), (b'PK\x03\x04' + bytes(50), 'wire type'),
])
def test_broken_files_are_refused(tmp_path, content, words):
    (tmp_path / 'a.ckpt').write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        read_ckpt(tmp_path / 'a.ckpt')


def test_a_file_larger_than_a_message_is_not_read(tmp_path, monkeypatch):
    assert mindspore._MAX_BYTES == 2**31 - 1
    monkeypatch.setattr(mindspore, '_MAX_BYTES', len(GOOD))
    (tmp_path / 'a.ckpt').write_bytes(GOOD)
    assert read_ckpt(tmp_path / 'a.ckpt')
    (tmp_path / 'a.ckpt').write_bytes(GOOD + GOOD)
    with pytest.raises(CheckpointError, match='larger than a protobuf message can be'):
        read_ckpt(tmp_path / 'a.ckpt')


def test_whatever_is_broken_is_one_of_our_errors(tmp_path):
    content = bytearray(ckpt({'conv1.weight': torch.ones(2, 3), 'bn1.gamma': torch.ones(2)}))
    generator = torch.Generator().manual_seed(0)
    refused = 0
    for _ in range(500):
        at, byte = (int(torch.randint(0, top, (), generator=generator)) for top in (len(content), 256))
        broken = content[:at] if byte < 40 else content[:at] + bytes([byte]) + content[at + 1:]
        (tmp_path / 'a.ckpt').write_bytes(broken)
        try:
            state = read_ckpt(tmp_path / 'a.ckpt')
        except WeightsError:
            refused += 1
        else:
            with suppress(WeightsError):
                to_ours(state)
    assert 50 < refused < 450  # a byte of a value is not noticed


def test_another_network_is_refused():
    for state in ({'layer1.0.conv1.weight': torch.ones(1)}, {'moments.conv1.weight': torch.ones(1)}):
        with pytest.raises(LayoutError, match="not the keys of MindSpore's GE-ResNet-50: .*conv1.weight"):
            to_ours(state)
