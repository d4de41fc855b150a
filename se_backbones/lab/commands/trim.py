"""Take the operators of chosen stages or blocks out of a trained network, re-evaluate, write config and checkpoint.

    se-backbones analyse trim CONFIG CHECKPOINT --remove SE_5                 # the last stage
    se-backbones analyse trim CONFIG CHECKPOINT --remove SE_5_2 SE_5_3 --no-fold
"""

import argparse
from pathlib import Path

from rich.progress import track

from se_backbones.lab.analysis.launch import analysis_parser, open_subject, write_json
from se_backbones.lab.launch import one_line_errors
from se_backbones.utils import atomic


def parse_args(argv=None) -> argparse.Namespace:
    parser = analysis_parser(__doc__, draws=False)
    parser.add_argument('--remove', nargs='+', required=True, metavar='NAME',
                        help='operators such as SE_5_2, or SE_5 for a stage')
    parser.add_argument('--no-fold', dest='fold', action='store_false',
                        help='drop the gates instead of scaling the layer before by their mean over the images')
    return parser.parse_args(argv)


def main(argv=None) -> dict[str, tuple[float, float]]:
    args = parse_args(argv)
    name = f'{Path(args.config).stem}_trimmed'
    with one_line_errors():
        out = Path(args.out_dir)
        out.mkdir(parents=True, exist_ok=True)
        # A trimmed checkpoint may have been trained on since: nothing is replaced.
        config, checkpoint, numbers = (atomic.check_new(out / f'{name}.{kind}') for kind in ('py', 'pth', 'json'))
        subject = open_subject(args)
        import torch

        from se_backbones.lab.analysis.trimming import evaluate_trimmed, trim
        from se_backbones.pretrained.source import load_all
        trimmed = trim(subject, args.remove, args.fold, track)
        before, after = subject.evaluate(track), evaluate_trimmed(subject, trimmed, track)
        meta = load_all(args.checkpoint).get('meta')
        with atomic.writing(checkpoint) as part:
            torch.save(trimmed.checkpoint(meta), part)
        atomic.write_text(config, trimmed.cfg.pretty_text)
        metrics = {metric: (before[metric], after[metric]) for metric in before}
        write_json(dict(removed=trimmed.removed, fold=args.fold, parameters=trimmed.parameters, metrics=metrics),
                   numbers)
    print(f'removed {", ".join(trimmed.removed)}\nparameters {trimmed.parameters[0]:,} -> {trimmed.parameters[1]:,}')
    for metric, values in metrics.items():
        print(f'{metric} {values[0]:.4g} -> {values[1]:.4g}')
    print(config, checkpoint, numbers, sep='\n')
    return metrics
