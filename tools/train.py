"""The same as `se-backbones train`."""

from se_backbones.lab.commands.train import main

if __name__ == '__main__':
    main()
