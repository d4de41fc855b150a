"""Make a training checkpoint ready to publish: weights and facts only, the hash in the name.

    se-backbones publish work_dirs/faster_rcnn_ge_r50/epoch_12.pth \\
        published/faster_rcnn_ge_r50
"""

import argparse

from se_backbones.lab.launch import one_line_errors
from se_backbones.lab.publish import FORMATS


def parse_args(argv=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='of a training run')
    parser.add_argument('name', help='new file without suffix; -<hash>.<format> is added')
    parser.add_argument('--format', choices=FORMATS, default='safetensors')
    return parser.parse_args(argv)


def main(argv=None) -> None:
    args = parse_args(argv)
    from se_backbones.lab.publish.checkpoints import publish
    with one_line_errors():
        made = publish(args.checkpoint, args.name, args.format)
    print(f'{made.path}: {made.tensors} tensors, {made.bytes_after / 2**20:.1f} MiB (was '
          f'{made.bytes_before / 2**20:.1f} MiB)\nsha256 {made.sha256}')
