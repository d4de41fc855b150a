"""COCO's 35k/5k split of val2014, which detection papers used before 2017, from the published annotation files.

``minival`` is the 5,000 images that val2017 holds; the other 35,504 of val2014 joined train2014 for training
("trainval35k"). With the 2017 release these became val2017 and train2017: the same images and annotations under other
file names. Detectron's names for the two files are kept.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from se_backbones.utils import atomic

TRAIN_2014, VAL_2014 = 'instances_train2014.json', 'instances_val2014.json'
TRAIN_2017, VAL_2017 = 'instances_train2017.json', 'instances_val2017.json'
MINIVAL, VAL_MINUS_MINIVAL = 'instances_minival2014.json', 'instances_valminusminival2014.json'


def make_minival(annotations: str | Path) -> dict[Path, tuple[int, int]]:
    """Derive the two files from the four of 2014 and 2017 in a folder, and write them beside these.

    Args:
        annotations: The folder, such as ``data/coco/annotations``.

    Returns:
        Path of each written file to its number of images and of annotations.

    Raises:
        FileNotFoundError: One of the four files is missing.
        FileExistsError: One of the new files exists, and is another.
        ValueError: The files are not two splits of the same images, annotations and categories.
    """
    folder = Path(annotations)
    missing = [name for name in (TRAIN_2014, VAL_2014, TRAIN_2017, VAL_2017) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f'{folder} has no {", ".join(missing)}; annotations_trainval2014.zip and '
                                'annotations_trainval2017.zip from cocodataset.org hold all four.')
    # The largest files are read one after the other and only their ids are kept.
    train2014, train2017, val2017 = (_ids(_read(folder / name)) for name in (TRAIN_2014, TRAIN_2017, VAL_2017))
    source = _read(folder / VAL_2014)
    check_splits(train2014, _ids(source), train2017, val2017)
    minival = val2017['images']
    parts = {folder / MINIVAL: _part(source, minival),
             folder / VAL_MINUS_MINIVAL: _part(source, {image['id'] for image in source['images']} - minival)}
    texts = {path: json.dumps(part) for path, part in parts.items()}
    for path, text in texts.items():
        if not path.exists() or path.read_text() != text:
            atomic.check_new(path)
    for path, text in texts.items():
        atomic.write_text(path, text)
    return {path: (len(part['images']), len(part['annotations'])) for path, part in parts.items()}


def check_splits(train2014: dict[str, set], val2014: dict[str, set], train2017: dict[str, set],
                 val2017: dict[str, set]) -> None:
    """Check that 2017 splits what 2014 holds, by ids: each argument has ``images``, ``annotations``, ``categories``.

    Raises:
        ValueError: It does not; the text names the files and a few ids.
    """
    for kind in ('images', 'annotations'):
        a, b, c, d = train2014[kind], val2014[kind], train2017[kind], val2017[kind]
        _none(a & b, kind, f'are both in {TRAIN_2014} and in {VAL_2014}')
        _none(c & d, kind, f'are both in {TRAIN_2017} and in {VAL_2017}')
        _none(d - b, kind, f'of {VAL_2017} are not in {VAL_2014}')
        _none(c - (a | b), kind, f'of {TRAIN_2017} are in neither file of 2014')
        _none((a | b) - (c | d), kind, 'of 2014 are in neither file of 2017')
    categories = train2014['categories']
    for name, ids in ((VAL_2014, val2014), (TRAIN_2017, train2017), (VAL_2017, val2017)):
        if ids['categories'] != categories:
            raise ValueError(f'{name} has other categories than {TRAIN_2014}: '
                             f'{sorted(ids["categories"] ^ categories)[:4]}.')


def _none(ids: set[int], kind: str, fault: str) -> None:
    if ids:
        raise ValueError(f'{len(ids)} {kind} {fault}, such as {", ".join(map(str, sorted(ids)[:3]))}: these are not '
                         "COCO's files of 2014 and 2017.")


def _read(path: Path) -> dict:
    try:
        data = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f'{path} is not a JSON file ({error}); download it again.') from None
    for key in ('images', 'annotations', 'categories'):
        if key not in data:
            raise ValueError(f'{path} has no {key!r}; it is not a COCO instances file.')
    return data


def _ids(data: dict) -> dict[str, set]:
    ids = {kind: {entry['id'] for entry in data[kind]} for kind in ('images', 'annotations')}
    return ids | {'categories': {(entry['id'], entry['name']) for entry in data['categories']}}


def _part(source: dict, images: Iterable[int]) -> dict:
    """Return ``source`` with these images and their annotations only, in the order of ``source``."""
    images = set(images)
    return source | {'images': [image for image in source['images'] if image['id'] in images],
                     'annotations': [note for note in source['annotations'] if note['image_id'] in images]}
