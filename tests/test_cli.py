"""``se-backbones``: its commands are the tools', its exit codes tell what happened, its lists name everything."""

import ast
import importlib
import sys
from pathlib import Path

import pytest
from mmengine.registry import Registry

import se_backbones
from se_backbones import cli, registry
from se_backbones.lab.commands import listing

ROOT = Path(se_backbones.config_path()).parent
DOORS = {file: text for file in sorted((ROOT / 'tools').rglob('*.py'))
         if 'se_backbones.lab.commands' in (text := file.read_text())}


@pytest.fixture
def call(monkeypatch, capsys):
    """Return a function that gives the exit code of a command line, and what it printed to stdout and stderr."""
    monkeypatch.setattr(sys, 'argv', ['se-backbones'])

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            cli.main(list(words))
        code = stop.value.code
        out, err = capsys.readouterr()
        return (1, out, f'{err}{code}\n') if isinstance(code, str) else (code or 0, out, err)
    return call


def texts_of_exits():
    """Return what the package's code exits with, where that is a text: its place, and the text's beginning."""
    for file in sorted(Path(se_backbones.__file__).parent.rglob('*.py')):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ('sys.exit', 'SystemExit') and node.args:
                text = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield f'{file.name}:{node.lineno}', text.value


def test_what_a_command_ends_with_begins_with_error():
    texts = dict(texts_of_exits())
    assert len(texts) > 15
    assert {place: text for place, text in texts.items() if not text.startswith('error: ')} == {
        place: text for place, text in texts.items() if text == 'interrupted'}


# --- Commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('command', cli.COMMANDS)
def test_a_command_has_help_under_its_own_name_in_lines_of_80(command, call, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    code, out, _ = call(*command.split(), '--help')
    assert code == 0 and out.startswith(f'usage: se-backbones {command} [-h]')


def test_the_list_of_commands_fits_80_columns_and_names_each(call, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    code, out, _ = call('--help')
    assert code == 0 and max(map(len, out.splitlines())) < 80
    assert all(f'  {command} ' in out for command in cli.COMMANDS)
    code, out, _ = call('analyse', '-h')
    assert code == 0 and '  gate-maps ' in out and '  train  ' not in out


@pytest.mark.parametrize('file', DOORS, ids=lambda file: file.stem)
def test_a_tool_and_its_command_are_one_main(file):
    document = ast.get_docstring(ast.parse(DOORS[file]))
    command = document.removeprefix('The same as `se-backbones ').removesuffix('`.')
    assert cli.COMMANDS[command].module == f'lab.commands.{file.stem}'
    assert importlib.import_module(f'se_backbones.lab.commands.{file.stem}').main


def test_every_command_of_the_lab_has_a_command():
    modules = {file.stem for file in (ROOT / 'se_backbones' / 'lab' / 'commands').glob('[!_]*.py')}
    assert {f'lab.commands.{name}' for name in modules} <= {command.module for command in cli.COMMANDS.values()}


# --- Exit codes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(('words', 'code', 'said'), [
    ((), 2, 'usage: se-backbones COMMAND'), (('nonsense',), 2, "there is no command 'nonsense'. --help lists them."),
    (('trian', 'x.py'), 2, "there is no command 'trian'. Did you mean 'train'?"),
    (('analyse',), 2, 'usage: se-backbones analyse COMMAND'),
    (('analyse', 'gatemaps'), 2, "there is no command 'gatemaps'. Did you mean 'gate-maps'?"),
    (('train',), 2, 'se-backbones train: error: the following arguments are required: config'),
    (('train', 'x.py', '--nonsense'), 2, 'unrecognized arguments: --nonsense'),
    # It looks at the files that are named, not at the test set.
    (('analyse', 'gate-maps', 'x.py', 'x.pth', 'x.png', '--max-images', '3'), 2, 'unrecognized arguments'),
    (('train', 'nothing.py'), 1, 'error: There is no config file nothing.py.\n'),
    (('train', 'configs/faster_rcnn_ge_r50.pyy'), 1, 'error: There is no config file configs/faster_rcnn_ge_r50.pyy.'),
    (('config', 'se_backbones::faster_rcnn_gee_r50.py'), 1, 'Did you mean faster_rcnn_ge_r50.py'),
    (('config', 'mmnothing::x.py'), 1, 'error: se_backbones needs mmnothing, which is not installed.'),
    (('weights', 'info', 'nothing'), 1, 'error: '), (('--version',), 0, ''), (('mmcv', 'install'), 0, '')])
def test_exit_codes_are_2_for_usage_and_1_for_an_error(words, code, said, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = call(*words)
    assert found[0] == code and said in found[2]
    assert 'Traceback' not in found[2]


def test_a_shipped_config_that_is_not_here_is_named_as_it_can_be_reached(call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, err = call('train', 'configs/digits/resnet18_se.py')
    assert code == 1 and 'There is se_backbones::digits/resnet18_se.py' in err


@pytest.mark.parametrize('name', ['se_backbones::digits/resnet18_se.py',
                                  'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'])
def test_an_installed_config_is_reached_by_its_name(name, call):
    code, out, _ = call('config', name)
    assert code == 0 and 'model = dict(' in out


# --- What there is ----------------------------------------------------------------------------------------------------


def test_the_list_names_every_registered_type(call):
    code, out, _ = call('list')
    words, registries = set(out.split()), [each for each in vars(registry).values() if isinstance(each, Registry)]
    for each in registries:
        each.import_from_location()
    names = {name for each in registries for name in each.module_dict}
    assert {'ResNet', 'CheckpointHook', 'Pretrained', 'PixelJitter'} <= names
    assert code == 0 and names <= words and 'faster_rcnn_ge_r50.py' in words


def test_the_list_of_a_folder_names_its_configs_as_a_command_takes_them(call):
    code, out, _ = call('list', 'digits')
    assert code == 0 and all(Path(se_backbones.config_path(line)).is_file() for line in out.split())
    assert 'se_backbones::digits/resnet18_se.py' in out and '_base_' not in out


def test_every_type_says_what_it_is():
    types = listing.registered('se_backbones.models.backbones', 'se_backbones.models.operators')
    assert types and all(5 < len(text) < 150 and '`' not in text for text in types.values())


@pytest.mark.parametrize(('docstring', 'expected'), [
    ('ResNeXt; the default is 32x4d.', 'ResNeXt'), ('The SE block: ``y`` (SE paper, eq. 2).', 'The SE block: y'),
    ('One\nsentence. Another.', 'One sentence'), (None, '')])
def test_a_summary_is_the_beginning_of_a_docstring(docstring, expected):
    assert listing.summary(docstring) == expected
