"""Print a config with all that it inherits, as a run would see it.

    python tools/misc/print_config.py configs/faster_rcnn_ge_r50.py --cfg-options model.backbone.depth=101
"""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config

from se_backbones.engine.checks.options import Options, merge_options
from se_backbones.lab.launch import one_line_errors


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--cfg-options', nargs='+', action=Options, metavar='KEY=VALUE', default={},
                        help='override settings')
    parser.add_argument('--save', metavar='FILE', help='also write it to a new FILE (.py, .json or .yml)')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    if not Path(args.config).is_file():
        sys.exit(f'There is no config file {args.config}.')
    if args.save and (Path(args.save).exists() or Path(args.save).suffix not in ('.py', '.json', '.yml')):
        sys.exit(f'--save takes a new file that ends in .py, .json or .yml, got {args.save}.')
    cfg = Config.fromfile(args.config)
    with one_line_errors():
        merge_options(cfg, args.cfg_options)
    print(cfg.pretty_text)
    if args.save:
        cfg.dump(args.save)


if __name__ == '__main__':
    main()
