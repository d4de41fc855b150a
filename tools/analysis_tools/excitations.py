"""The same as `se-backbones analyse excitations`."""

from se_backbones.lab.commands.excitations import main

if __name__ == '__main__':
    main()
