"""Mean and spread of the gates per class, as in Figures 6 and 7 of the SE paper.

    se-backbones analyse excitations CONFIG CHECKPOINT  # all operators, all classes
    se-backbones analyse excitations CONFIG CHECKPOINT --classes three eight --operators SE_4 SE_5 --spread
"""

import argparse

from rich.progress import track

from se_backbones.lab.analysis.launch import analysis_parser, new_files, open_subject, write_json
from se_backbones.lab.launch import one_line_errors


def parse_args(argv=None) -> argparse.Namespace:
    parser = analysis_parser(__doc__)
    parser.add_argument('--classes', nargs='+', metavar='CLASS',
                        help='names or labels (default: all, of which the picture shows ten)')
    parser.add_argument('--operators', nargs='+', metavar='NAME', help='such as SE_4_6, or SE_4 for a stage')
    parser.add_argument('--channels', type=int, default=50, metavar='N',
                        help='uniformly spaced channels of each operator (default: 50; 0: all)')
    parser.add_argument('--spread', action='store_true', help='also draw one standard deviation around each class')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    with one_line_errors():
        numbers, picture = new_files(args, 'excitations')
        subject = open_subject(args)
        from se_backbones.lab.analysis.excitations import excitations, plot_excitations
        data = excitations(subject, args.classes, args.operators, args.channels or None, track)
    print(write_json(data.as_dict(), numbers))
    print(plot_excitations(data, picture, spread=args.spread))
