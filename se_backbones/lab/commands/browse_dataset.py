"""Draw the images and annotations of a config's data as its pipeline gives them to the network.

    se-backbones analyse browse configs/digits/mask_rcnn_ge_r18.py
    se-backbones analyse browse configs/digits/resnet18_se.py --split val -n 50
"""

import argparse

from mmengine.config import Config
from rich.progress import track

from se_backbones.engine.checks.options import Options, merge_options
from se_backbones.engine.preflight import check_config
from se_backbones.lab.launch import add_config, one_line_errors, read_config


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser)
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train', help='default: train')
    parser.add_argument('-n', '--number', type=int, default=12, metavar='N',
                        help='draw the first N images; 0: all (default: 12)')
    parser.add_argument('--out-dir', default='browsed', help='folder for the pictures (default: browsed)')
    parser.add_argument('--cfg-options', nargs='+', action=Options, metavar='KEY=VALUE', default={},
                        help='override settings')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    with one_line_errors():
        cfg = read_config(args.config)
        merge_options(cfg, args.cfg_options)
        # Of the data alone: neither the model nor the evaluator takes part.
        check_config(Config({key: value for key, value in cfg.items()
                             if key != 'model' and not key.endswith('_evaluator')}), (args.split,))
        from se_backbones.lab.analysis.browsing import draw_samples
        files = list(track(draw_samples(cfg, args.split, args.out_dir, args.number or None), 'drawing', transient=True))
    print(f'{len(files)} pictures in {args.out_dir}')
