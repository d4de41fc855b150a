"""docs/own_operator.md is followed to the letter: its files are saved, its tests run, its config trains."""

import importlib
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from timm.layers import EcaModule

from se_backbones.models import residual_tail
from se_backbones.models.backbones.resnet import Bottleneck
from se_backbones.models.placement import Slot
from se_backbones.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'own_operator.md').read_text()
FILES = dict(re.findall(r'^```python\n# (\S+\.py)\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The reader's folder, with the files of the page; what they register is taken out again."""
    folder = tmp_path_factory.mktemp('reader')
    for name, text in FILES.items():
        (folder / name).write_text(text)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop('my_operators', None)
    MODELS.module_dict.pop('EfficientChannel', None)


def test_the_page_has_an_operator_a_config_and_tests():
    assert set(FILES) == {'my_operators.py', 'eca_digits.py', 'test_my_operators.py'}


@pytest.mark.parametrize('name', re.findall(r'^def (test_\w+)', FILES['test_my_operators.py'], re.MULTILINE))
def test_its_own_tests_pass(folder, name, tmp_path):
    test = runpy.run_path(str(folder / 'test_my_operators.py'))[name]
    test(**({'tmp_path': tmp_path} if 'tmp_path' in test.__code__.co_varnames[:test.__code__.co_argcount] else {}))


def test_it_is_timms_eca(folder):
    operator = importlib.import_module('my_operators').EfficientChannel(16, kernel_size=5)
    other = EcaModule(kernel_size=5)
    other.conv.load_state_dict(operator.excite.conv.state_dict())
    x = torch.randn(2, 16, 6, 7)
    torch.testing.assert_close(operator(x), other(x))


def test_it_is_a_plugin_of_mmdets_resnet(folder):
    importlib.import_module('my_operators')
    net = ROOT_MODELS.build(dict(
        type='mmdet.ResNet', depth=50, base_channels=8, plugins=[
            dict(cfg=dict(type='se_backbones.EfficientChannel'), position='after_conv3')]))
    assert 'layer1.0.efficient_channel.excite.conv.weight' in net.state_dict()


ROW_POOL = next(block for block in re.findall(r'^```python\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
                if 'class RowPool' in block)


@pytest.mark.parametrize('gather', ['as the page has it', 'RowPool'])
def test_it_takes_part_in_the_fast_path(folder, monkeypatch, gather):
    operator_class, count = importlib.import_module('my_operators').EfficientChannel, []
    fused_sum = residual_tail.gated_sum
    monkeypatch.setattr(residual_tail, 'gated_sum', lambda *args, **kw: count.append(1) or fused_sum(*args, **kw))
    unit = Bottleneck(16, 4, slots={'standard': Slot(dict(type=operator_class), 'context', tail='fused')}).double()
    if gather == 'RowPool':
        names = {'nn': torch.nn, 'Tensor': torch.Tensor}
        exec(ROW_POOL, names)
        unit.context['standard'].gather = names['RowPool']()
        unit.context['standard'].excite = torch.nn.Identity()
    x = torch.randn(2, 16, 5, 6, dtype=torch.float64)
    fused = unit(x)
    unit.tail = 'plain'
    torch.testing.assert_close(fused, unit(x))
    assert count == [1]


def test_its_config_puts_it_into_every_block(folder):
    cfg = Config.fromfile(folder / 'eca_digits.py')
    net = ROOT_MODELS.build(cfg.model.backbone)
    assert sum(type(module).__name__ == 'EfficientChannel' for module in net.modules()) == 8


@pytest.mark.slow
def test_its_config_trains_with_the_documented_commands(folder):
    (folder / 'tools').symlink_to(ROOT / 'tools')
    [text] = re.findall(r'^```bash tested=tests/docs/test_own_operator.py\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', text.rstrip() + ' --cfg-options train_cfg.max_epochs=1 '
         'train_cfg.val_interval=1 train_dataloader.dataset.indices=128'],
        cwd=folder, env={**os.environ, 'PATH': path}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (folder / 'work_dirs/eca_digits/epoch_1.pth').exists()
