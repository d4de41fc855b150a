"""The same as `se-backbones config`."""

from se_backbones.lab.commands.print_config import main

if __name__ == '__main__':
    main()
