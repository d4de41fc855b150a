"""The same as `se-backbones demo`."""

from se_backbones.lab.commands.demo import main

if __name__ == '__main__':
    main()
