"""How much each feature prefers one class, as histograms of one or two networks: Figure 3 of the GE paper.

    se-backbones analyse selectivity CONFIG CHECKPOINT --compare PLAIN_CONFIG PLAIN_CHECKPOINT --labels \\
        GE-theta ResNet
"""

import argparse
from pathlib import Path

from rich.progress import track

from se_backbones.lab.analysis.launch import analysis_parser, new_files, open_subject, write_json
from se_backbones.lab.launch import config_file, one_line_errors


def parse_args(argv=None) -> argparse.Namespace:
    parser = analysis_parser(__doc__)
    parser.add_argument('--compare', nargs=2, type=config_file, metavar=('CONFIG', 'CHECKPOINT'),
                        help='a second network')
    parser.add_argument('--labels', nargs='+', metavar='WORDS', help='what to call the networks (default: the configs)')
    parser.add_argument('--blocks', nargs='+', metavar='NAME',
                        help='such as conv4_6, or conv4 for a stage (default: the last block of each stage)')
    parser.add_argument('--classes', nargs='+', metavar='CLASS', help='names or labels (default: all)')
    args = parser.parse_args(argv)
    networks = [(args.config, args.checkpoint), *([tuple(args.compare)] if args.compare else [])]
    args.labels = args.labels or [Path(config).stem for config, _ in networks]
    if len(set(args.labels)) != len(networks):
        parser.error(f'--labels takes a different label for each of the {len(networks)} networks')
    args.networks = networks
    return args


def main(argv=None) -> None:
    args = parse_args(argv)
    with one_line_errors():
        numbers, picture = new_files(args, 'selectivity')
        subjects = [open_subject(args, *network) for network in args.networks]
        from se_backbones.lab.analysis.selectivity import plot_selectivity, selectivity
        runs = {label: selectivity(subject, args.blocks, args.classes, track)
                for label, subject in zip(args.labels, subjects, strict=True)}
    print(write_json({label: data.as_dict() for label, data in runs.items()}, numbers))
    print(plot_selectivity(runs, picture))
