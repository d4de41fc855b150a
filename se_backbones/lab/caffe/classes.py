"""The class order of the released Caffe networks, which differs from the usual one.

They count the classes as the development kit of ILSVRC2012 does (``ILSVRC2012_ID``, less one, since Caffe counts from
0): the label list that comes with them calls the first validation image 489, which the kit calls 490, a sea snake. All
others sort the WordNet ids, where it is class 65.
"""

from importlib.resources import files


def devkit_wnids() -> tuple[str, ...]:
    """Return the WordNet ids of the 1000 classes in the order of the development kit."""
    return tuple(files(__package__).joinpath('ilsvrc2012_classes.txt').read_text().split())


def sorted_to_devkit() -> tuple[int, ...]:
    """Return, for each class in the order of sorted WordNet ids, its row in a classifier in the kit's order."""
    wnids = devkit_wnids()
    return tuple(sorted(range(len(wnids)), key=wnids.__getitem__))
