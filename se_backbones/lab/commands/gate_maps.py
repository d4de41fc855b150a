"""Where in an image the gates open and close, for operators with a local extent; boxes of a detector on top.

    se-backbones analyse gate-maps CONFIG CHECKPOINT IMAGE... --operators GE_2_2 GE_3_2
"""

import argparse
from pathlib import Path

from rich.progress import track

from se_backbones.lab.analysis.launch import analysis_parser, new_files, open_subject, write_json
from se_backbones.lab.launch import one_line_errors


def parse_args(argv=None) -> argparse.Namespace:
    parser = analysis_parser(__doc__, passes=False)
    parser.add_argument('images', nargs='+', help='image files')
    parser.add_argument('--operators', nargs='+', metavar='NAME',
                        help='such as GE_4_6, or GE_4 for a stage (default: the last operator of each stage)')
    parser.add_argument('--extremes', type=int, default=2, metavar='N',
                        help='how many of the strongest and of the weakest channels (default: 2)')
    parser.add_argument('--score-threshold', type=float, default=0.3, help='for detectors (default: 0.3)')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    with one_line_errors():
        absent = [image for image in args.images if not Path(image).is_file()]
        if absent:
            raise ValueError(f'There is no image {absent[0]}.')
        files = [new_files(args, f'gate_maps_{Path(image).stem}') for image in args.images]
        subject = open_subject(args)
        from se_backbones.lab.analysis.gate_maps import gate_maps, plot_gate_maps
        found = gate_maps(subject, args.images, args.operators, args.extremes, args.score_threshold, track)
        for (numbers, picture), data in zip(files, found, strict=True):
            print(write_json(data.as_dict(), numbers))
            print(plot_gate_maps(data, picture))
