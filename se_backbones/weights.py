"""``python -m se_backbones.weights``: list, describe, download and verify published weights."""

from se_backbones.pretrained.command import main

if __name__ == '__main__':
    main()
