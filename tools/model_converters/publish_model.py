"""The same as `se-backbones publish`."""

from se_backbones.lab.commands.publish_model import main

if __name__ == '__main__':
    main()
