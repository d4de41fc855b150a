"""The same as `se-backbones convert`."""

from se_backbones.lab.commands.convert_checkpoint import main

if __name__ == '__main__':
    main()
