"""The same as `se-backbones analyse importance`."""

from se_backbones.lab.commands.importance import main

if __name__ == '__main__':
    main()
