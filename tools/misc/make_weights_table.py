"""Write the table of published weights in docs/weights.md, from the manifest."""

import argparse
from pathlib import Path

from se_backbones import config_path


def main(argv=None) -> None:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    from se_backbones.lab.publish.weights_table import put_into_page
    page = Path(config_path()).parent / 'docs' / 'weights.md'
    put_into_page(page)
    print(page)


if __name__ == '__main__':
    main()
