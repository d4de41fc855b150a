"""The same as `se-backbones test`."""

from se_backbones.lab.commands.test import main

if __name__ == '__main__':
    main()
