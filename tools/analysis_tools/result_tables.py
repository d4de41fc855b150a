"""Bring the tables in the READMEs of configs/senet and configs/genet up to date with the results.toml beside them.

    python tools/analysis_tools/result_tables.py
"""

import argparse
from pathlib import Path

from se_backbones import config_path
from se_backbones.lab.analysis.result_tables import put_into_readme


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folders', nargs='*', type=Path, help='default: senet and genet of the shipped configs')
    args = parser.parse_args(argv)
    for folder in args.folders or [Path(config_path(name)) for name in ('senet', 'genet')]:
        try:
            changed = put_into_readme(folder)
        except (OSError, ValueError) as error:
            raise SystemExit(f'error: {error}') from None
        print(f'{folder / "README.md"}: {"brought up to date" if changed else "was up to date"}')


if __name__ == '__main__':
    main()
