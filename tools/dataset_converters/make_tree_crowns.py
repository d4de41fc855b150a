"""The same as `se-backbones data trees`."""

from se_backbones.lab.commands.make_tree_crowns import main

if __name__ == '__main__':
    main()
