"""``se-backbones mmcv``: the file by which every script finds operators."""

import argparse
import sys

from se_backbones.mmcv_ext.install import InstallError, expect, install, uninstall

ACTIONS = {'install': install, 'uninstall': uninstall}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(
        "Let mmcv run on torchvision's operators where its own were not compiled, in every script."))
    parser.add_argument('action', choices=ACTIONS)
    parser.add_argument('--expect', choices=('compiled', 'torchvision'), help='fail unless mmcv now runs on these')
    args = parser.parse_args(argv)
    try:
        print(ACTIONS[args.action]())
        if args.expect:
            expect(args.expect)
    except InstallError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0
