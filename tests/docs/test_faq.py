"""What docs/faq.md answers is so: each test is named after the question it belongs to."""

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import mmpretrain.models  # noqa: F401
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from se_backbones import config_path
from se_backbones.pretrained import source

DOCS = Path(__file__).resolve().parents[2] / 'docs'
FAQ = (DOCS / 'faq.md').read_text()
TOUR = (DOCS / 'ten_minutes.md').read_text()
NARROW = dict(type='se_backbones.ResNet', base_channels=8, depth=18)
SE = dict(op=dict(type='SqueezeExcite', ratio=4))


def build(cfg, scope='mmdet'):
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(cfg)


@pytest.fixture
def checkpoint(tmp_path):
    def save(state):
        torch.save(dict(state_dict=state), tmp_path / 'weights.pth')
        return dict(type='Pretrained', checkpoint=str(tmp_path / 'weights.pth'))
    return save


def test_accuracy_lost_by_inserting_se(checkpoint):
    plain = build(NARROW).eval()
    net = build(dict(NARROW, context=SE, init_cfg=checkpoint(plain.state_dict()))).eval()
    net.init_weights()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net(x)[0], plain(x)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(('depth', 'block'), [(18, (True, False)), (34, (True, *[False] * 5))])
def test_se_in_small_resnets_per_block_and_in_five_places(depth, block):
    stages = (False, False, block, False)
    for placement in ('standard', 'pre', 'post', 'identity', '3x3'):
        net = build(dict(NARROW, depth=depth, context=dict(SE, placement=placement, stages=stages)))
        found = {name for name, module in net.named_modules() if type(module).__name__ == 'SqueezeExcite'}
        assert found == {f'layer3.0.context.{placement}'}


def test_mmdets_plugins_stop_at_depth_50_and_ours_do_not():
    plugin = dict(cfg=dict(type='se_backbones.SqueezeExcite'), position='after_conv3')
    net = build(dict(type='mmdet.ResNet', depth=50, base_channels=8, plugins=[plugin]))
    assert sum(type(module).__name__ == 'SqueezeExcite' for module in net.modules()) == 16
    assert sum(type(module).__name__ == 'SqueezeExcite' for module in build(dict(NARROW, context=SE)).modules()) == 8
    with pytest.raises(AssertionError, match='Not implemented'):
        build(dict(type='mmdet.ResNet', depth=18, plugins=[plugin]))


@pytest.mark.parametrize('scope', ['mmdet', 'mmpretrain', 'mmengine'])
def test_the_prefix_is_found_in_any_scope(scope):
    assert build(NARROW, scope)


def test_a_misspelt_type_is_answered_with_the_names_that_exist():
    with pytest.raises(KeyError, match='Did you mean .ResNet'):
        build(dict(type='se_backbones.ResNett'))


def test_bases_of_ours_by_scope_fail_and_by_path_work(tmp_path):
    file = tmp_path / 'mine.py'
    file.write_text("_base_ = 'se_backbones::digits/resnet18_se.py'")
    with pytest.raises(AssertionError, match='does not support to load se_backbones config'):
        Config.fromfile(file)
    file.write_text("_base_ = __import__('se_backbones').config_path('digits/resnet18_se.py')")
    assert Config.fromfile(file).model == Config.fromfile(config_path('digits/resnet18_se.py')).model


def test_a_checkpoint_that_leaves_a_part_random_is_an_error_with_the_likely_cause(checkpoint):
    state = {f'backbone.{key}': value for key, value in build(NARROW).state_dict().items()}
    net = build(dict(NARROW, init_cfg=checkpoint(state)))
    with pytest.raises(ValueError, match=r'prefix="backbone\."'):
        net.init_weights()
    deeper = build(dict(NARROW, depth=34, init_cfg=checkpoint(build(NARROW).state_dict())))
    with pytest.raises(ValueError, match='depth'):
        deeper.init_weights()


def test_timms_wrapper_takes_neither_frozen_stages_nor_norm_eval():
    for option in (dict(frozen_stages=1), dict(norm_eval=True)):
        with pytest.raises(TypeError):
            build(dict(type='mmpretrain.TIMMBackbone', model_name='resnet18', features_only=True, **option))
        assert not build(dict(NARROW, **option)).train().bn1.training


def test_openmmlabs_files_have_the_mirror_that_the_answer_names():
    hosts = {part.split('/')[2] for pair in source._MIRRORS.items() for part in pair}
    assert hosts == {'download.openmmlab.com', 'mmassets.onedl.ai'} and all(host in FAQ for host in hosts)


def test_mmpretrains_seresnext_ignores_its_ratio_and_ours_does_not():
    def count(type, ratio):
        net = build(dict(type=type, depth=50, base_channels=16, stem_channels=16, se_ratio=ratio), 'mmpretrain')
        return sum(parameter.numel() for parameter in net.parameters())
    assert count('mmpretrain.SEResNeXt', 4) == count('mmpretrain.SEResNeXt', 16)
    assert count('se_backbones.ResNeXt', 4) > count('se_backbones.ResNeXt', 16)


def test_global_theta_takes_one_size_and_extent_8_any():
    theta = dict(NARROW, context=dict(op=dict(type='GatherExcite', variant='theta')), input_size=64)
    build(theta)(torch.randn(2, 3, 64, 64))
    with pytest.raises(ValueError, match='extent=8'):
        build(theta)(torch.randn(2, 3, 96, 96))
    theta['context']['op']['extent'] = 8
    build(theta)(torch.randn(2, 3, 96, 80))


def test_a_setting_without_effect_is_refused_in_the_words_of_the_tour():
    op = dict(type='GatherExcite', variant='theta', extent=2, ratio=16)
    with pytest.raises(ValueError) as error:
        build(dict(NARROW, context=dict(op=op)))
    assert f'error: model: {error.value}' in TOUR


def test_every_link_goes_to_a_tracker():
    links = re.findall(r'https://[^)\s]+', FAQ)
    assert len(links) > 30
    assert all(re.fullmatch(r'https://github\.com/[\w.-]+/[\w.-]+/issues/\d+', link) for link in links)


# --- Messages ---------------------------------------------------------------------------------------------------------


def rows_of(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    lines = FAQ.split(f'## {heading}\n')[1].split('\n## ')[0].splitlines()
    return [[cell.strip() for cell in line.strip('|').split(' | ')] for line in lines if line.startswith('| `')]


def texts_of(node: ast.AST) -> Iterator[str]:
    """Yield the strings of a module: what an f-string puts in is an ellipsis."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.JoinedStr):
            yield ''.join(value.value if isinstance(value, ast.Constant) else '…' for value in inner.values)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


@functools.cache
def our_texts() -> list[str]:
    return [text for file in sorted((DOCS.parent / 'se_backbones').rglob('*.py'))
            for text in texts_of(ast.parse(file.read_text()))]


def is_in(message: str, text: str) -> bool:
    """Whether a text holds a message, whose ellipses may stand for more than the text's own."""
    parts = [re.escape(part) for part in message.strip('… ').split('…')]
    return re.search('.*?'.join(parts), text, re.DOTALL) is not None


@pytest.mark.parametrize('message', [row[0].strip('`') for row in rows_of('Our error messages')])
def test_a_message_of_ours_is_in_the_code(message):
    found = [text for text in our_texts() if is_in(message, text)]
    assert found and len(message.replace('…', '')) > 10, 'no longer said'


@pytest.mark.parametrize(('message', 'file'), [(row[0].strip('`'), row[1].strip('`'))
                                               for row in rows_of('Messages of OpenMMLab and PyTorch')])
def test_a_message_of_the_libraries_is_where_the_page_says(message, file):
    package = importlib.util.find_spec(file.split('/')[0])
    path = Path(package.origin).parents[1] / file
    if not path.exists():
        pytest.skip(f'{file} is of the other family')
    text = ''.join(text if text.endswith(' ') else text + ' ' for text in texts_of(ast.parse(path.read_text())))
    assert is_in(' '.join(message.split()), ' '.join(text.split()))


def test_the_lists_were_read():
    assert len(rows_of('Our error messages')) > 30 and len(rows_of('Messages of OpenMMLab and PyTorch')) > 10
