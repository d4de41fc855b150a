"""The same as `se-backbones analyse report`."""

from se_backbones.lab.commands.report import main

if __name__ == '__main__':
    main()
