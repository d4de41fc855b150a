"""The same as `se-backbones analyse sweep`."""

from se_backbones.lab.commands.run_matrix import main

if __name__ == '__main__':
    main()
