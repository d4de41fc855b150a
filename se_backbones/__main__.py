"""``python -m se_backbones``: the same as ``se-backbones``."""

from se_backbones.cli import main

if __name__ == '__main__':
    main()
