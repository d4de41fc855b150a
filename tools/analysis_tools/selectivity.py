"""The same as `se-backbones analyse selectivity`."""

from se_backbones.lab.commands.selectivity import main

if __name__ == '__main__':
    main()
