"""The same as `se-backbones analyse gate-maps`."""

from se_backbones.lab.commands.gate_maps import main

if __name__ == '__main__':
    main()
