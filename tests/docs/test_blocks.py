"""Every command and every piece of Python in the pages for readers: executed, or marked with the reason why not.

The words after ```` ```bash ```` say what becomes of a block; a page shows none of them:

=================== ==================================================================================================
``slow``            executed under ``make slow``, after the page's earlier ones, in an empty folder with the tools and
                    configs of the repository, and on fewer images
``tested=FILE``     that test does what the block does
``needs=WHAT``      not executed: it needs data, hardware or a network that tests do not have
=================== ==================================================================================================

Whatever the mark, the files, commands, modules and options that a command names must exist.
"""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from helpers import tree_wheel
from se_backbones.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(str(path.relative_to(ROOT)) for path in (
    *ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md'), *(ROOT / 'configs').rglob('*.md'),
    *(ROOT / 'benchmarks').rglob('*.md')))
FENCE = re.compile(r'^```(\S*)[ \t]*(.*)\n((?:.*\n)*?)```$', re.MULTILINE)
# Those in braces are for the site.
LANGUAGES = {'bash', 'python', 'text', 'toml', 'json', '{eval-rst}', '{toctree}', '{include}'}
NEEDS = {'network', 'coco', 'imagenet', 'cifar', 'ade20k', 'gpu', 'gpus', 'cluster', 'checkpoint'}
# Trainings of the slow blocks: all that the command does, on this many images.
FEWER = {'train_dataloader.dataset.indices': 128, 'val_dataloader.dataset.indices': 16,
         'test_dataloader.dataset.indices': 16}


@dataclass(frozen=True)
class Block:
    """A fenced block: ``language`` is the first word after the fence, ``mark`` the others."""

    page: str
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'

    def commands(self) -> list[str]:
        """Return the commands of a shell block, without comments, continued lines joined."""
        lines = self.text.replace('\\\n', ' ').splitlines()
        return [command for line in lines if (command := re.sub(r'(^|\s+)#.*', '', line).strip())]


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text()
    return [Block(page, text[:found.start()].count('\n') + 1, *found.groups()) for found in FENCE.finditer(text)]


BLOCKS = [block for page in PAGES for block in blocks(page)]
SHELL = [block for block in BLOCKS if block.language == 'bash']
PYTHON = [block for block in BLOCKS if block.language == 'python']


def named_files(page: str) -> dict[str, str]:
    """Return the files that a page tells its reader to save: blocks whose first line is a comment with a name."""
    return {found[1]: block.text for block in blocks(page)
            if block.language == 'python' and (found := re.match(r'# (\S+\.py)\n', block.text))}


# --- Marks ------------------------------------------------------------------------------------------------------------


def test_a_block_says_its_language_and_what_becomes_of_it():
    for block in BLOCKS:
        assert block.language in LANGUAGES, f'{block}: a fence needs a language'
        key, _, value = block.mark.partition('=')
        if block.language != 'bash':
            assert not block.mark or block.language == '{include}', block
        elif key == 'needs':
            assert set(value.split('+')) <= NEEDS, block
        elif key == 'tested':
            assert (ROOT / value).is_file(), f'{block}: {value} is no file'
        else:
            assert block.mark == 'slow', f'{block}: what becomes of it?'
    assert len(BLOCKS) > 100


# --- What commands name -----------------------------------------------------------------------------------------------


def check_python(words: list[str], page: str) -> None:
    if words[0] == '-m':
        assert importlib.util.find_spec(words[1]), f'there is no module {words[1]}'
    elif words[0] not in named_files(page):
        assert (ROOT / words[0]).is_file(), f'there is no {words[0]}'


def check_command(words: list[str]) -> None:
    command = next(command for command in (' '.join(words[:2]), words[0]) if command in COMMANDS)
    module = importlib.import_module(f'se_backbones.{COMMANDS[command].module}')
    if hasattr(module, 'parse_args'):
        module.parse_args(words[len(command.split()):])


def check_names(words: list[str], page: str) -> None:
    """Fail on a file, command, module or option that does not exist."""
    while words and re.match(r'[A-Z_]+=', words[0]):
        words = words[1:]
    program, *rest = words
    if program in ('python', '.venv/bin/python'):
        check_python(rest, page)
    elif program == 'se-backbones':
        check_command(rest)
    elif program == 'make':
        commands = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
        assert set(rest) <= commands | {word for word in rest if '=' in word}, f'make has {sorted(commands)}'
    elif '/' in program and not program.startswith(('/', '.venv')):
        assert os.access(ROOT / program, os.X_OK), f'{program} cannot be executed'
    for word in rest:
        if word.startswith('configs/') and not re.search(r'[.]{3}|[<*]', word):
            assert (ROOT / word).exists(), f'there is no {word}'


@pytest.mark.parametrize('page', dict.fromkeys(block.page for block in SHELL))
def test_what_commands_name_exists(page, capsys):
    for command in (command for block in SHELL if block.page == page for command in block.commands()):
        try:
            check_names(shlex.split(command), page)
        except SystemExit as stop:  # --help stops too, with 0
            assert not stop.code, f'{command}: {capsys.readouterr().err}'


# --- Execution --------------------------------------------------------------------------------------------------------


def smaller(command: str) -> str:
    """Return a training on fewer images; every other command as it is."""
    words = shlex.split(command)
    if words[:2] != ['se-backbones', 'train']:
        return command
    fewer = [f'{key}={value}' for key, value in FEWER.items()]
    place = words.index('--cfg-options') + 1 if '--cfg-options' in words else len(words)
    option = [] if '--cfg-options' in words else ['--cfg-options']
    return shlex.join([*words[:place], *option, *fewer, *words[place:]])


def execute(commands: list[str], page: str, folder: Path) -> None:
    """Run commands one after the other, in a folder that looks like a fresh checkout."""
    for name in ('configs', 'tools', 'docs', 'benchmarks', 'README.md'):
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    for name, text in named_files(page).items():
        (folder / name).write_text(text)
    if 'se-backbones data trees' in commands:
        tree_wheel(folder)  # of pictures of ours, as tests have no network
    path = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(['bash', '-euxo', 'pipefail', '-c', '\n'.join(commands)], cwd=folder, text=True,
                          env={**os.environ, 'PATH': path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize('page', [
    pytest.param(page, marks=[pytest.mark.ci] * (page == 'README.md'), id=page)
    for page in dict.fromkeys(block.page for block in SHELL if block.mark == 'slow')])
def test_the_long_commands_of_a_page_run_one_after_the_other(page, tmp_path):
    chosen = [block for block in blocks(page) if block.language == 'bash' and block.mark == 'slow']
    execute([smaller(command) for block in chosen for command in block.commands()], page, tmp_path)


# --- Python -----------------------------------------------------------------------------------------------------------


def test_python_is_valid():
    for block in PYTHON:
        compile(block.text, str(block), 'exec')
    assert len(PYTHON) > 15


# test_own_operator.py trains the one with EfficientChannel.
NETWORKS = [block for block in PYTHON if re.search(r'^(_base_|model|backbone) ?=', block.text, re.MULTILINE)
            and 'EfficientChannel' not in block.text]


@pytest.mark.parametrize('block', NETWORKS, ids=str)
def test_a_backbone_in_python_builds(block, tmp_path):
    (tmp_path / 'config.py').write_text(block.text.replace('custom_imports', '_unused'))
    cfg = Config.fromfile(tmp_path / 'config.py')
    with torch.device('meta'), DefaultScope.overwrite_default_scope('mmdet'):
        assert list(MODELS.build((cfg.get('model') or cfg).backbone).parameters())
