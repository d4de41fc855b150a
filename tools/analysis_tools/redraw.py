"""The same as `se-backbones analyse redraw`."""

from se_backbones.lab.commands.redraw import main

if __name__ == '__main__':
    main()
