"""Images that belong to no dataset are read as the config's test set is, and classes have their own names."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from se_backbones.lab.inference import Frame, predict
from se_backbones.lab.inference.loading import classes_of
from se_backbones.lab.inference.reading import ImageReader, channel_order, rgb
from se_backbones.models.sizes import input_channels


def config_with(*steps, dataset='CIFAR10'):
    return Config(dict(default_scope='mmpretrain', test_dataloader=dict(
        dataset=dict(type=dataset, data_root='nowhere', pipeline=[*steps, dict(type='PackInputs')]))))


@pytest.fixture
def picture(tmp_path):
    """A file, and its pixels in OpenCV's order: BGR."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), pixels)
    return str(tmp_path / 'a.png'), pixels


def channels_last(packed):
    return packed['inputs'].permute(1, 2, 0).numpy()


def test_files_for_a_dataset_in_memory_are_what_its_images_are(picture):
    """mmpretrain's CIFAR is RGB, its MNIST grey; neither pipeline loads anything."""
    file, pixels = picture
    for image in (file, Frame('a', pixels)):
        assert (channels_last(ImageReader(config_with(), 3)(image)) == pixels[..., ::-1]).all()
        grey = channels_last(ImageReader(config_with(dataset='MNIST'), 1)(image))
        assert (grey[..., 0] == cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)).all()


@pytest.mark.parametrize(('options', 'channels'), [
    ({}, 3), (dict(to_float32=True), 3), (dict(color_type='grayscale'), 1)], ids=str)
def test_files_and_frames_are_read_as_the_pipeline_says(picture, options, channels):
    file, pixels = picture
    read = ImageReader(config_with(dict(type='LoadImageFromFile', **options)), channels)
    found = [read(image)['inputs'] for image in (file, Frame('a', pixels))]
    assert found[0].shape[0] == channels and found[0].dtype == found[1].dtype
    difference = (found[0].float() - found[1].float()).abs().max()
    assert difference <= (1 if channels == 1 else 0)  # libpng rounds grey in its own way
    if channels == 3:
        assert (found[0].permute(1, 2, 0).numpy() == pixels).all()


def test_pictures_are_drawn_in_their_own_colours(picture):
    file, pixels = picture
    for cfg in (config_with(), config_with(dict(type='LoadImageFromFile'))):
        read = ImageReader(cfg, 3)
        steps = [*([read._load] if read._load else []), *read._steps]
        assert (rgb(read(file)['inputs'], steps) == pixels[..., ::-1]).all()
    grey = ImageReader(config_with(), 1)
    assert rgb(grey(file)['inputs'], grey._steps).shape == (5, 7, 3)


@pytest.mark.parametrize(('steps', 'order'), [
    ([dict(type='NumpyToPIL', to_rgb=True)], 'rgb'),
    ([dict(type='NumpyToPIL', to_rgb=True), dict(type='PILToNumpy', to_bgr=True)], 'bgr')], ids=str)
def test_steps_that_exchange_channels_count(picture, steps, order):
    file, pixels = picture
    read = ImageReader(config_with(dict(type='LoadImageFromFile'), *steps), 3)
    steps = [read._load, *read._steps]
    assert channel_order(steps, 3) == order
    assert (rgb(read(file)['inputs'], steps) == pixels[..., ::-1]).all()


def test_an_image_that_the_pipeline_normalises_is_drawn_as_it_was(picture):
    file, pixels = picture
    read = ImageReader(config_with(dict(type='LoadImageFromFile'), dict(
        type='mmcv.Normalize', mean=[120, 110, 100], std=[50, 60, 70], to_rgb=True)), 3)
    assert (rgb(read(file)['inputs'], [read._load, *read._steps]) == pixels[..., ::-1]).all()


def test_the_channels_of_a_network_are_those_of_its_first_convolution():
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Conv2d(1, 8, 3), torch.nn.Conv2d(8, 4, 1))
    assert input_channels(net) == 1


def test_a_detector_finds_what_mmdets_inferencer_finds(detector, scenes):
    from mmdet.apis import DetInferencer
    image = str(min((scenes / 'val').iterdir()))
    expected = DetInferencer(*detector, device='cpu', show_progress=False)(image)['predictions'][0]
    found, = predict(*detector, [image], score_threshold=0)
    assert [one['number'] for one in found.objects] == expected['labels'] and found.objects
    np.testing.assert_allclose([one['box'] for one in found.objects], expected['bboxes'], atol=1e-3)


def test_a_classifier_finds_what_mmpretrains_inferencer_finds(classifier, digits):
    from mmpretrain import ImageClassificationInferencer
    image = str(min(digits.rglob('*.png')))
    expected = ImageClassificationInferencer(classifier[0], pretrained=classifier[1], device='cpu')(image)[0]
    best = next(predict(*classifier, [image])).objects[0]
    assert (best['label'], best['number']) == (expected['pred_class'], expected['pred_label'])
    assert best['score'] == pytest.approx(expected['pred_score'], abs=1e-5)


def test_a_segmentor_finds_what_mmsegs_inferencer_finds(segmentor, scenes):
    from mmseg.apis import MMSegInferencer
    image = str(min((scenes / 'val').iterdir()))
    expected = MMSegInferencer(*segmentor, device='cpu')(image, return_datasamples=True).pred_sem_seg.data[0].numpy()
    found, = predict(*segmentor, [image])
    for one in found.objects:
        assert ((expected == one['number']) == one['mask']).all()
    assert {one['number'] for one in found.objects} == set(expected.flat)


def test_a_checkpoint_without_names_has_those_of_the_configs_dataset(detector, tmp_path, scenes):
    """And not COCO's, as mmdet's inferencer has it."""
    config, checkpoint = detector
    torch.save(torch.load(checkpoint, weights_only=False)['state_dict'], tmp_path / 'bare.pth')
    found, = predict(config, str(tmp_path / 'bare.pth'), [str(min((scenes / 'val').iterdir()))], score_threshold=0)
    names = Config.fromfile(config).classes
    assert found.objects and all(one['label'] == names[one['number']] for one in found.objects)


@pytest.mark.parametrize('meta', [dict(dataset_meta=dict(classes=('a', 'b'), palette=[(1, 2, 3), (4, 5, 6)])),
                                  dict(dataset_meta=dict(CLASSES=('a', 'b'))), dict(CLASSES=('a', 'b'), epoch=1)])
def test_names_are_found_where_any_release_of_the_hosts_saves_them(meta):
    assert classes_of(config_with(), meta)['classes'] == ('a', 'b')
    assert classes_of(config_with(), {})['classes'][0] == 'airplane'
