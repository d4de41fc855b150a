"""The tools of the analyses on a small classifier and a small detector, trained on nothing: they run and they write."""

import copy
import json
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from PIL import Image

import se_backbones
from helpers import use_data, write_log
from se_backbones.lab.analysis.subject import Subject
from se_backbones.lab.inference.loading import build_model

PNG = b'\x89PNG'


def save(cfg, folder, name):
    """Write a config and a checkpoint of its model as initialised, and return both files."""
    torch.manual_seed(0)
    cfg.dump(folder / f'{name}.py')
    model = build_model(cfg)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(
        classes=cfg.get('classes') or tuple(map(str, range(10)))))), folder / f'{name}.pth')
    return folder / f'{name}.py', folder / f'{name}.pth'


@pytest.fixture(scope='module')
def classifier(digits, tmp_path_factory):
    """configs/digits/resnet18_se.py at a quarter of its width, and the same without operators: two pairs of files."""
    folder = tmp_path_factory.mktemp('classifier')
    cfg = use_data(Config.fromfile(se_backbones.config_path('digits/resnet18_se.py')), digits)
    cfg.model.backbone.base_channels, cfg.model.head.in_channels = 4, 32
    plain = copy.deepcopy(cfg)
    plain.model.backbone.context = None
    return save(cfg, folder, 'se'), save(plain, folder, 'plain')


@pytest.fixture(scope='module')
def detector(scenes, tmp_path_factory):
    """A narrow GE Faster R-CNN of extent 2, and its six scenes."""
    folder = tmp_path_factory.mktemp('detector')
    cfg = use_data(Config.fromfile(se_backbones.config_path('digits/faster_rcnn_ge_r18.py')), scenes)
    cfg.model.backbone.base_channels, cfg.model.neck.in_channels = 8, [8, 16, 32, 64]
    cfg.model.backbone.context.op.extent = 2
    cfg.model.test_cfg.rcnn.score_thr = 0.0  # the untrained network finds something to evaluate
    return *save(cfg, folder, 'ge'), scenes


@pytest.fixture(scope='module')
def segmentor(tmp_path_factory, detector):
    """configs/digits/fcn_ge_r18.py at a quarter of its width, with extent 2, on the detector's scenes."""
    pytest.importorskip('mmseg', reason='mmseg is not installed (the extra [seg])')
    cfg = use_data(Config.fromfile(se_backbones.config_path('digits/fcn_ge_r18.py')), detector[2])
    cfg.model.backbone.base_channels, cfg.model.backbone.context.op.extent = 8, 2
    cfg.model.decode_head.update(in_channels=[8, 16, 32, 64], channels=8)
    cfg.model.pop('auxiliary_head', None)  # for training only
    return save(cfg, tmp_path_factory.mktemp('segmentor'), 'fcn')


def test_the_analyses_measure_what_a_runner_measures(classifier, tmp_path):
    """The preprocessor, the pipeline and the evaluator are those of tools/test.py."""
    config, checkpoint = classifier[0]
    cfg = Config.fromfile(config)
    found = Subject.load(cfg, str(checkpoint)).evaluate()
    cfg.load_from, cfg.work_dir, cfg.experiment_name = str(checkpoint), str(tmp_path), 'test_analysis_tools'
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        assert found == pytest.approx(Runner.from_cfg(cfg).test())


def test_excitations(tool, classifier, tmp_path):
    tool('excitations', *classifier[0], '--out-dir', tmp_path, '--classes', '3', '8', '--operators', 'SE_5', '--spread',
         '--channels', '10', '--max-images', '40')
    data = json.loads((tmp_path / 'excitations.json').read_text())
    assert data['images'] == {'all': 40, '3': 4, '8': 4} and list(data['operators']) == ['SE_5_1', 'SE_5_2']
    assert len(data['operators']['SE_5_2']['channels']) == 10
    assert (tmp_path / 'excitations.png').read_bytes().startswith(PNG)


def test_selectivity_of_two_networks(tool, classifier, tmp_path):
    se, plain = classifier
    tool('selectivity', *se, '--compare', *plain, '--labels', 'SE', 'plain', '--out-dir', tmp_path,
         '--max-images', '40')
    data = json.loads((tmp_path / 'selectivity.json').read_text())
    assert list(data) == ['SE', 'plain']
    assert list(data['plain']['index']) == ['conv2_2', 'conv3_2', 'conv4_2', 'conv5_2']
    assert (tmp_path / 'selectivity.png').read_bytes().startswith(PNG)


def test_importance_of_a_classifier_beside_the_plain_network(tool, classifier, tmp_path):
    se, plain = classifier
    tool('importance', *se, '--plain', *plain, '--operators', 'SE_5_2', '--ratios', '0.5', '--out-dir', tmp_path,
         '--max-images', '20')
    data = json.loads((tmp_path / 'importance.json').read_text())
    assert data['metric'] == 'accuracy/top1' and data['ratios'] == [0, 0.5, 1]
    assert len(data['plain']['SE_5_2']) == 2 and (tmp_path / 'importance.png').read_bytes().startswith(PNG)


def test_importance_of_a_detector_is_its_map_on_the_images_that_are_looked_at(tool, detector, tmp_path):
    config, checkpoint, _ = detector
    tool('importance', config, checkpoint, '--operators', 'GE_3_2', '--ratios', '0', '--out-dir', tmp_path,
         '--max-images', '3')
    data = json.loads((tmp_path / 'importance.json').read_text())
    assert data['metric'] == 'coco/bbox_mAP' and set(data['operators']) == {'GE_3_2'}


def test_gate_maps_and_excitations_of_a_detector(tool, detector, tmp_path):
    config, checkpoint, data = detector
    image = sorted((data / 'val').iterdir())[0]
    tool('gate_maps', config, checkpoint, image, '--out-dir', tmp_path, '--extremes', '1',
         '--operators', 'GE_2', 'GE_3')
    found = json.loads((tmp_path / f'gate_maps_{image.stem}.json').read_text())
    assert list(found['maps']) == ['GE_2_1', 'GE_2_2', 'GE_3_1', 'GE_3_2']
    assert len(found['maps']['GE_2_1']['mean']) == 16  # resized to 128 px, stride 4, extent 2
    assert (tmp_path / f'gate_maps_{image.stem}.png').read_bytes().startswith(PNG)
    counts = json.loads((data / 'annotations' / 'instances_val.json').read_text())
    shown = sorted({a['category_id'] for a in counts['annotations']})
    names = [category['name'] for category in counts['categories'] if category['id'] in shown]
    tool('excitations', config, checkpoint, '--out-dir', tmp_path, '--classes', names[0], '--operators', 'GE_5')
    images = json.loads((tmp_path / 'excitations.json').read_text())['images']
    first = next(c['id'] for c in counts['categories'] if c['name'] == names[0])
    assert images == {'all': 6,
                      names[0]: len({a['image_id'] for a in counts['annotations'] if a['category_id'] == first})}


def test_a_segmentors_image_counts_for_each_class_of_its_pixels(tool, segmentor, detector, tmp_path):
    tool('excitations', *segmentor, '--out-dir', tmp_path, '--classes', 'ground', '--operators', 'GE_2_1')
    assert json.loads((tmp_path / 'excitations.json').read_text())['images'] == {'all': 6, 'ground': 6}
    tool('importance', *segmentor, '--out-dir', tmp_path, '--operators', 'GE_2_1', '--ratios', '1', '--max-images', '2')
    assert json.loads((tmp_path / 'importance.json').read_text())['metric'] == 'mIoU'
    tool('gate_maps', *segmentor, detector[2] / 'val' / '000001.jpg', '--out-dir', tmp_path, '--operators', 'GE_2_1')
    assert list(json.loads((tmp_path / 'gate_maps_000001.json').read_text())['maps']) == ['GE_2_1']


def test_trim_writes_a_config_and_a_checkpoint_that_belong_together(tool, classifier, tmp_path):
    metrics = tool('trim', *classifier[0], '--remove', 'SE_5', '--out-dir', tmp_path, '--max-images', '40')
    written = json.loads((tmp_path / 'se_trimmed.json').read_text())
    assert written['removed'] == ['SE_5_1', 'SE_5_2'] and written['parameters'][0] > written['parameters'][1]
    cfg = Config.fromfile(tmp_path / 'se_trimmed.py')
    assert tuple(cfg.model.backbone.context.stages) == (True, True, True, False)
    again = Subject.load(cfg, str(tmp_path / 'se_trimmed.pth'), max_images=40).evaluate()
    assert again['accuracy/top1'] == pytest.approx(metrics['accuracy/top1'][1])
    saved = torch.load(tmp_path / 'se_trimmed.pth', weights_only=False)
    assert saved['meta']['dataset_meta']['classes'] == tuple('0123456789')
    # A trimmed checkpoint may have been trained on since.
    with pytest.raises(SystemExit, match='se_trimmed.py exists and is not overwritten'):
        tool('trim', *classifier[0], '--remove', 'SE_5', '--out-dir', tmp_path)


def test_logs_of_two_runs(tool, tmp_path, capsys):
    for name, losses in (('a', [3.0, 2.0, 1.5]), ('b', [3.5, 2.5])):
        write_log(tmp_path / name, *[{'loss': loss, 'time': 0.25, 'gates/below_0.05': 0.1, 'epoch': 1, 'iter': step,
                                      'step': step} for step, loss in enumerate(losses, 1)],
                  {'accuracy/top1': 62.5, 'step': 1})
    out = tmp_path / 'out'
    tool('analyze_logs', tmp_path / 'a', tmp_path / 'b', '--out-dir', out)
    assert {file.name for file in out.iterdir()} == {'curves.json', 'curves.png', 'saturation_a.png',
                                                   'saturation_b.png'}
    assert json.loads((out / 'curves.json').read_text())['b']['loss'] == dict(steps=[1, 2], values=[3.5, 2.5])
    printed = capsys.readouterr().out
    assert 'loss: 3 -> 1.5 (3 values)' in printed and '0.250 s an iteration' in printed and 'top1: 62.5' in printed
    tool('analyze_logs', tmp_path / 'a', '--keys', 'loss', 'accuracy/top1', '--out-dir', tmp_path / 'keys')
    with Image.open(tmp_path / 'keys' / 'curves.png') as image:
        assert image.width > 1.5 * image.height  # a panel for each key
    with pytest.raises(SystemExit, match='--keys mAP was not logged; there are loss, time, gates/below_0.05, accuracy'):
        tool('analyze_logs', tmp_path / 'a', '--keys', 'mAP', '--out-dir', tmp_path / 'wrong')


def test_report_of_a_run_with_weights_and_data(tool, classifier, tmp_path):
    config, checkpoint = classifier[0]
    folder = tmp_path / 'work'
    write_log(folder, {'accuracy/top1': 10.0, 'step': 1})
    (folder / 'se.py').write_text(config.read_text())
    (folder / 'last_checkpoint').write_text(str(checkpoint))
    tool('report', folder, '-o', tmp_path / 'report.html', '--max-images', '40')
    page = (tmp_path / 'report.html').read_text()
    for anchor in ('runs', 'metrics', 'curves', 'complexity', 'gates', 'selectivity', 'predictions'):
        assert f'<section id="{anchor}">' in page
    assert 'class="remark"' not in page
    assert not re.search('(?:src|href)="(?!data:|#)', page)  # nothing is loaded
    assert page.count('<img ') == 1 + 4 + 4 + 1  # a curve, an operator and a block of each stage, a sheet of images


@pytest.mark.parametrize(('name', 'argv', 'message'), [
    ('excitations', ['plain'], 'error: ImageClassifier has no context operators'),
    ('excitations', ['se', '--operators', 'SE_6_1'], "error: There is no operator 'SE_6_1' .*Did you mean 'SE_"),
    ('excitations', ['se', '--classes', '3', '--max-images', '1'], r'error: There are no images of 1 of the 1 chosen'),
    ('selectivity', ['se', '--blocks', 'conv9'], "error: There is no block 'conv9'"),
    ('gate_maps', ['se', 'nowhere.png'], 'error: There is no image nowhere.png'),
    ('trim', ['se', '--remove', 'GE_5'], "error: There is no operator 'GE_5'"),
])
def test_a_users_mistake_is_one_line(tool, classifier, name, argv, message, tmp_path):
    files = dict(zip(('se', 'plain'), classifier, strict=True))
    with pytest.raises(SystemExit, match=message):
        tool(name, *files[argv[0]], *argv[1:], *(['--out-dir', tmp_path]))


def test_a_missing_checkpoint_or_work_dir_is_one_line(tool, classifier, tmp_path):
    with pytest.raises(SystemExit, match='There is no checkpoint nowhere.pth'):
        tool('excitations', classifier[0][0], 'nowhere.pth', '--out-dir', tmp_path)
    with pytest.raises(SystemExit, match='error: .*is it the work dir of a run'):
        tool('report', tmp_path)
    with pytest.raises(SystemExit, match='error: .*is it the work dir of a run'):
        tool('analyze_logs', tmp_path, '--out-dir', tmp_path)
