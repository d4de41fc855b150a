"""The same as `se-backbones infer`."""

from se_backbones.lab.commands.infer import main

if __name__ == '__main__':
    main()
