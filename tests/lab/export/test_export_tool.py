"""tools/export.py: files that were compared, int8, and what is refused before or after work."""

import json
from dataclasses import replace
from types import SimpleNamespace

import onnx
import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample

import se_backbones
from helpers import exported_facts
from se_backbones.lab.analysis.subject import Subject
from se_backbones.lab.export import SUFFIXES, export, exporter
from se_backbones.lab.export.exporter import part_of
from se_backbones.lab.export.formats import FORMATS
from se_backbones.lab.export.formats import onnx as onnx_format
from se_backbones.lab.inference.loading import build_model
from se_backbones.lab.inference.reading import channel_order, transforms_of


@pytest.fixture(scope='module')
def onnx_files(classifier, tmp_path_factory, needs_format):
    """A float and an int8 file of the classifier, and what was measured."""
    needs_format('onnx')
    from se_backbones.lab.export import export, training_images
    cfg = Config.fromfile(classifier[0])
    cfg.test_dataloader.batch_size = 1
    file = tmp_path_factory.mktemp('files') / 'digits.onnx'
    rows = export(Subject.load(cfg, classifier[1], max_images=3), file, 'onnx', fold=True,
                  calibration=training_images(cfg, 16), evaluation=Subject.load(cfg, None, max_images=20))
    return file, rows


@pytest.mark.parametrize(('steps', 'channels', 'order'), [
    (['LoadImageFromFile', 'PackInputs'], 3, 'bgr'), (['RandomFlip', 'PackInputs'], 3, 'rgb'),
    (['RandomFlip', 'PackInputs'], 1, 'gray'), ([], 3, 'bgr')], ids=str)
def test_the_order_of_the_channels_is_that_of_the_pipeline_or_of_the_dataset(steps, channels, order):
    """mmpretrain's CIFAR holds RGB."""
    transforms = [type(name, (), {})() for name in steps]
    inner = SimpleNamespace(pipeline=SimpleNamespace(transforms=transforms))
    for dataset in (inner, SimpleNamespace(dataset=inner), SimpleNamespace(datasets=[inner, inner])):
        assert channel_order(transforms_of(SimpleNamespace(dataset=dataset)), channels) == order


@pytest.mark.parametrize(('neck', 'backbone', 'count'), [
    (dict(type='ChannelMapper', in_channels=[64, 128, 256, 512], kernel_size=1, out_channels=8, num_outs=6), {}, 6),
    ([dict(type='FPN', in_channels=[64, 128, 256, 512], out_channels=8, num_outs=5),
      dict(type='BFP', in_channels=8, num_levels=5, refine_level=2)], {}, 5),
    (None, dict(type='se_backbones.WithContext', context=dict(op=dict(type='SqueezeExcite'), after='layer1'),
                backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(0, 3))), 2)],
    ids=['DINO', 'Libra', 'mine'])
def test_features_are_as_many_as_neck_and_backbone_make(neck, backbone, count):
    import mmpretrain.models  # noqa: F401
    model = build_model(Config(dict(default_scope='mmdet', model=dict(
        type='SingleStageDetector', data_preprocessor=dict(type='DetDataPreprocessor'), neck=neck,
        backbone=backbone or dict(type='ResNet', depth=18),
        bbox_head=dict(type='RetinaHead', num_classes=2, in_channels=8)))))
    part = part_of(model.eval(), 'features')
    assert part.outputs == tuple(f'feature_{number}' for number in range(count))
    assert len(part(torch.rand(1, 3, 64, 96))) == count


def test_a_classifier_of_grey_images_is_exported(tmp_path):
    cfg = Config.fromfile(se_backbones.config_path('fashion_mnist/preresnet14_se.py'))
    net = build_model(cfg)
    net.init_weights()
    batches = [dict(inputs=[torch.randint(256, (1, 28, 28), dtype=torch.uint8)], data_samples=[DataSample()])
               for _ in range(2)]
    rows = export(Subject(net.eval(), batches), tmp_path / 'a.onnx', 'onnx', one_size=True)
    assert rows[1].differences['scores'] < 1e-5
    facts = exported_facts((tmp_path / 'a.onnx').read_bytes(), 'onnx')
    assert facts['channel_order'] == facts['inside']['channel_order'] == 'gray'


def test_int8_of_no_images_is_refused(tool, tmp_path, capsys):
    with pytest.raises(SystemExit):
        tool('export', 'a.py', 'b.pth', '-o', tmp_path / 'c.onnx', '--quantize', '0')
    assert '--quantize must be at least 1, got 0' in capsys.readouterr().err


def test_a_metric_of_features_is_refused(tool, capsys):
    with pytest.raises(SystemExit, match='2'):
        tool('export', 'x.py', 'x.pth', '-o', 'x.onnx', '--part', 'features', '--evaluate')
    assert '--evaluate has no effect with --part features' in capsys.readouterr().err


def test_the_onnx_file_holds_all_of_the_classifier(onnx_files):
    file, rows = onnx_files
    onnx.checker.check_model(file)
    assert sorted(path.name for path in file.parent.iterdir()) == ['digits.int8.onnx', 'digits.onnx']
    facts = exported_facts(file.read_bytes(), 'onnx')
    inside = dict(channel_order='rgb', mean=[127.5] * 3, std=[127.5] * 3, pad_size_divisor=1)
    assert facts == dict(classes=[str(k) for k in range(10)], part='whole', input='images', outputs=['scores'],
                         size='any', batch='any', folded=True, pipeline=[], channel_order='bgr', inside=inside)
    assert rows[1].bytes == file.stat().st_size and rows[1].differences['scores'] < 1e-5
    assert rows[1].metrics == rows[0].metrics and 'accuracy/top1' in rows[0].metrics


def test_the_onnx_file_takes_batches_and_sizes_of_all_kinds(onnx_files):
    run = onnx_format.from_bytes(onnx_files[0].read_bytes())
    for shape in ((1, 3, 32, 32), (5, 3, 32, 32), (2, 3, 97, 45)):
        scores, = run(torch.rand(shape) * 255)
        assert scores.shape == (shape[0], 10)
        torch.testing.assert_close(scores.sum(1), torch.ones(shape[0]))


def test_the_int8_file_is_smaller_and_near(onnx_files):
    file, (_, floats, ints) = onnx_files
    int8 = file.with_suffix('.int8.onnx')
    weights = [tensor for tensor in onnx.load(int8).graph.initializer if len(tensor.dims) == 4]
    assert weights and {tensor.data_type for tensor in weights} == {onnx.TensorProto.INT8}
    assert ints.bytes == int8.stat().st_size < 0.6 * floats.bytes
    assert 0 < ints.differences['scores'] < 0.3 and ints.metrics
    assert exported_facts(int8.read_bytes(), 'onnx')['classes'] == [str(k) for k in range(10)]


@pytest.mark.parametrize('options', [[], ['--cfg-options', 'test_dataloader=None', 'test_cfg=None',
                                          'test_evaluator=None']], ids=['tested', 'validated alone'])
def test_int8_is_calibrated_on_training_images_through_the_test_pipeline(tool, classifier, tmp_path, monkeypatch,
                                                                         options):
    seen = []
    monkeypatch.setattr('se_backbones.lab.export.export',
                        lambda *args, calibration, **_: seen.append(calibration) or [])
    monkeypatch.setattr('se_backbones.lab.commands.export.table', lambda rows: '')
    tool('export', *classifier, '-o', tmp_path / 'digits.onnx', '--quantize', '7', *options)
    dataset, = (subject.batches.dataset for subject in seen)
    cfg = Config.fromfile(classifier[0])
    images = [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]
    assert len(images) == 7 and all('/train/' in image and '/val/' not in image for image in images)
    assert [step['type'] for step in cfg.test_dataloader.dataset.pipeline] == [
        type(step).__name__ for step in dataset.dataset.pipeline.transforms]


def test_the_images_to_calibrate_with_are_those_of_the_calibration(classifier, tmp_path, monkeypatch):
    class Enough(Exception):
        pass

    def quantized(data, images):
        used.extend(images)
        raise Enough
    used = []
    monkeypatch.setattr(exporter, 'to_bytes', lambda *_, **__: b'')
    monkeypatch.setattr(exporter, 'quantized', quantized)
    cfg = Config.fromfile(classifier[0])
    cfg.test_dataloader.batch_size = 1
    subject = Subject.load(cfg, classifier[1], max_images=2)
    calibration = replace(subject, batches=[dict(batch, inputs=[255 - image for image in batch['inputs']])
                                            for batch in subject.batches])
    with pytest.raises(Enough):
        exporter.export(subject, tmp_path / 'digits.onnx', 'onnx', calibration=calibration)
    assert len(used) == 2 and all(torch.equal(image[0], batch['inputs'][0])
                                  for image, batch in zip(used, calibration.batches, strict=True))


def test_the_tool_writes_a_detector_and_prints_what_it_measured(tool, detector, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '200')  # slow machines have wider numbers, which break names
    rows = tool('export', *detector, '--format', 'torchscript', '-o', tmp_path / 'detector.pt', '--images', '4',
                '--evaluate', '--fold')
    assert [row.name for row in rows] == ['PyTorch', 'detector.pt']
    assert max(rows[1].differences.values()) < 1e-3 and set(rows[1].differences) == {'boxes', 'scores', 'labels'}
    assert rows[1].metrics['coco/bbox_mAP'] == pytest.approx(rows[0].metrics['coco/bbox_mAP'], abs=1e-3)
    printed = ' '.join(capsys.readouterr().out.split())
    assert 'detector.pt' in printed and 'ms an image' in printed and 'coco/bbox_mAP' in printed
    extra = {'se_backbones.json': ''}
    torch.jit.load(tmp_path / 'detector.pt', _extra_files=extra)
    assert json.loads(extra['se_backbones.json'])['classes'][:2] == ['zero', 'one']


@pytest.mark.parametrize(('out', 'options', 'message'), [
    ('there.onnx', [], r'there\.onnx exists and is not overwritten'),
    ('model.pt', [], r'model\.pt must end in \.onnx'),
    ('model.onnx', ['--format', 'torchscript'], r'model\.onnx must end in \.pt'),
    ('nowhere/model.onnx', [], r'There is no folder .*nowhere'),
    ('model.pt', ['--format', 'torchscript', '--quantize'], r'whole classifiers in ONNX can be written as an int8'),
], ids=['exists', 'suffix', 'suffix of the format', 'folder', 'int8 of TorchScript'])
def test_what_cannot_be_written_is_refused_before_work_is_done(tool, classifier, tmp_path, monkeypatch, out, options,
                                                              message):
    monkeypatch.setattr(exporter, 'to_bytes', lambda *_, **__: pytest.fail('work was done'))
    (tmp_path / 'there.onnx').write_bytes(b'mine')
    with pytest.raises(SystemExit, match=message):
        tool('export', *classifier, '-o', tmp_path / out, '--images', '1', *options)
    assert (tmp_path / 'there.onnx').read_bytes() == b'mine'


def test_a_file_that_would_say_something_else_is_not_written(tool, classifier, tmp_path, monkeypatch):
    wrong = FORMATS['torchscript']
    monkeypatch.setattr(wrong, 'from_bytes', lambda data: lambda images: [torch.full((len(images), 10), 0.1)])
    with pytest.raises(SystemExit, match=r'is not written: its scores differ from those of the model by up to 0\.'):
        tool('export', *classifier, '-o', tmp_path / 'model.pt', '--format', 'torchscript', '--images', '2')
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(('format', 'fold'), [
    ('onnx', []), pytest.param('onnx', ['--fold'], marks=pytest.mark.ci), ('torch-export', []),
    ('torch-export', ['--fold'])], ids=['onnx', 'onnx-folded', 'torch-export', 'torch-export-folded'])
def test_the_whole_detector_in_the_formats_that_take_longer(tool, detector, tmp_path, needs_format, format, fold):
    needs_format(format)
    file = tmp_path / f'detector{SUFFIXES[format]}'
    rows = tool('export', *detector, '--format', format, '-o', file, '--images', '6', '--evaluate', *fold)
    assert max(rows[1].differences.values()) < 1e-3
    assert rows[1].metrics['coco/bbox_mAP'] == pytest.approx(rows[0].metrics['coco/bbox_mAP'], abs=1e-3)
    run = FORMATS[format].from_bytes(file.read_bytes())
    boxes, scores, labels = run(torch.full((1, 3, 71, 130), 127.0))  # another size, and nothing to be seen
    assert boxes.shape == (len(scores), 4) and len(labels) == len(scores)
