"""Quality against the share of pruned channels, in the order of the gates: Figure 5 of the GE paper.

    se-backbones analyse importance CONFIG CHECKPOINT --plain PLAIN_CONFIG PLAIN_CHECKPOINT
    se-backbones analyse importance CONFIG CHECKPOINT --operators GE_4 --ratios 0.25 0.5 0.75
"""

import argparse

from rich.progress import track

from se_backbones.lab.analysis.launch import analysis_parser, new_files, open_subject, write_json
from se_backbones.lab.launch import config_file, one_line_errors


def parse_args(argv=None) -> argparse.Namespace:
    parser = analysis_parser(__doc__)
    parser.add_argument('--plain', nargs=2, type=config_file, metavar=('CONFIG', 'CHECKPOINT'),
                        help='the network without operators')
    parser.add_argument('--operators', nargs='+', metavar='NAME',
                        help='such as GE_4_6, or GE_4 for a stage (default: the last operator of each stage)')
    parser.add_argument('--ratios', nargs='+', type=float, metavar='R',
                        help='shares of channels; 0 and 1 are added (default: steps of 0.1)')
    parser.add_argument('--metric', help='what to measure (default: top-1 accuracy or box mAP)')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    with one_line_errors():
        numbers, picture = new_files(args, 'importance')
        plain = open_subject(args, *args.plain) if args.plain else None
        subject = open_subject(args)
        from se_backbones.lab.analysis.importance import RATIOS, importance, plot_importance
        data = importance(subject, args.operators, args.ratios or RATIOS, args.metric, plain, track)
    print(write_json(data.as_dict(), numbers))
    print(plot_importance(data, picture))
