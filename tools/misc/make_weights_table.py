"""Write the table of published weights in docs/weights.md, from the manifest."""

import argparse
from pathlib import Path

from se_backbones import config_path


def main(argv=None) -> None:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    from se_backbones.lab.publish.weights_table import with_table
    page = Path(config_path()).parent / 'docs' / 'weights.md'
    page.write_text(with_table(page.read_text()))
    print(page)


if __name__ == '__main__':
    main()
