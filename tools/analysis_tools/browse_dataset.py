"""The same as `se-backbones analyse browse`."""

from se_backbones.lab.commands.browse_dataset import main

if __name__ == '__main__':
    main()
