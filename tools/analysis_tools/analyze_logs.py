"""The same as `se-backbones analyse logs`."""

from se_backbones.lab.commands.analyze_logs import main

if __name__ == '__main__':
    main()
