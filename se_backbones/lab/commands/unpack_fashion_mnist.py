"""Unpack Fashion-MNIST for configs/fashion_mnist: four .gz files, a download of yours or what Debian's package holds.

    apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb fashion_mnist_deb      # needs no root
    se-backbones data fashion-mnist fashion_mnist_deb
"""

import argparse

from se_backbones.lab.convert.fashion_mnist import unpack_fashion_mnist


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', help='folder with the four .gz files, itself or somewhere below')
    parser.add_argument('--out', default='data/fashion_mnist', help='data_root (default data/fashion_mnist)')
    args = parser.parse_args(argv)
    try:
        written = unpack_fashion_mnist(args.source, args.out)
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    print('\n'.join(map(str, written)) or f'{args.out}: was there already')
