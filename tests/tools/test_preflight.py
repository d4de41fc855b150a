"""What OpenMMLab lets pass is one line before the first iteration: each test starts as a user does, with a tool."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import se_backbones
from se_backbones.engine.preflight import ConfigProblem

_runs = itertools.count()
NAMES = ('bolt', 'nut', 'washer')
DETECTOR = """
_base_ = __import__('se_backbones').config_path('digits/faster_rcnn_r18.py')
metainfo = dict(classes={classes})
model = dict(
    backbone=dict(depth=(1, 1, 1, 1), base_channels=4, context=dict(op=dict(type='SqueezeExcite', ratio=4))),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=8), rpn_head=dict(in_channels=8, feat_channels=8),
    roi_head=dict(bbox_roi_extractor=dict(out_channels=8),
                  bbox_head=dict(in_channels=8, fc_out_channels=8, num_classes=3)))
train_dataloader = dict(batch_size=2, dataset=dict(
    data_root='{root}/', metainfo=metainfo, ann_file='train.json', data_prefix=dict(img='images/')))
val_dataloader = test_dataloader = dict(dataset=dict(
    data_root='{root}/', metainfo=metainfo, ann_file='val.json', data_prefix=dict(img='images/')))
val_evaluator = test_evaluator = dict(ann_file='{root}/val.json')
train_cfg = dict(max_epochs=1)
default_hooks = dict(logger=dict(interval=1))
"""
CLASSIFIER = """
_base_ = __import__('se_backbones').config_path('digits/resnet18_se.py')
model = dict(backbone=dict(depth=(1, 1, 1, 1), base_channels=4), head=dict(num_classes=3, in_channels=128))
train_dataloader = dict(batch_size=3, dataset=dict(data_root='{root}'))
val_dataloader = test_dataloader = dict(dataset=dict(data_root='{root}'))
val_evaluator = test_evaluator = dict(topk=(1,))
train_cfg = dict(max_epochs=1)
"""


def annotations(names=NAMES, images=4):
    """A COCO file of 48 px images, each with one object of every category."""
    return dict(
        images=[dict(id=i, file_name=f'{i}.png', width=48, height=48) for i in range(images)],
        annotations=[dict(id=i * len(names) + k, image_id=i, category_id=k + 1, bbox=[4 + 8 * k, 4, 12, 20], area=240,
                          iscrowd=0) for i in range(images) for k in range(len(names))],
        categories=[dict(id=k + 1, name=name) for k, name in enumerate(names)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with four images and the annotations of a detection engineer."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'images').mkdir()
    for number in range(4):
        cv2.imwrite(str(tmp_path / f'images/{number}.png'), np.full((48, 48, 3), 40 * number, np.uint8))
    for split in ('train', 'val'):
        (tmp_path / f'{split}.json').write_text(json.dumps(annotations()))
    return tmp_path


@pytest.fixture
def pictures(folder):
    """The same images as a researcher has them: a folder for each class, and what else lies around."""
    for split, name in itertools.product(('train', 'val'), NAMES):
        (folder / split / name).mkdir(parents=True)
        cv2.imwrite(str(folder / split / name / '0.png'), np.zeros((32, 32, 3), np.uint8))
    (folder / 'train' / 'notes.txt').write_text('zinc plated')
    return folder


@pytest.fixture
def write(folder):
    def config(more='', template=DETECTOR, classes=NAMES):
        (folder / 'mine.py').write_text(template.format(classes=repr(classes), root=folder) + more)
    return config


@pytest.fixture
def run(tool, folder, capfd):
    """Return a function that runs a tool and returns what it printed."""
    def call(name, *argv, options=()):
        options = [f'experiment_name=run_{next(_runs)}', *options]
        tool(name, 'mine.py', *argv, *(['--cfg-options', *options] if name != 'infer' else []))
        return ''.join(capfd.readouterr())
    return call


@pytest.fixture
def line(run, folder):
    """Return a function that runs a tool which must end with one line, exit code 1 and no work folder."""
    def refused(name='train', *argv, options=()):
        with pytest.raises(SystemExit) as stop:
            run(name, *argv, options=options)
        text = stop.value.code
        assert isinstance(text, str) and text.startswith('error: ') and '\n' not in text.strip()
        assert not (folder / 'work_dirs').exists()
        return text
    return refused


# Class names against the annotation file

def test_the_legal_run_trains_and_its_header_has_the_table(write, run, folder):
    write()
    screen = run('train')
    header = screen[screen.index('what runs:'):].splitlines()[1:8]
    assert [row.split()[0] for row in header] == ['config', 'model', 'backbone', 'train', 'val', 'device', 'work']
    assert '4 SqueezeExcite' in header[2] and 'M parameters' in header[2]
    assert '4 images, 0 without objects, 12 objects: bolt 4, nut 4, washer 4' in header[3]
    for noise in ('faster_coco_eval', 'OneDL', 'System environment', 'Hooks will be executed', 'paramwise_options',
                  'loading annotations', "type='FasterRCNN'"):
        assert noise not in screen
    (log,) = (folder / 'work_dirs/mine').rglob('*.log')
    assert "type='FasterRCNN'" in log.read_text() and 'System environment' in log.read_text()


def test_looking_up_a_class_is_quiet_about_optional_parts():
    """In a new interpreter, where the library is imported by the look-up."""
    code = ("from mmengine.registry import DATASETS; from se_backbones.engine.checks.config_tree import class_of;"
            "print(class_of(dict(type='CocoDataset'), dict(default_scope='mmdet'), DATASETS).__name__)")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout == 'CocoDataset\n' and 'faster_coco_eval' not in done.stderr, done


def test_crowds_are_no_objects_in_the_table(write, run, folder):
    file = annotations()
    for note in file['annotations'][:4]:  # all of the first image, and the bolt of the second
        note['iscrowd'] = 1
    (folder / 'train.json').write_text(json.dumps(file))
    write()
    assert '4 images, 1 without objects, 8 objects: bolt 2, nut 3, washer 3' in run('train')


def test_classes_in_another_order_are_refused(write, line):
    write(classes=('washer', 'bolt', 'nut'))
    assert line() == (
        "error: train_dataloader.dataset: classes are in another order than the categories of train.json, and mmdet "
        "labels by the order of the file: every 'bolt' would be called 'washer'. In train_dataloader.dataset, "
        "val_dataloader.dataset, test_dataloader.dataset write: metainfo=dict(classes=('bolt', 'nut', 'washer'))")


@pytest.mark.parametrize(('train', 'val'), [(NAMES, NAMES), (('nut', 'bolt', 'washer'),) * 2,
                                            (NAMES, ('nut', 'bolt', 'washer'))], ids=['first', 'second', 'own'])
def test_files_with_their_categories_in_different_orders_are_refused(write, line, folder, train, val):
    """With the names of each in the order of its file every bolt would be taken for a nut."""
    (folder / 'val.json').write_text(json.dumps(annotations(('nut', 'bolt', 'washer'))))
    write(f"val_dataloader['dataset']['metainfo'] = dict(classes={val})", classes=train)
    assert line() == (
        "error: val_dataloader.dataset has the classes of train_dataloader.dataset in another order: label 0 is 'nut', "
        f"and there 'bolt'. Write them in one order into {folder}/val.json and {folder}/train.json, which decide it.")


def test_one_class_without_its_comma_is_refused(write, line, folder):
    """mmdet would find it, as a part of itself, and call every bolt a b."""
    for split in ('train', 'val'):
        (folder / f'{split}.json').write_text(json.dumps(annotations(('bolt',))))
    write(classes=('bolt'))
    says = line()
    assert says == ("error: metainfo.classes='bolt' is a string, so that every letter would be a class: write "
                    "classes=('bolt',), with the comma, or the path of a file that has a name a line.")


def test_names_may_be_in_a_file(write, run, folder):
    (folder / 'names.txt').write_text('\n'.join(NAMES))
    write(classes=str(folder / 'names.txt'))
    assert 'bolt 4, nut 4, washer 4' in run('train')


def test_the_line_to_paste_makes_it_run(write, line, run):
    write(classes=('washer', 'bolt', 'nut'))
    entry = line().partition(' write: ')[2]
    write(f"for loader in (train_dataloader, val_dataloader):\n    loader['dataset'].update({entry})\ndel loader",
          classes=('washer', 'bolt', 'nut'))
    assert 'Saving checkpoint' in run('train')


def test_a_misspelt_class_is_refused(write, line):
    write(classes=('bolt', 'nut', 'wascher'))
    assert line() == (
        "error: train_dataloader.dataset.metainfo.classes has 'wascher'; train.json has 'bolt', 'nut', 'washer'. Did "
        "you mean 'washer'? In train_dataloader.dataset, val_dataloader.dataset, test_dataloader.dataset write: "
        "metainfo=dict(classes=('bolt', 'nut', 'washer'))")


def test_no_classes_at_all_are_refused(write, line):
    write("train_dataloader['dataset'].pop('metainfo')\n"
          "train_dataloader['dataset'].update(_delete_=True, type='CocoDataset', pipeline=[])")
    assert re.match(r"error: train_dataloader.dataset.metainfo.classes is not given, so the dataset's own 80 classes "
                    r"are used, and train.json lacks 'person', 'bicycle', 'car', ...; train.json has 'bolt', 'nut', "
                    r"'washer'\.", line())


def test_a_category_that_one_file_lacks_is_refused(write, line, folder):
    (folder / 'val.json').write_text(json.dumps(annotations(('bolt', 'nut'))))
    write()
    assert "val_dataloader.dataset.metainfo.classes has 'washer'; val.json has 'bolt', 'nut'." in line()


def test_a_subset_in_the_order_of_the_file_is_legal(write, run):
    write("model['roi_head']['bbox_head']['num_classes'] = 2", classes=('bolt', 'washer'))
    assert '8 objects: bolt 4, washer 4' in run('train')


def test_the_evaluators_file_is_compared_too(write, line, folder):
    (folder / 'other.json').write_text(json.dumps(annotations(('person', 'car'))))
    write(f"val_evaluator = dict(ann_file='{folder}/other.json')")
    assert re.search(r"val_evaluator.ann_file lacks 'bolt', 'nut', 'washer'; other.json has 'person', 'car'. "
                     r'Is it the file of val_dataloader\?', line())


def test_an_evaluators_file_of_other_images_is_refused(write, line, folder):
    content = annotations(images=8)
    for image in content['images']:
        image['file_name'] = f'scene_{image["id"]}.png'
    (folder / 'other.json').write_text(json.dumps(content))
    (folder / 'model.pth').touch()
    write(f"test_evaluator = dict(ann_file='{folder}/other.json')")
    assert re.search(r'test_evaluator.ann_file=.*/other.json has scene_0.png under the id 0, and '
                     r'test_dataloader.dataset.ann_file=.*/val.json has 0.png: .* Is it the file of test_dataloader\?',
                     line('test', 'model.pth'))
    (folder / 'other.json').write_text(json.dumps(annotations(images=3)))
    assert 'has no image under the id 3' in line('test', 'model.pth')


def test_an_evaluators_file_may_have_more_images_than_the_dataset(write, run, folder):
    content = annotations(images=8)
    for image in content['images']:
        image['file_name'] = f'images/{image["file_name"]}'
    (folder / 'all.json').write_text(json.dumps(content))
    write(f"val_evaluator = dict(ann_file='{folder}/all.json')")
    assert 'Epoch(val) [1]' in run('train')


def test_other_tools_refuse_it_too(write, line, folder):
    write(classes=('washer', 'bolt', 'nut'))
    (folder / 'model.pth').touch()
    assert 'classes are in another order' in line('test', 'model.pth')
    assert 'classes are in another order' in line('export', 'model.pth', '-o', 'model.onnx')


def test_a_checkpoint_with_the_classes_in_another_order_is_not_tested(write, run, folder):
    """Every bolt would be counted as a washer; as the beginning of another training it is only said."""
    write()
    run('train', '--work-dir', 'trained')
    shutil.copy('trained/epoch_1.pth', 'trained.pth')
    for split in ('train', 'val'):
        (folder / f'{split}.json').write_text(json.dumps(annotations(NAMES[::-1])))
    write('train_cfg = dict(max_epochs=2)', classes=NAMES[::-1])
    for argv in (('test', 'trained.pth'), ('train', '--work-dir', 'trained', '--resume')):
        with pytest.raises(SystemExit) as stop:
            run(*argv)
        assert re.fullmatch(
            r"error: (train|test)_dataloader.dataset has the classes of .*(trained|epoch_1).pth in another order: "
            r"label 0 is 'washer', and there 'bolt'\. .*(train|val).json decides the order; the network was trained "
            r"with classes=\('bolt', 'nut', 'washer'\)\.", stop.value.code.strip()), stop.value.code
    screen = run('train', options=['load_from=trained.pth'])
    assert "has the classes of trained.pth in another order: label 0 is 'washer'" in screen
    assert 'Saving checkpoint at 2 epochs' in screen


def test_the_hook_raises_in_scripts_that_are_not_ours(write, folder):
    write("custom_hooks = [dict(type='se_backbones.PreflightHook')]", classes=('washer', 'bolt', 'nut'))
    cfg = Config.fromfile('mine.py')
    cfg.work_dir, cfg.experiment_name = str(folder / 'work'), f'run_{next(_runs)}'
    with pytest.raises(ConfigProblem, match='classes are in another order than the categories of train.json'):
        Runner.from_cfg(cfg).train()


def test_folders_that_differ_between_splits_are_refused(write, line, pictures):
    (pictures / 'val/nut/0.png').unlink()
    (pictures / 'val/nut').rmdir()
    write(template=CLASSIFIER)
    assert ('val_dataloader.dataset and train_dataloader.dataset differ in their folders of images (only one of them '
            "has 'nut')" in line())


def test_names_in_another_order_than_the_folders_are_refused(write, line, pictures):
    write("train_dataloader['dataset']['metainfo'] = dict(classes=('nut', 'bolt', 'washer'))", CLASSIFIER)
    assert "In train_dataloader.dataset write: metainfo=dict(classes=('bolt', 'nut', 'washer'))" in line()


# What depends on their number

def test_num_classes_of_every_head_is_compared(write, line):
    write("model['roi_head']['bbox_head']['num_classes'] = 80")
    assert line() == ("error: model.roi_head.bbox_head.num_classes=80, but train_dataloader.dataset has 3 classes "
                      "('bolt', 'nut', 'washer'). Set model.roi_head.bbox_head.num_classes=3, or give the dataset its "
                      'metainfo.classes.')


def test_topk_above_the_classes_is_refused(write, line, pictures):
    write('val_evaluator = dict(topk=(1, 5))', CLASSIFIER)
    assert line() == 'error: val_evaluator.topk=(1, 5) of 3 classes: set val_evaluator.topk=(1,).'


def test_a_classifier_of_folders_is_counted(write, run, line, pictures):
    write(template=CLASSIFIER)
    assert re.search(r'train +3 images: bolt 1, nut 1, washer 1', run('train', '--work-dir', 'ok'))
    assert 'accuracy/top1' in run('test', 'ok/epoch_1.pth', '--work-dir', 'tested', '--tta')
    write("model['head']['num_classes'] = 10", CLASSIFIER)
    assert 'error: model.head.num_classes=10, but train_dataloader.dataset has 3 classes' in line()


def test_hidden_folders_are_classes_as_mmpretrain_counts_them(write, line, pictures):
    """Jupyter leaves them; the labels of all classes behind them would be one too high."""
    write(template=CLASSIFIER)
    for split, says in (('train', "only one of them has '.ipynb_checkpoints'"),
                        ('val', "num_classes=3, but train_dataloader.dataset has 4 classes ('.ipynb_checkpoints'")):
        (pictures / split / '.ipynb_checkpoints').mkdir()
        assert says in line()


def test_a_palette_that_is_too_short_is_refused(write, line):
    write("train_dataloader['dataset']['metainfo'] = dict(classes=('bolt', 'nut', 'washer'), palette=[(0, 0, 0)])")
    assert 'error: train_dataloader.dataset.metainfo.palette has 1 colours for 3 classes' in line()


def test_neck_channels_are_compared_with_the_backbone(write, line):
    write("model['neck']['in_channels'] = [256, 512, 1024, 2048]")
    assert line() == ('error: model.neck.in_channels=[256,512,1024,2048], but model.backbone gives [16,32,64,128] '
                      '(out_indices=[0,1,2,3]). Set model.neck.in_channels=[16,32,64,128].')


def test_a_global_kernel_is_compared_with_the_pipeline(write, line, pictures):
    write("model['backbone']['context'] = dict(op=dict(_delete_=True, type='GatherExcite', variant='theta'))",
          CLASSIFIER)
    assert line() == (
        'error: model.backbone.context has operators with a kernel for images of input_size=224x224, but '
        'train_dataloader.dataset.pipeline makes 32x32. Set model.backbone.input_size to the size of all images, or '
        'extent=8, which takes any.')


# Files

@pytest.mark.parametrize(('content', 'says'), [
    ('{"images": [', 'ann_file=.*/train.json is not JSON: Expecting value: line 1 column 13'),
    ('{"images": [}, "categories": [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}, {"id": 3, "name": "washer"}]}',
     'train_dataloader.dataset: ann_file=.*/train.json is not JSON: Expecting value: line 1 column 13'),
    ('', 'ann_file=.*/train.json is empty'),
    ('[]', 'ann_file=.*/train.json has no list of categories with names: it is not a COCO annotation file'),
])
def test_a_broken_annotation_file_is_named(write, line, folder, content, says):
    (folder / 'train.json').write_text(content)
    write()
    assert re.search(says, line())


def test_images_that_do_not_exist_are_named(write, line, folder):
    for number in (0, 1, 3):
        (folder / f'images/{number}.png').unlink()
    write()
    assert re.search('train_dataloader.dataset: 3 of 4 images that were checked do not exist, such as '
                     r'.+/images/0.png, .+/images/1.png, .+/images/3.png: data_root and data_prefix', line())


def test_an_empty_split_is_refused(write, line, folder):
    (folder / 'train.json').write_text(json.dumps({**annotations(), 'annotations': []}))
    write()
    assert re.search(r'train_dataloader.dataset is empty: .*train.json holds no image that filter_cfg=\S+ \w+\} keeps',
                     line())


def test_a_test_pipeline_that_does_not_resize_is_refused_before_an_epoch(write, line):
    pipeline = ("[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True), "
                "dict(type='PackDetInputs')]")
    write(f"val_dataloader['dataset']['pipeline'] = {pipeline}")
    assert "val_dataloader.dataset.pipeline gives no scale_factor, by which mmdet's heads divide the boxes" in line()


def segmentor(folder, values=(0, 1, 2, 255), channels=1, reduced=False):
    """Write masks beside the images, and the config of who has them."""
    pytest.importorskip('mmseg')
    (folder / 'masks').mkdir()
    for number in range(4):
        mask = np.resize(np.array(values, np.uint8), (48, 48))
        cv2.imwrite(str(folder / f'masks/{number}.png'), mask if channels == 1 else np.dstack([mask] * channels))
    (folder / 'mine.py').write_text(f"""
_base_ = __import__('se_backbones').config_path('digits/fcn_se_r18.py')
files = dict(data_root={str(folder)!r}, metainfo=dict(classes={NAMES!r}, palette=[[0, 0, 0]] * 3), img_suffix='.png',
             data_prefix=dict(img_path='images', seg_map_path='masks'), reduce_zero_label={reduced})
model = dict(
    backbone=dict(depth=(1, 1, 1, 1), base_channels=4, context=dict(op=dict(ratio=4))),
    decode_head=dict(num_classes=3, in_channels=[16, 32, 64, 128], channels=8, loss_decode=dict(class_weight=None)))
train_dataloader = dict(dataset=files)
val_dataloader = test_dataloader = dict(dataset=files)
train_cfg = dict(max_epochs=1, val_interval=1)
""")


def test_masks_of_all_classes_and_of_what_is_ignored_are_legal(folder, run):
    segmentor(folder)
    assert '4 images' in run('train')


@pytest.mark.parametrize(('values', 'channels', 'reduced', 'says'), [
    ((0, 3), 1, False, r'masks/0.png has the value 3, and there are 3 classes: 0 to 2 are allowed, and 255 to ig'),
    ((3, 4), 1, True, r'masks/0.png has the value 4, and there are 3 classes: 0 to 3 are allowed, and 255 to ig'),
    ((0, 1), 3, False, r'masks/0.png has 3 channels; a mask has one, whose values are the numbers of the classes\.')])
def test_masks_of_other_values_are_refused(folder, line, values, channels, reduced, says):
    segmentor(folder, values, channels, reduced)
    assert re.search(f'^error: train_dataloader.dataset: .*{says}', line())


def test_masks_that_do_not_exist_are_named(folder, line):
    segmentor(folder)
    (folder / 'masks/2.png').unlink()
    assert re.search(r'1 of 4 masks that were checked do not exist, such as .*masks/2.png: .*seg_map_suffix', line())
    shutil.rmtree(folder / 'images')
    (folder / 'images').mkdir()
    assert re.search(r"train_dataloader.dataset is empty: .*images holds no image that ends with img_suffix='.png'",
                     line())


def test_heads_that_take_the_maps_are_held_to_the_backbone(folder, write, pictures, line):
    write("model['head']['in_channels'] = 512", CLASSIFIER)
    assert line() == ('error: model.head.in_channels=512, but model.backbone gives [128] (out_indices=[3]). Set '
                      'model.head.in_channels=128.')
    segmentor(folder)
    for options, given, right in ((['in_channels=[4,8,16,32]'], '[4,8,16,32]', '[16,32,64,128]'),
                                  (['in_channels=64', 'in_index=3', 'input_transform=None'], '64', '128')):
        assert line(options=[f'model.decode_head.{option}' for option in options]) == (
            f'error: model.decode_head.in_channels={given}, but model.backbone gives [16,32,64,128] '
            f'(out_indices=[0,1,2,3]). Set model.decode_head.in_channels={right}.')


# --cfg-options

@pytest.mark.parametrize(('option', 'says'), [
    ('lr=0.002', '--cfg-options lr: nothing reads it. Did you mean optim_wrapper.optimizer.lr?'),
    ('vis_backends.0.type=TensorboardVisBackend', '--cfg-options vis_backends.0.type: nothing reads it. Did you mean '
                                                  'visualizer.vis_backends.0.type?'),
    ('data_root=elsewhere', 'Did you mean train_dataloader.dataset.data_root or'),
    ('train_dataloader.batchsize=4', "train_dataloader takes no 'batchsize'. Did you mean 'batch_size'?"),
    ('model.backbone.froze_stages=1', "ResNet takes no 'froze_stages'. Did you mean 'frozen_stages'?"),
    ('train_cfg.max_epoch=3', "EpochBasedTrainLoop takes no 'max_epoch'. Did you mean 'max_epochs'?"),
    ('env_cfg.cudnn_benchmrk=True', "there is no such key. Did you mean 'cudnn_benchmark'?"),
    ('optim_wrapper.optimizer.learning_rate=1', "AdamW takes no 'learning_rate'"),
    ('train_dataloader.dataset.pipeline.9.scale=1', '--cfg-options'),
])
def test_an_option_that_nothing_reads_is_refused(write, line, option, says):
    write()
    assert says in line(options=[option])


def test_options_that_the_class_knows_are_legal(write, run):
    write()
    run('train', options=['model.backbone.norm_eval=True', 'optim_wrapper.clip_grad.max_norm=1', 'randomness.seed=1',
                          'train_cfg._delete_=True', 'train_cfg.type=IterBasedTrainLoop', 'train_cfg.max_iters=1',
                          'train_dataloader.dataset.indices=2', 'model.backbone.init_cfg=None'])


def test_a_value_keeps_its_spaces(write, run, folder):
    (folder / 'images').rename(folder / 'the images')
    write()
    run('train', options=['train_dataloader.dataset.data_prefix.img=the images/',
                          'val_dataloader.dataset.data_prefix.img=the images/'])


def test_a_value_that_cannot_be_read_is_refused(write, run, capfd):
    write()
    for option in ('custom_hooks=[a b, c]', 'model.backbone.context=dict(op=None)'):
        with pytest.raises(SystemExit, match='2'):
            run('train', options=[option])
    words = ''.join(capfd.readouterr())
    assert 'strings with spaces need quotes' in words and 'write the dict as Python does' in words


def test_near_misses_of_the_runners_keys_are_warned_of(write, run):
    write('train_dataloder = dict()')
    with pytest.warns(UserWarning, match="nothing reads the key 'train_dataloder'. Did you mean 'train_dataloader'"):
        with pytest.raises(SystemExit):
            run('train', options=['model.neck.in_channels=[1]'])


# Constructors

@pytest.mark.parametrize(('more', 'says'), [
    ("model['backbone']['context']['op']['ratio'] = 0", r'SqueezeExcite\.ratio must be an int of at least 1, got 0\.$'),
    ("model['backbone']['context']['stages'] = (True, False)",
     r'context\.stages must have one entry for each of the 4 stages of this module, got \(True, False\)\.$'),
    ("model['backbone']['context']['op'] = dict(_delete_=True, type='MyOperator')",
     r"op.type must be one of .* got 'MyOperator'.*custom_imports=dict\(imports=\[\"my_module\"\]\)\.$"),
    ("model['backbone']['type'] = 'se_backbones.MobileNetV1'", 'MobileNetV1 .*write _delete_=True into the dict'),
    ("model['neck']['type'] = 'MyNeck'", 'MyNeck is not in the mmdet::model registry.*custom_imports'),
    ('optim_wrapper = dict(optimizer=dict(momentum=0.9))',
     r'optim_wrapper.optimizer \(AdamW\) has no option .*_delete_=True'),
    ("custom_hooks = [dict(type='se_backbones.CheckpointHok')]", "Did you mean 'CheckpointHook'"),
    ("val_evaluator['metric'] = 'boxes'", r"metric should be one of 'bbox', 'segm'.* but got boxes\.$"),
])
def test_errors_of_constructors_are_one_line(write, line, more, says):
    write(more)
    text = line()
    assert re.search(says, text)
    assert text.count('custom_imports=') <= 1 and text.count('_delete_=True') <= 1


def test_the_exit_code_is_one_and_debug_shows_where_in_the_code(write, run, folder):
    write("model['backbone']['context']['stages'] = (True, False)")
    file = Path(se_backbones.config_path()).parent / 'tools/train.py'
    done = subprocess.run([sys.executable, file, 'mine.py'], capture_output=True, text=True)
    # Before it the hosts may warn: of TorchScript with torch 2.4, of their own escapes when 3.12 compiles them.
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert [line for line in lines if line.startswith('error: ')] == lines[-1:], done.stderr
    with pytest.raises(ConfigProblem, match=r'context\.stages must have one entry'):
        run('train', '--debug')


# The life of a run

@pytest.fixture
def write_with(write, folder, monkeypatch):
    """Return a function that writes a config with a hook, which is the only class of a module beside it."""
    def config(source, more=''):
        (folder / 'beside.py').write_text(source)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, 'beside', raising=False)
        write(f"custom_imports = dict(imports=['beside'])\ncustom_hooks = [dict(type='Beside')]\n{more}")
    return config


NEIGHBOUR = """
from pathlib import Path
from mmengine.registry import HOOKS


@HOOKS.register_module(force=True)
def Beside():
    Path('work_dirs/other').mkdir()
    Path('work_dirs/other/epoch_1.pth').touch()
    raise ValueError('cannot be built')
"""


def test_what_fails_removes_its_own_folder_and_not_that_of_a_run_beside_it(write_with, run):
    write_with(NEIGHBOUR)
    with pytest.raises(SystemExit, match='cannot be built'):
        run('train')
    assert sorted(map(str, Path('work_dirs').rglob('*'))) == ['work_dirs/other', 'work_dirs/other/epoch_1.pth']


OCCUPY = """
import subprocess
import sys
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
HOLD = ('import sys; from se_backbones.engine.work_dir_lock import lock_work_dir; lock_work_dir(sys.argv[1]); '
        'print(1, flush=True); input()')


@HOOKS.register_module(force=True)
class Beside(Hook):
    def before_run(self, runner):
        Beside.other = subprocess.Popen([sys.executable, '-c', HOLD, runner.work_dir], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        Beside.other.stdout.readline()
"""


def test_a_training_that_is_refused_leaves_the_folder_of_the_one_that_came_first(write_with, run, folder):
    write_with(OCCUPY)
    with pytest.raises(SystemExit, match='work_dirs/mine is in use by another training'):
        run('train')
    sys.modules['beside'].Beside.other.communicate(b'\n')
    assert (folder / 'work_dirs/mine/.training.lock').exists()


def test_a_test_leaves_the_config_of_the_training_and_the_predictions_of_an_earlier_one(write, run, folder):
    write()
    run('train')
    record = (folder / 'work_dirs/mine/mine.py').read_text()
    run('test', 'work_dirs/mine/epoch_1.pth', '--tta', '--out', 'found.pkl', options=['resume=True'])
    assert (folder / 'work_dirs/mine/mine.py').read_text() == record
    with pytest.raises(SystemExit, match='found.pkl exists and is not overwritten'):
        run('test', 'work_dirs/mine/epoch_1.pth', '--out', 'found.pkl')


def test_a_test_of_a_resumed_run_needs_no_training_data(write, run, folder):
    write()
    run('train')
    (folder / 'train.json').unlink()
    write('resume = True')
    assert 'coco/bbox_mAP' in run('test', 'work_dirs/mine/epoch_1.pth')


def test_a_used_folder_is_refused_and_a_finished_run_says_so(write, run, folder, capfd):
    write()
    assert 'There is no checkpoint in work to resume from: the run begins at its first iteration' in run(
        'train', '--work-dir', 'work', '--resume')
    with pytest.raises(SystemExit) as refused:
        run('train', '--work-dir', 'work')
    assert refused.value.code == (
        'error: work holds checkpoints of a run already (the newest is epoch_1.pth). Go on from it with --resume, or '
        'begin in another folder with --work-dir.')
    with pytest.raises(SystemExit) as finished:
        run('train', '--work-dir', 'work', '--resume')
    assert finished.value.code == 0
    assert 'The run in work is finished: epoch_1.pth is of epoch 1' in capfd.readouterr().out
    with pytest.raises(SystemExit, match='There is no checkpoint epoch_7.pth'):
        run('train', '--work-dir', 'work', '--resume', 'epoch_7.pth')


POISON = """
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module(force=True)
class Beside(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 2:
            runner.model.roi_head.bbox_head.fc_cls.bias.data.fill_(float('nan'))
"""


def test_nan_stops_with_the_iteration_and_the_last_good_checkpoint(write, write_with, run, folder):
    write_with(POISON, "train_cfg = dict(max_epochs=3)\ndefault_hooks['checkpoint'] = dict(interval=1)")
    with pytest.raises(SystemExit, match=r'error: The loss is nan at iteration 3\. The last good checkpoint is '
                                         r'.+/epoch_1.pth; go on from it with --resume. Common causes: a learning'):
        run('train')
    assert not (folder / 'work_dirs/mine/epoch_2.pth').exists()
    assert 'state_dict' in torch.load(folder / 'work_dirs/mine/epoch_1.pth', weights_only=False)
    write()
    with pytest.raises(SystemExit) as finished:
        run('train', '--resume')
    assert finished.value.code == 0


def test_pictures_go_where_show_dir_says_and_tta_runs(write, run, folder):
    write()
    run('train')
    run('test', 'work_dirs/mine/epoch_1.pth', '--show-dir', 'drawn', '--tta')
    assert len(list((folder / 'drawn').glob('*.png'))) == 4
