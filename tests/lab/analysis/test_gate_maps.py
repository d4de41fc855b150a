"""Maps of local gates, over the image that they belong to."""

import cv2
import mmpretrain.datasets  # noqa: F401
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement, InstanceData
from torch import nn

from se_backbones.lab.analysis.gate_maps import GateMap, _shown, gate_maps, plot_gate_maps
from se_backbones.lab.analysis.subject import Subject
from se_backbones.models.operators import ContextOperator


class Shown(ContextOperator):
    """Its gate is the image itself."""

    def __init__(self, channels=3):
        super().__init__(channels, nn.Identity(), None, 'relu')

    def reset_parameters(self):
        pass


class Detector(nn.Module):
    """Pads an image of 4 x 6 to 8 x 8, finds two objects in it, and has one operator that sees the padded image."""

    def __init__(self, image):
        super().__init__()
        self.backbone = Shown(len(image))
        self.image = image

    def test_step(self, batch):
        padded = torch.zeros(1, len(self.image), 8, 8)
        padded[0, :, :4, :6] = self.image
        self.backbone(padded)
        sample = BaseDataElement(metainfo=dict(img_shape=(4, 6), batch_input_shape=(8, 8), ori_shape=(8, 12)))
        sample.pred_instances = InstanceData(bboxes=torch.tensor([[0., 0, 6, 4], [2, 2, 9, 7], [0, 0, 1, 1]]),
                                             labels=torch.tensor([1, 0, 0]), scores=torch.tensor([0.4, 0.9, 0.1]))
        return [sample]


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Shown()

    def test_step(self, batch):
        self.backbone(torch.stack(batch['inputs']).float())
        return batch['data_samples']


@pytest.fixture
def image(tmp_path):
    file = tmp_path / 'scene.png'
    cv2.imwrite(str(file), np.full((8, 12, 3), 90, np.uint8))
    return str(file)


@pytest.fixture
def subject():
    def make(pixels):
        it = Subject(Detector(pixels), [], ('ant', 'bee'))
        it.read = lambda image: image
        return it
    return make


def test_strongest_and_weakest_channels_by_their_mean(subject, image):
    pixels = torch.tensor([0.3, 0.9, 0.1, 0.5])[:, None, None].expand(4, 4, 6)
    found = next(gate_maps(subject(pixels), [image], extremes=1)).maps['backbone']
    assert list(found.channels) == [1, 2]
    np.testing.assert_allclose(found.mean[:4, :6], 0.45, rtol=1e-6)
    assert list(next(gate_maps(subject(pixels), [image], extremes=2)).maps['backbone'].channels) == [1, 3, 0, 2]
    # Fewer channels than asked for: each one once.
    assert sorted(next(gate_maps(subject(pixels), [image], extremes=3)).maps['backbone'].channels) == [0, 1, 2, 3]


def test_what_the_pipeline_pads_is_cut_off_as_well():
    """YOLOX pads in its pipeline, after which img_shape is the padded one."""
    meta = dict(img_shape=(416, 416), batch_input_shape=(416, 416), ori_shape=(32, 96), scale_factor=(416 / 96, 4.34))
    assert _shown(BaseDataElement(metainfo=meta), False) == (139 / 416, 1)
    assert _shown(BaseDataElement(metainfo=meta), True) == (1, 1)


def test_of_an_image_that_the_pipeline_crops_the_crop_is_shown(image):
    it = Subject(Classifier(), [], ('ant', 'bee'), Config(dict(
        default_scope='mmpretrain', test_dataloader=dict(dataset=dict(type='CustomDataset', pipeline=[
            dict(type='LoadImageFromFile'), dict(type='CenterCrop', crop_size=4), dict(type='PackInputs')])))))
    pixels = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)
    cv2.imwrite(image, pixels)
    found = next(gate_maps(it, [image]))
    assert np.array_equal(found.picture, pixels[2:6, 4:8, ::-1]) and found.maps['backbone'].shown == (1, 1)


def test_the_padding_is_cut_off_and_every_pixel_has_its_cell(subject, image):
    pixels = torch.arange(24.0).reshape(1, 4, 6)
    found = next(gate_maps(subject(pixels), [image])).maps['backbone']
    assert found.shown == (0.5, 0.75)
    # The image is twice as large as what the network saw of it.
    expected = pixels[0].numpy().repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(found.over(found.mean, 8, 12), expected)


def test_cells_that_do_not_divide_the_image_are_nearest():
    gate = np.arange(3.0)[None]
    np.testing.assert_array_equal(GateMap(gate, {}, (1, 1)).over(gate, 1, 7), [[0, 0, 0, 1, 1, 2, 2]])


def test_objects_come_best_first_from_the_threshold_on(subject, image):
    objects = next(gate_maps(subject(torch.ones(3, 4, 6)), [image], score_threshold=0.3)).objects
    assert [(o['label'], round(o['score'], 3)) for o in objects] == [('ant', 0.9), ('bee', 0.4)]
    assert objects[0]['box'] == [2, 2, 9, 7]


def test_a_picture_is_written(subject, image, tmp_path):
    data = next(gate_maps(subject(torch.rand(3, 4, 6)), [image]))
    assert plot_gate_maps(data, tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')
    assert data.as_dict()['maps']['backbone']['shown'] == [0.5, 0.75]


def test_global_gates_are_refused_with_the_reason(subject, image):
    it = subject(torch.rand(3, 4, 6))
    it.model.backbone.gather = nn.AdaptiveAvgPool2d(1)
    with pytest.raises(ValueError, match='No gate is a map .*one value per channel'):
        next(gate_maps(it, [image]))


def test_a_network_that_sees_an_image_in_parts_has_no_map_of_it(subject, image):
    """mmseg's test_cfg.mode='slide'."""
    it = subject(torch.rand(3, 4, 6))
    whole = it.model.test_step

    def slide(batch):
        whole(batch)
        return whole(batch)
    it.model.test_step = slide
    with pytest.raises(ValueError, match="backbone runs several times for one image, .*test_cfg.mode='slide'"):
        next(gate_maps(it, [image]))


def test_no_image_is_an_error(subject):
    with pytest.raises(ValueError, match='There are no images'):
        next(gate_maps(subject(torch.rand(3, 4, 6)), []))


def test_nan_gates(subject, image):
    with pytest.raises(ValueError, match='The gate of backbone .* is not finite in 3 of 3'):
        next(gate_maps(subject(torch.full((3, 4, 6), torch.nan)), [image]))
