"""The same as `se-backbones analyse benchmark`."""

from se_backbones.lab.commands.benchmark import main

if __name__ == '__main__':
    main()
