"""The program of docs/deployment.md, which knows a file and OpenCV alone, finds what `se-backbones infer` finds."""

import ast
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import CenterCrop, Resize
from mmengine.config import Config
from mmpretrain.datasets.transforms import ResizeEdge
from PIL import Image

from helpers import exported_facts
from se_backbones.lab.analysis.subject import Subject
from se_backbones.lab.export import export
from se_backbones.lab.export.formats import FORMATS
from se_backbones.lab.inference import predict

PAGE = (Path(__file__).parents[3] / 'docs' / 'deployment.md').read_text()
PROGRAM = re.search(r'^```python\n(# deploy\.py\n.*?)^```', PAGE, re.MULTILINE | re.DOTALL)[1]


@pytest.fixture(scope='module')
def prepare():
    """The function of the page; no other line of the program is executed."""
    tree = ast.parse(PROGRAM)
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = dict(cv2=cv2, np=np, Image=Image)
    exec(compile(tree, 'deploy.py', 'exec'), names)
    return names['prepare']


@pytest.fixture(scope='module')
def photo(tmp_path_factory, scenes):
    """An image of another size than the network's, neither side of which is a multiple of it."""
    image = cv2.resize(cv2.imread(str(scenes / 'val' / '000001.jpg'))[:71], (301, 173))
    file = tmp_path_factory.mktemp('photo') / 'scene.png'
    cv2.imwrite(str(file), image)
    return file


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs the program, and returns ``[(class, score, box or nothing)]`` as it prints them."""
    def run(*argv):
        (tmp_path / 'deploy.py').write_text(PROGRAM)
        monkeypatch.setattr(sys, 'argv', ['deploy.py', *map(str, argv)])
        capsys.readouterr()  # what was printed before
        runpy.run_path(str(tmp_path / 'deploy.py'))
        words = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
        return [(name, float(score), ast.literal_eval(box[0]) if box else None) for name, score, *box in words]
    return run


def written(model, file, format, pipeline=None, named=True):
    """Write a file as `se-backbones export` does; ``model`` is a config file and a checkpoint."""
    cfg = Config.fromfile(model[0])
    if pipeline:
        cfg.test_dataloader.dataset.pipeline[1:1] = pipeline
    cfg.test_dataloader.batch_size = 1
    subject = Subject.load(cfg, model[1], max_images=2)
    export(subject if named else replace(subject, classes=()), file, format)
    return cfg, exported_facts(file.read_bytes(), format)


@pytest.mark.parametrize('size', [(97, 131), (131, 97), (64, 64), (40, 301)])
@pytest.mark.parametrize('steps', [
    [Resize(scale=(1333, 800), keep_ratio=True)], [Resize(scale=(96, 64))], [Resize(scale=(80, 160), keep_ratio=True)],
    [ResizeEdge(scale=72, edge='short'), CenterCrop(crop_size=64)], [ResizeEdge(scale=72, edge='long')],
    [ResizeEdge(scale=50, interpolation='bicubic'), CenterCrop(crop_size=(48, 70))],
    [ResizeEdge(scale=50, interpolation='bicubic', backend='pillow')],
    [ResizeEdge(scale=50, interpolation='bilinear', backend='pillow')],
    [Resize(scale=(96, 64), interpolation='nearest', backend='pillow')]], ids=str)
def test_an_image_is_prepared_as_the_hosts_pipelines_do(prepare, steps, size):
    from se_backbones.lab.export.facts import step_facts
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    results = dict(img=image, img_shape=image.shape[:2])
    for step in steps:
        results = step.transform(results)
    assert np.array_equal(prepare(image, [step_facts(step) for step in steps]), results['img'])


def test_what_it_does_not_know_it_does_not_pass_over(prepare):
    with pytest.raises(ValueError, match='Rotate'):
        prepare(np.zeros((4, 4, 3), np.uint8), [dict(type='Rotate')])


def test_a_detectors_scores_are_those_of_infer_on_an_image_of_another_size(prepare, detector, photo, tmp_path):
    cfg, facts = written(detector, tmp_path / 'detector.pt', 'torchscript')
    assert [step['type'] for step in facts['pipeline']] == ['Resize']
    found, = predict(cfg, detector[1], [str(photo)], score_threshold=0.0)
    image = cv2.imread(str(photo))
    file = FORMATS['torchscript'].from_bytes((tmp_path / 'detector.pt').read_bytes())

    def scores(image):
        return file(torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32)))[1]
    expected = torch.tensor([entry['score'] for entry in found.objects])
    assert len(expected) > 1
    torch.testing.assert_close(scores(prepare(image, facts['pipeline'])), expected, rtol=0, atol=1e-4)
    as_read = scores(image)
    assert len(as_read) != len(expected) or (as_read - expected).abs().max() > 0.01


def test_a_classifiers_scores_are_those_of_infer_in_onnx(run, classifier, scenes, photo, tmp_path, needs_format):
    needs_format('onnx')
    cfg, facts = written(classifier, tmp_path / 'digits.onnx', 'onnx', [
        dict(type='ResizeEdge', scale=36, edge='short'), dict(type='CenterCrop', crop_size=32)])
    assert facts['channel_order'] == 'bgr' and facts['inside'] == dict(
        channel_order='rgb', mean=[127.5] * 3, std=[127.5] * 3, pad_size_divisor=1)
    found, = predict(cfg, classifier[1], [str(photo)])
    printed = run(tmp_path / 'digits.onnx', photo)
    assert [name for name, _, _ in printed] == [entry['label'] for entry in found.objects]
    assert [score for _, score, _ in printed] == pytest.approx([entry['score'] for entry in found.objects], abs=1e-4)


def test_labels_without_names_are_printed_as_numbers(run, classifier, photo, tmp_path, needs_format):
    needs_format('onnx')
    written(classifier, tmp_path / 'nameless.onnx', 'onnx', named=False)
    assert {int(name) for name, *_ in run(tmp_path / 'nameless.onnx', photo)} < set(range(10))


@pytest.mark.slow
def test_a_detectors_boxes_are_those_of_infer_in_onnx(run, detector, photo, tmp_path, needs_format):
    needs_format('onnx')
    cfg, _ = written(detector, tmp_path / 'detector.onnx', 'onnx')
    found, = predict(cfg, detector[1], [str(photo)], score_threshold=0.0)
    printed = run(tmp_path / 'detector.onnx', photo)
    assert len(printed) > 1 and [name for name, *_ in printed] == [entry['label'] for entry in found.objects]
    for (_, score, box), entry in zip(printed, found.objects, strict=True):
        assert score == pytest.approx(entry['score'], abs=2e-4) and box == pytest.approx(entry['box'], abs=0.06)
