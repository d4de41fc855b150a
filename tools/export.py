"""The same as `se-backbones export`."""

from se_backbones.lab.commands.export import main

if __name__ == '__main__':
    main()
