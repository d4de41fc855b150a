"""Print a config with all that it inherits, as a run would see it.

    se-backbones config configs/faster_rcnn_ge_r50.py --cfg-options model.backbone.depth=101
"""

import argparse
import sys
from pathlib import Path

from se_backbones.engine.checks.options import Options, merge_options
from se_backbones.lab.launch import add_config, one_line_errors, read_config


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser)
    parser.add_argument('--cfg-options', nargs='+', action=Options, metavar='KEY=VALUE', default={},
                        help='override settings')
    parser.add_argument('--save', metavar='FILE', help='also write it to a new FILE (.py, .json or .yml)')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    if args.save and (Path(args.save).exists() or Path(args.save).suffix not in ('.py', '.json', '.yml')):
        sys.exit(f'error: --save takes a new file that ends in .py, .json or .yml, got {args.save}.')
    with one_line_errors():
        cfg = read_config(args.config)
        merge_options(cfg, args.cfg_options)
    print(cfg.pretty_text)
    if args.save:
        cfg.dump(args.save)
