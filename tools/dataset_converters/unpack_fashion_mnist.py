"""The same as `se-backbones data fashion-mnist`."""

from se_backbones.lab.commands.unpack_fashion_mnist import main

if __name__ == '__main__':
    main()
