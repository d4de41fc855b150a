"""The same as `se-backbones analyse complexity`."""

from se_backbones.lab.commands.complexity import main

if __name__ == '__main__':
    main()
