"""The 35k/5k split of COCO 2014: what it holds, and what stops it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from se_backbones.lab.convert.coco_minival import MINIVAL, VAL_MINUS_MINIVAL, check_splits, make_minival

CATEGORIES = [dict(id=1, name='person'), dict(id=18, name='dog')]
# Image ids, in an order of their own: 2014's val is 2017's val and a part of 2017's train.
SPLITS = {'train2014': [9, 25, 30], 'val2014': [73, 42, 139, 285], 'train2017': [25, 9, 73, 285, 30],
          'val2017': [42, 139]}


def note(image, number):
    return dict(id=100 * image + number, image_id=image, category_id=18, bbox=[0, 0, 4, 4], area=16, iscrowd=0)


def instances(ids, name='COCO_val2014_{:012d}.jpg'):
    return dict(info=dict(description='COCO'), licenses=[dict(id=1)], categories=CATEGORIES,
                images=[dict(id=each, file_name=name.format(each), height=10, width=10) for each in ids],
                annotations=[note(each, number) for each in ids for number in range(each % 3)])


@pytest.fixture
def annotations(tmp_path):
    for split, ids in SPLITS.items():
        (tmp_path / f'instances_{split}.json').write_text(json.dumps(instances(ids)))
    return tmp_path


def change(folder, split, edit):
    path = folder / f'instances_{split}.json'
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def test_minival_is_val2017_and_the_rest_of_val2014_joins_training(annotations):
    made = make_minival(annotations)
    minival, rest = (json.loads((annotations / name).read_text()) for name in (MINIVAL, VAL_MINUS_MINIVAL))
    assert [image['id'] for image in minival['images']] == [42, 139]  # val2014's order
    assert [image['id'] for image in rest['images']] == [73, 285]
    assert made == {annotations / MINIVAL: (2, 1), annotations / VAL_MINUS_MINIVAL: (2, 1)}
    assert {note['image_id'] for note in minival['annotations']} == {139}
    assert {note['image_id'] for note in rest['annotations']} == {73}


def test_what_is_written_is_val2014s_entry_for_entry(annotations):
    make_minival(annotations)
    whole = json.loads((annotations / 'instances_val2014.json').read_text())
    parts = [json.loads((annotations / name).read_text()) for name in (MINIVAL, VAL_MINUS_MINIVAL)]
    for kind in ('images', 'annotations'):
        together = sorted(parts[0][kind] + parts[1][kind], key=lambda entry: entry['id'])
        assert together == sorted(whole[kind], key=lambda entry: entry['id'])
    assert all(part['categories'] == CATEGORIES and part['licenses'] == whole['licenses'] for part in parts)


def test_cocos_own_tools_read_the_files(annotations):
    from pycocotools.coco import COCO
    make_minival(annotations)
    coco = COCO(str(annotations / MINIVAL))
    assert sorted(coco.getImgIds()) == [42, 139] and len(coco.getAnnIds(imgIds=[139])) == 139 % 3


def test_making_it_again_changes_nothing_and_leaves_no_other_file(annotations):
    make_minival(annotations)
    before = {path.name: path.read_bytes() for path in annotations.iterdir()}
    make_minival(annotations)
    assert {path.name: path.read_bytes() for path in annotations.iterdir()} == before
    assert len(before) == 6
    (annotations / MINIVAL).write_text('my own download')
    with pytest.raises(FileExistsError, match='minival2014.json exists and is not overwritten'):
        make_minival(annotations)


@pytest.mark.parametrize(('split', 'edit', 'fault'), [
    ('val2017', lambda data: data['images'].append(dict(id=25)), 'are both in instances_train2017.json and in'),
    ('val2017', lambda data: data['images'].append(dict(id=7)), '1 images of instances_val2017.json are not in'),
    ('train2017', lambda data: data['images'].append(dict(id=8)), 'images of instances_train2017.json are in neither'),
    ('train2017', lambda data: data['images'].pop(), '1 images of 2014 are in neither file of 2017, such as 30'),
    ('train2014', lambda data: data['images'].append(dict(id=42)), 'are both in instances_train2014.json and in'),
    ('train2017', lambda data: data['annotations'].pop(), '1 annotations of 2014 are in neither file of 2017'),
    ('val2017', lambda data: data['categories'].pop(), 'instances_val2017.json has other categories'),
    ('val2014', lambda data: data.pop('images'), "has no 'images'; it is not a COCO instances file"),
])
def test_files_that_do_not_belong_together_are_refused(annotations, split, edit, fault):
    change(annotations, split, edit)
    with pytest.raises(ValueError, match=fault):
        make_minival(annotations)
    assert not (annotations / MINIVAL).exists()


def test_a_broken_file_is_named(annotations):
    (annotations / 'instances_train2017.json').write_text('{"images": [')
    with pytest.raises(ValueError, match=r'instances_train2017.json is not a JSON file .*; download it again'):
        make_minival(annotations)


def test_missing_files_say_which_archives_hold_them(annotations):
    (annotations / 'instances_val2017.json').unlink()
    with pytest.raises(FileNotFoundError, match=r'has no instances_val2017.json; annotations_trainval2014.zip and '):
        make_minival(annotations)


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_splits_pass_if_and_only_if_they_partition_the_same_images(train, val, minival):
    """Against the definition, for any three sets of ids."""
    def ids(images):
        return dict(images=images, annotations=set(), categories={(1, 'person')})
    partition = not train & val and minival <= val
    splits = ids(train), ids(val), ids((train | val) - minival), ids(minival)
    if partition:
        check_splits(*splits)
    else:
        with pytest.raises(ValueError, match=r'\d+ images .*, such as'):
            check_splits(*splits)


def test_the_tool_prints_counts_and_errors_in_one_line(tool, annotations, capsys):
    tool('make_coco_minival', annotations)
    assert f'{MINIVAL}: 2 images, 1 annotations' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='error: .* has no instances_train2014.json') as caught:
        tool('make_coco_minival', annotations / 'nowhere')
    assert '\n' not in str(caught.value)
