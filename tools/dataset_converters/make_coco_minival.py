"""The same as `se-backbones data coco-minival`."""

from se_backbones.lab.commands.make_coco_minival import main

if __name__ == '__main__':
    main()
