"""Shared by the commands of the analyses: options, the loading of network and data, output files."""

import argparse
import copy
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from se_backbones.lab.launch import add_config, add_config_options, prepare
from se_backbones.lab.pictures.figures import add_format_option
from se_backbones.utils import atomic
from se_backbones.utils.extras import need

if TYPE_CHECKING:
    from se_backbones.lab.analysis.subject import Subject


def analysis_parser(description: str, draws: bool = True, passes: bool = True) -> argparse.ArgumentParser:
    """Return a parser with the options of a tool that looks at one trained network.

    Args:
        description: Of the tool.
        draws: Whether it draws a picture.
        passes: Whether it passes over the test set.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out-dir', default='analysis', help='folder for the new files (default: analysis)')
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (default: cpu)')
    if passes:
        parser.add_argument('--max-images', type=int, metavar='N',
                            help='analyse N images, spaced evenly over the test set (default: all)')
    add_config_options(parser, 'test_dataloader.dataset.data_root=elsewhere')
    # What prepare() asks for and no analysis needs.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0, max_images=None)
    if draws:
        add_format_option(parser)
    return parser


def open_subject(args: argparse.Namespace, config: str | None = None, checkpoint: str | None = None) -> 'Subject':
    """Return the network and the images of the command line, or those of another config under the same options.

    Raises:
        SystemExit: A file or the data is missing.
        ValueError: The checkpoint belongs to another network, or there are no images.
    """
    args = copy.copy(args)
    args.config, checkpoint = config or args.config, checkpoint or args.checkpoint
    cfg = prepare(args, ('test',))
    if '://' not in checkpoint and not Path(checkpoint).exists():
        raise SystemExit(f'error: There is no checkpoint {checkpoint}.')
    from se_backbones.lab.analysis.subject import Subject
    return Subject.load(cfg, checkpoint, args.device, args.max_images)


def new_files(args: argparse.Namespace, name: str) -> tuple[Path, Path]:
    """Return the JSON file and the picture that a tool will write, before it begins.

    Args:
        args: With ``out_dir`` and ``format``.
        name: Of both, without a suffix.

    Raises:
        FileExistsError: One of them exists.
        ImportError: matplotlib is missing.
    """
    need('Pictures', 'viz', 'matplotlib')
    out = Path(args.out_dir)
    out.mkdir(parents=True, exist_ok=True)
    return tuple(atomic.check_new(out / f'{name}.{kind}') for kind in ('json', args.format))


def write_json(data: Any, file: str | Path) -> Path:
    """Write plain data, numbers to six digits, and return the file."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(file, json.dumps(_short(data)) + '\n')
    return Path(file)


def _short(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _short(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_short(value) for value in data]
    return float(f'{data:.6g}') if isinstance(data, float) and math.isfinite(data) else data
