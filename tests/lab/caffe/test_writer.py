"""Our tensors as a `.caffemodel`: read back they are the same, and OpenCV computes the same from it."""

import numpy as np
import pytest
import torch

from se_backbones.lab.caffe import caffe_layers, caffemodel_of, convert_caffemodel, read_caffemodel
from se_backbones.lab.convert.caffe_opencv import CaffeNetwork
from se_backbones.pretrained.errors import LayoutError
from se_backbones.registry import MODELS

SHALLOW = (2, 1, 1, 2)
NETWORKS = {
    'SE-ResNet': lambda c: c.se_resnet(SHALLOW, (97, 97)), 'SE-ResNeXt': lambda c: c.se_resnext(SHALLOW, (97, 97)),
    'SENet': lambda c: c.senet(SHALLOW, (97, 97)), 'SE-BN-Inception': lambda c: c.se_bn_inception((64, 64)),
    'GEP': lambda c: c.genet('GEP', (1, 1), (64, 64)), 'GEPP': lambda c: c.genet('GEPP', (1, 1), (64, 64)),
}


@pytest.mark.parametrize('name', NETWORKS)
def test_what_is_written_is_read_as_the_same_network(caffe, write, tmp_path, name):
    model, prototxt = write(NETWORKS[name](caffe))
    first = convert_caffemodel(model, prototxt)
    (tmp_path / 'again.caffemodel').write_bytes(caffemodel_of(caffe_layers(first.state, prototxt)))
    again = convert_caffemodel(tmp_path / 'again.caffemodel', prototxt)
    assert again.backbone == first.backbone and list(again.state) == list(first.state)
    assert all(torch.equal(again.state[key], first.state[key]) for key in first.state)


@pytest.mark.parametrize('name', ['SE-ResNet', 'SE-ResNeXt', 'SENet', 'SE-BN-Inception'])
def test_opencv_computes_the_same_from_it(caffe, write, name):
    net = NETWORKS[name](caffe)
    model, prototxt = write(net)
    network = CaffeNetwork(prototxt, caffemodel_of(caffe_layers(convert_caffemodel(model).state, prototxt)))
    assert network.size == net.size
    image = 60 * torch.randn(1, 3, *net.size)
    wanted = net.scores(image.double())
    assert (network(image) - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_layers_have_the_types_and_shapes_of_the_original(caffe, write, tmp_path):
    for build in NETWORKS.values():
        model, prototxt = write(build(caffe))
        original = {name: layer for name, layer in read_caffemodel(model).items() if layer.blobs}
        written = caffe_layers(convert_caffemodel(model, prototxt).state, prototxt)
        assert {name: (layer.type, [blob.shape for blob in layer.blobs]) for name, layer in written.items()} == {
            name: (layer.type, [blob.shape for blob in layer.blobs]) for name, layer in original.items()}


def test_a_thousand_classes_go_back_into_the_order_of_the_kit(caffe, write):
    net = caffe.se_resnet((1,), (64, 64), classes=1000, width=1)
    state = convert_caffemodel(write(net)[0]).state
    kernels, bias = net.layer('classifier')['blobs']
    written = caffe_layers(state)['classifier'].blobs
    assert np.array_equal(written[0], kernels) and np.array_equal(written[1], bias)
    kept = caffe_layers(state, class_order='sorted')['classifier'].blobs
    assert torch.equal(kept[1], state['head.fc.bias']) and not np.array_equal(kept[1], bias)


def test_batch_counters_are_left_out_and_half_precision_becomes_float(caffe, write):
    state = convert_caffemodel(write(caffe.se_resnet((1,), (64, 64)))[0]).state
    more = {**state, 'bn1.num_batches_tracked': torch.tensor(3), 'conv1.weight': state['conv1.weight'].half()}
    layers = caffe_layers(more)
    assert layers.keys() == caffe_layers(state).keys()
    assert layers['conv1/7x7_s2'].blobs[0].dtype == torch.float32


@pytest.mark.parametrize(('config', 'said'), [
    (dict(type='ResNet', depth=(1, 1)), 'there is no tensor of one'),
    (dict(type='ResNet', depth=(1, 1), context=dict(op=dict(type='SqueezeExcite'), placement='pre')),
     'there is no tensor of one'),
    (dict(type='ResNet', depth=(1, 1), context=dict(op=dict(type='GatherExcite', variant='theta', extent=4))),
     'no layer for .* of the tensors: layer1.0.context.standard.gather.conv2'),
    (dict(type='ResNet', depth=(1, 1), deep_stem=True, avg_down=True, context=dict(op=dict(type='SqueezeExcite'))),
     'no layer for .* of the tensors: layer1.0.downsample'),
])
def test_networks_that_the_authors_do_not_have_are_refused(config, said):
    with torch.device('meta'):
        state = MODELS.build({**config, 'type': f'se_backbones.{config["type"]}'}).state_dict()
    state = {key: torch.zeros(value.shape) for key, value in state.items()}
    with pytest.raises(LayoutError, match=said):
        caffe_layers(state)


def test_a_prototxt_of_another_network_is_refused(caffe, write):
    state = convert_caffemodel(write(caffe.se_resnet((1,), (64, 64)))[0]).state
    prototxt = write(caffe.se_resnet((1, 1), (64, 64)))[1]
    with pytest.raises(LayoutError, match='it describes parameters that the other has not, in conv3_1_1x1_reduce, '):
        caffe_layers(state, prototxt)


def test_opencv_says_that_it_does_not_know_a_layer(caffe, write):
    model, prototxt = write(caffe.genet('GEPP', (1,), (64, 64)))
    with pytest.raises(RuntimeError, match=r'OpenCV \d.* cannot (read|run) the network'):
        CaffeNetwork(prototxt, model.read_bytes())(torch.zeros(1, 3, 64, 64))
