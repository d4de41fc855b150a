"""The same as `se-backbones analyse trim`."""

from se_backbones.lab.commands.trim import main

if __name__ == '__main__':
    main()
