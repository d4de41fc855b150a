"""No tool runs the code of a checkpoint, and none of ours turns text into code."""

import ast
import os
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

import se_backbones
from se_backbones.pretrained.errors import CheckpointError
from se_backbones.pretrained.guard import no_code_from_checkpoints
from se_backbones.pretrained.source import load

ROOT = Path(se_backbones.config_path()).parent
SOURCES = sorted([*(ROOT / 'se_backbones').rglob('*.py'), *(ROOT / 'tools').rglob('*.py')])


class MakesFile:
    """Unpickled by pickle's own rules it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


@pytest.fixture
def hostile(tmp_path):
    """A checkpoint that makes a file when its code runs; afterwards: it did not."""
    path, made = tmp_path / 'hostile.pth', tmp_path / 'made'
    torch.save({'state_dict': {'a': torch.zeros(1)}, 'meta': {'x': MakesFile(made)}}, path)
    yield path
    assert not made.exists()
    # By pickle's own rules it works.
    torch.load(path, weights_only=False)
    assert made.exists()


def test_mmengine_reads_without_running_code(hostile):
    with no_code_from_checkpoints(), pytest.raises(CheckpointError, match='wants to import .*open'):
        load_checkpoint(torch.nn.Linear(1, 1), str(hostile))


def test_a_host_that_insists_on_pickle_does_not_get_it(hostile):
    with no_code_from_checkpoints(), pytest.raises(Exception, match=r'GLOBAL (_?io|builtins)\.open'):
        torch.load(hostile, weights_only=False)


@pytest.mark.parametrize('scheme', ['s3://', 'petrel://'])
def test_what_comes_by_a_scheme_of_another_library_is_read_without_running_code(hostile, monkeypatch, scheme):
    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))
    CheckpointLoader.register_scheme(scheme, lambda filename, map_location=None: torch.load(
        hostile, map_location=map_location, weights_only=False), force=True)
    with pytest.raises(CheckpointError, match='wants to import .*open'):
        load(f'{scheme}bucket/net.pth')
    with pytest.raises(CheckpointError, match='A checkpoint wants to import .*open'), no_code_from_checkpoints():
        load_checkpoint(torch.nn.Linear(1, 1), f'{scheme}bucket/net.pth')


def test_all_is_as_before_afterwards(monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    schemes, environment = dict(CheckpointLoader._schemes), dict(os.environ)
    with pytest.raises(KeyError), no_code_from_checkpoints():
        assert dict(CheckpointLoader._schemes) != schemes and 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD' not in os.environ
        raise KeyError
    assert dict(CheckpointLoader._schemes) == schemes and dict(os.environ) == environment


def test_what_a_runner_saves_is_read_whole(tmp_path):
    content = {'state_dict': {'weight': torch.ones(1, 1), 'bias': torch.zeros(1)}, 'meta': {'epoch': 3},
               'optimizer': {'state': {0: {'step': torch.tensor(5.0)}}, 'param_groups': [{'lr': 0.1, 'params': [0]}]},
               'extra': np.arange(3)}
    torch.save(content, tmp_path / 'net.pth')
    model = torch.nn.Linear(1, 1)
    with no_code_from_checkpoints():
        loaded = load_checkpoint(model, str(tmp_path / 'net.pth'))
    assert loaded['meta'] == {'epoch': 3} and np.array_equal(loaded['extra'], content['extra'])
    assert loaded['optimizer']['state'][0]['step'] == 5 and torch.equal(model.weight, content['state_dict']['weight'])
    # Nothing of it hangs on the file, which a run may write over.
    (tmp_path / 'net.pth').write_bytes(b'')
    assert loaded['optimizer']['state'][0]['step'] == 5


CONFIG = """
_base_ = 'mmpretrain::_base_/default_runtime.py'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4,
                  context=dict(op=dict(type='SqueezeExcite'))),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=32, loss=dict(type='CrossEntropyLoss')))
pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CustomDataset', data_root='data', with_label=True, pipeline=pipeline))
val_dataloader = test_dataloader = train_dataloader
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1, ))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = test_cfg = dict()
"""
TOOLS = [
    'test.py config.py FILE', 'train.py config.py --resume FILE', 'infer.py config.py FILE data/a/0.png',
    'excitations.py config.py FILE', 'gate_maps.py config.py FILE data/a/0.png', 'importance.py config.py FILE',
    'selectivity.py config.py FILE', 'trim.py config.py FILE --remove SE_2', 'publish_model.py FILE published',
    'convert_checkpoint.py FILE -o out.pth', 'export.py config.py FILE -o out.onnx',
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a small classifier's config and its images."""
    monkeypatch.chdir(tmp_path)
    for name in 'ab':
        (tmp_path / 'data' / name).mkdir(parents=True)
        cv2.imwrite(f'data/{name}/0.png', np.zeros((16, 16, 3), np.uint8))
    (tmp_path / 'config.py').write_text(CONFIG)
    return tmp_path


def run(tool, monkeypatch, checkpoint=''):
    name, *arguments = (str(checkpoint) if word == 'FILE' else word for word in tool.split())
    monkeypatch.setattr(sys, 'argv', [name, *arguments])
    (file,) = (ROOT / 'tools').rglob(name)
    runpy.run_path(str(file), run_name='__main__')


@pytest.mark.parametrize('tool', TOOLS, ids=lambda tool: tool.split()[0])
def test_no_tool_runs_the_code_of_a_checkpoint(tool, hostile, folder, monkeypatch):
    with pytest.raises(SystemExit, match='error: .*hostile.pth wants to import .*open'):
        run(tool, monkeypatch, hostile)


def test_a_run_is_resumed_from_what_it_saved(folder, monkeypatch):
    run('train.py config.py', monkeypatch)
    saved = torch.load('work_dirs/config/epoch_1.pth', weights_only=False)
    run('train.py config.py --resume --cfg-options train_cfg.max_epochs=2', monkeypatch)
    again = torch.load('work_dirs/config/epoch_2.pth', weights_only=False)
    assert (saved['meta']['iter'], again['meta']['iter']) == (1, 2)
    losses = again['message_hub']['log_scalars']['train/loss'].data[0]
    assert len(losses) == 2 and losses[0] == saved['message_hub']['log_scalars']['train/loss'].data[0][0]
    run('test.py config.py work_dirs/config/epoch_2.pth', monkeypatch)


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


def test_no_text_becomes_code():
    """Nor is anything unpickled but by torch's rules for weights, or YAML read that could make objects."""
    found = [(path, name, options) for path in SOURCES for name, options in calls(ast.parse(path.read_text()))]
    assert len(found) > 5_000
    for path, name, options in found:
        assert name not in ('eval', 'exec', 'compile', '__import__', 'os.system', 'yaml.load', 'yaml.unsafe_load',
                            'pickle.load', 'pickle.loads'), (path, name)
        assert name != 'torch.load' or options.get('weights_only') == 'True', (path, options)
        assert options.get('shell', 'False') == 'False', (path, name)
