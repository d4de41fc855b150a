"""The console command ``se-backbones``; ``python -m se_backbones`` is the same.

A command is a module with a ``main`` that reads ``sys.argv``, and is imported when it is called for: the files in
``tools/`` call the same ones.
"""

import argparse
import importlib
import sys
from typing import NamedTuple, NoReturn

from se_backbones.utils.validation import did_you_mean
from se_backbones.version import __version__


class Command(NamedTuple):
    """A module of this package, and what its ``main`` does."""

    module: str
    text: str


COMMANDS = {
    'train': Command('lab.commands.train', 'train a config'),
    'test': Command('lab.commands.test', 'evaluate a checkpoint'),
    'infer': Command('lab.commands.infer', 'predict on images, folders or a video'),
    'export': Command('lab.commands.export', 'write ONNX, TorchScript or torch.export files'),
    'analyse benchmark': Command('lab.commands.benchmark', 'time and memory beside other libraries'),
    'analyse browse': Command('lab.commands.browse_dataset', 'draw images and annotations after the pipeline'),
    'analyse complexity': Command('lab.commands.complexity', 'parameters and multiply-adds'),
    'analyse excitations': Command('lab.commands.excitations', 'mean gates of each class'),
    'analyse gate-maps': Command('lab.commands.gate_maps', 'gates over the image'),
    'analyse importance': Command('lab.commands.importance', 'metric against pruned channels'),
    'analyse logs': Command('lab.commands.analyze_logs', 'curves of runs'),
    'analyse redraw': Command('lab.commands.redraw', 'draw stored results again'),
    'analyse report': Command('lab.commands.report', 'one HTML page on one or several runs'),
    'analyse selectivity': Command('lab.commands.selectivity', 'how much features prefer one class'),
    'analyse sweep': Command('lab.commands.run_matrix', 'train configs with several seeds, as a table'),
    'analyse trim': Command('lab.commands.trim', 'take operators out of a trained network'),
    'weights': Command('pretrained.command', 'list, describe, download, verify published weights'),
    'convert': Command('lab.commands.convert_checkpoint', 'convert checkpoints from and to timm, Caffe, ...'),
    'publish': Command('lab.commands.publish_model', 'make a checkpoint ready to publish'),
    'data digits': Command('lab.commands.make_digit_scenes', 'make the embedded datasets of digits'),
    'data trees': Command('lab.commands.make_tree_crowns', 'unpack the tree crown detection dataset'),
    'data coco-minival': Command('lab.commands.make_coco_minival', "derive COCO's minival"),
    'data fashion-mnist': Command('lab.commands.unpack_fashion_mnist', 'unpack Fashion-MNIST'),
    'config': Command('lab.commands.print_config', 'print a config with all that it inherits'),
    'list': Command('lab.commands.listing', 'list backbones, operators and configs'),
    'demo': Command('lab.commands.demo', 'train and show a small detector, in minutes'),
    'doctor': Command('doctor', 'check this environment'),
    'mmcv': Command('mmcv_ext.command', "run mmcv on torchvision's operators"),
}


def main(argv: list[str] | None = None) -> None:
    words = sys.argv[1:] if argv is None else argv
    command = next((command for command in (' '.join(words[:2]), *words[:1]) if command in COMMANDS), None)
    if command is None:
        without_command(words)
    # What argparse takes for the name of the program, and a benchmark for its command line.
    sys.argv = [f'se-backbones {command}', *words[len(command.split()):]]
    try:
        module = importlib.import_module(f'se_backbones.{COMMANDS[command].module}')
    except ImportError as error:  # a host library, or a package that an extra brings
        sys.exit(f'error: {error}')
    result = module.main()
    # An exit code, or what was measured.
    sys.exit(result if isinstance(result, int) else 0)


def without_command(words: list[str]) -> NoReturn:
    """Answer a command line that names no command: help, the version, or what is wrong with it."""
    prefix = f'{words[0]} ' if words and any(command.startswith(f'{words[0]} ') for command in COMMANDS) else ''
    commands = {command.removeprefix(prefix): text
                for command, (_, text) in COMMANDS.items() if command.startswith(prefix)}
    width = max(map(len, commands))
    parser = argparse.ArgumentParser(
        prog=f'se-backbones {prefix}'.strip(), usage='%(prog)s COMMAND ...',
        description='Squeeze-and-Excitation and Gather-Excite backbones for OpenMMLab.',
        epilog='\n'.join(['commands, each with a --help of its own:', *(
            f'  {command:<{width}}  {text}' for command, text in commands.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--version', action='version', version=f'se_backbones {__version__}')
    parser.add_argument('command', nargs='?', help=argparse.SUPPRESS)
    command = parser.parse_known_args(words[bool(prefix):])[0].command
    if command:
        parser.error(f'there is no command {command!r}.{did_you_mean(command, commands)} --help lists them.')
    parser.print_help(sys.stderr)
    sys.exit(2)
