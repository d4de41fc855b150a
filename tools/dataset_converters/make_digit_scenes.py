"""The same as `se-backbones data digits`."""

from se_backbones.lab.commands.make_digit_scenes import main

if __name__ == '__main__':
    main()
