"""The digit scenes are what their annotations say, and their annotations are what COCO's readers expect."""

import json
import sys

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from se_backbones.lab.digits import digit_scenes, drawing, make_digit_scenes, preview_scenes
from se_backbones.lab.digits.digit_scenes import coco_categories, mask_polygons
from se_backbones.lab.digits.drawing import load_split_digits
from se_backbones.lab.pictures.scenes import GAP

SMALL = {'num_train': 24, 'num_val': 8}


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    return make_digit_scenes(tmp_path_factory.mktemp('data') / 'scenes', **SMALL).root


@pytest.fixture(scope='module')
def coco_scenes(tmp_path_factory):
    return make_digit_scenes(tmp_path_factory.mktemp('data') / 'coco', layout='coco2017', **SMALL).root


def annotations_of(root, split):
    return json.loads((root / 'annotations' / f'instances_{split}.json').read_text())


def content(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob('*') if path.is_file()}


def decode(polygons, height, width):
    """Pixels that pycocotools sees, ``(height, width)`` bool."""
    if not polygons:
        return np.zeros((height, width), dtype=bool)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))).astype(bool)


def mmdet_samples(root, split, pipeline, **kwargs):
    from mmdet.datasets import CocoDataset  # registers the transforms; register_all_modules takes seconds
    with DefaultScope.overwrite_default_scope('mmdet'):
        return CocoDataset(data_root=str(root), ann_file=f'annotations/instances_{split}.json',
                           data_prefix={'img': f'{split}/'}, pipeline=pipeline,
                           filter_cfg={'filter_empty_gt': True, 'min_size': 32}, **kwargs)


def test_a_seed_gives_the_same_bytes(scenes, tmp_path):
    again = make_digit_scenes(tmp_path / 'again', **SMALL).root
    assert content(again) == content(scenes)


def test_another_seed_gives_other_scenes(scenes, tmp_path):
    other = make_digit_scenes(tmp_path / 'other', seed=1, **SMALL).root
    assert (other / 'train/000001.jpg').read_bytes() != (scenes / 'train/000001.jpg').read_bytes()
    assert annotations_of(other, 'train')['annotations'] != annotations_of(scenes, 'train')['annotations']


def test_a_larger_data_set_begins_with_the_smaller_one(scenes, tmp_path):
    larger = make_digit_scenes(tmp_path / 'larger', num_train=30, num_val=9).root
    few, many = (annotations_of(root, 'train')['annotations'] for root in (scenes, larger))
    assert many[:len(few)] == few
    assert (larger / 'val/000008.jpg').read_bytes() == (scenes / 'val/000008.jpg').read_bytes()


def test_the_split_is_disjoint_complete_and_balanced():
    splits = load_split_digits()
    indices = [set(splits[name].index.tolist()) for name in ('train', 'val')]
    assert indices[0].isdisjoint(indices[1])
    assert indices[0] | indices[1] == set(range(1797))
    assert np.bincount(splits['val'].label).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]


def test_no_digit_is_in_both_splits(scenes):
    used = {split: {a['digit_index'] for a in annotations_of(scenes, split)['annotations']}
            for split in ('train', 'val')}
    assert used['train'] and used['val']
    assert used['train'].isdisjoint(used['val'])


def test_no_part_of_a_photograph_is_in_both_splits():
    columns = np.broadcast_to(np.arange(640, dtype=np.float32)[None, :, None] / 640 * 255, (427, 640, 3))
    photo = Image.fromarray(np.round(columns).astype(np.uint8))
    crops = {split: [] for split in ('train', 'val')}
    original = photo.resize
    for split, boxes in crops.items():
        photo.resize = lambda *args, box, boxes=boxes: boxes.append(box) or original(*args, box=box)
        for seed in range(200):
            assert drawing.cut_ground(photo, split, 64, np.random.default_rng(seed)).shape == (64, 64, 3)
    assert max(right for _, _, right, _ in crops['val']) <= 160 <= min(left for left, _, _, _ in crops['train'])


def test_categories_are_the_labels_of_the_digits(scenes):
    from sklearn.datasets import load_digits
    target = load_digits().target
    data = annotations_of(scenes, 'train')
    assert [category['id'] for category in data['categories']] == list(range(1, 11))
    assert [category['name'] for category in data['categories']][:3] == ['zero', 'one', 'two']
    assert all(a['category_id'] == target[a['digit_index']] + 1 for a in data['annotations'])


@pytest.mark.parametrize('split', ['train', 'val'])
def test_boxes_are_tight_around_the_masks_and_areas_are_theirs(scenes, split):
    coco = COCO(scenes / 'annotations' / f'instances_{split}.json')
    assert len(coco.anns) > len(coco.imgs)
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        ys, xs = np.nonzero(mask)
        assert annotation['bbox'] == [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
        assert annotation['area'] == mask.sum()
        assert annotation['iscrowd'] == 0


def test_masks_of_a_scene_are_disjoint_and_make_the_semantic_mask(scenes):
    coco = COCO(scenes / 'annotations/instances_train.json')
    assert len(coco.anns) > len(coco.imgs) > 1
    for record in coco.imgs.values():
        drawn = np.zeros((128, 128), dtype=int)
        for annotation in coco.imgToAnns[record['id']]:
            mask = coco.annToMask(annotation).astype(bool)
            assert not drawn[mask].any()
            drawn[mask] = annotation['category_id']
        semantic = np.asarray(Image.open(scenes / 'semantic/train' / record['file_name'].replace('.jpg', '.png')))
        assert semantic.dtype == np.uint8
        assert (semantic == drawn).all()


def test_digits_stay_visible_where_later_ones_overlap_them():
    digits = load_split_digits()['train']
    hidden = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ground = np.full((96, 96, 3), 128, dtype=np.float32)
        whole = []
        original = digit_scenes._find_place

        def spy(ink, masks, areas, size, rng, original=original, whole=whole):
            at = original(ink, masks, areas, size, rng)
            if at is not None:
                whole.append(int((ink >= 0.5).sum()))
            return at

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(digit_scenes, '_find_place', spy)
            scene, rows, masks = digit_scenes._draw_scene(ground, digits, rng)
        assert scene.shape == (96, 96, 3)
        assert len(rows) == len(masks) == len(whole) >= 1
        visible = [mask.sum() / area for mask, area in zip(masks, whole, strict=True)]
        assert min(visible) >= digit_scenes.MIN_VISIBLE
        hidden += sum(part < 1 for part in visible)
    assert hidden > 0  # or nothing was put to the test


def test_digits_stand_out_from_the_ground(scenes):
    coco = COCO(scenes / 'annotations/instances_train.json')
    contrasts = []
    for record in coco.imgs.values():
        grey = np.asarray(Image.open(scenes / 'train' / record['file_name']).convert('L'), dtype=float)
        digits = np.asarray(Image.open(scenes / 'semantic/train' / record['file_name'].replace('.jpg', '.png'))) > 0
        for annotation in coco.imgToAnns[record['id']]:
            x, y, width, height = annotation['bbox']
            window = (slice(max(y - 4, 0), y + height + 4), slice(max(x - 4, 0), x + width + 4))
            mask = coco.annToMask(annotation).astype(bool)
            contrasts.append(abs(grey[mask].mean() - grey[window][~digits[window]].mean()))
    assert np.quantile(contrasts, 0.1) > 40


@pytest.mark.parametrize('density', [0.2, 0.5, 0.8, 0.95])
def test_polygons_decode_to_exactly_the_mask(density):
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((17, 22)) < density
        polygons = mask_polygons(mask)
        assert (decode(polygons, 17, 22) == mask).all()
        xs_ys = [(np.array(p[::2]), np.array(p[1::2])) for p in polygons]
        assert sum((xs @ np.roll(ys, -1) - ys @ np.roll(xs, -1)) / 2 for xs, ys in xs_ys) == mask.sum()


def test_polygons_cut_a_ring_through_its_hole():
    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    polygons = mask_polygons(ring)
    assert len(polygons) == 2
    assert (decode(polygons, 3, 3) == ring).all()
    assert mask_polygons(np.zeros((3, 3), dtype=bool)) == []


def test_mmdet_reads_boxes_labels_and_masks(scenes):
    names = tuple(category['name'] for category in annotations_of(scenes, 'train')['categories'])
    pipeline = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations', 'with_bbox': True, 'with_mask': True},
                {'type': 'Resize', 'scale': (128, 128)}, {'type': 'PackDetInputs'}]
    dataset = mmdet_samples(scenes, 'train', pipeline, metainfo={'classes': names})
    data = annotations_of(scenes, 'train')
    assert len(dataset) == 24
    read = 0
    for i in range(len(dataset)):
        instances = dataset[i]['data_samples'].gt_instances
        expected = [a for a in data['annotations'] if a['image_id'] == i + 1]
        assert instances.labels.tolist() == [a['category_id'] - 1 for a in expected]
        assert instances.masks.areas.tolist() == [a['area'] for a in expected]
        assert instances.bboxes.tensor.tolist() == [
            [x, y, x + width, y + height] for x, y, width, height in (a['bbox'] for a in expected)]
        read += len(expected)
    assert read == len(data['annotations'])


def test_mmdet_reads_semantic_masks(scenes):
    pipeline = [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations', 'with_seg': True}]
    from mmdet.datasets import CocoDataset
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = CocoDataset(data_root=str(scenes), ann_file='annotations/instances_val.json', pipeline=pipeline,
                              data_prefix={'img': 'val/', 'seg': 'semantic/val/'}, test_mode=True,
                              metainfo={'classes': digit_scenes.DIGIT_NAMES})
        segmentation = dataset[0]['gt_seg_map']
    written = np.asarray(Image.open(scenes / 'semantic/val/000001.png'))
    assert np.array_equal(segmentation, written) and len(np.unique(written)) > 1


def test_coco2017_layout_loads_with_the_stock_classes(coco_scenes):
    from mmdet.datasets import CocoDataset
    assert {path.name for path in coco_scenes.iterdir()} == {'annotations', 'train2017', 'val2017', 'semantic',
                                                             'digit_scenes.json'}
    assert (coco_scenes / 'val2017/000000000001.jpg').is_file()
    dataset = mmdet_samples(coco_scenes, 'train2017', [])
    assert dataset.metainfo['classes'] == CocoDataset.METAINFO['classes']
    labels = {instance['bbox_label'] for i in range(len(dataset)) for instance in dataset.get_data_info(i)['instances']}
    assert labels == set(range(10))


def test_coco_categories_are_cocos_own():
    from mmdet.datasets import CocoDataset
    categories = coco_categories()
    assert tuple(category['name'] for category in categories) == CocoDataset.METAINFO['classes']
    ids = {category['name']: category['id'] for category in categories}
    known = {'person': 1, 'fire hydrant': 11, 'stop sign': 13, 'backpack': 27, 'handbag': 31, 'wine glass': 46,
             'dining table': 67, 'toilet': 70, 'tv': 72, 'book': 84, 'toothbrush': 90}
    assert {name: ids[name] for name in known} == known


def test_layouts_hold_the_same_scenes(scenes, coco_scenes):
    assert (coco_scenes / 'train2017/000000000001.jpg').read_bytes() == (scenes / 'train/000001.jpg').read_bytes()


def test_own_names_and_no_semantic_masks(tmp_path):
    names = [f'digit {i}' for i in range(10)]
    root = make_digit_scenes(tmp_path / 'a', num_train=1, num_val=1, size=64, names=names, semantic=False).root
    assert [category['name'] for category in annotations_of(root, 'val')['categories']] == names
    assert not (root / 'semantic').exists()
    assert Image.open(root / 'val/000001.jpg').size == (64, 64)


@pytest.mark.parametrize(('setting', 'key'), [
    ({'num_train': 0}, 'num_train'), ({'num_val': 1.5}, 'num_val'), ({'size': 32}, 'size'), ({'seed': -1}, 'seed'),
    ({'layout': 'voc'}, 'layout'), ({'names': ['one']}, 'names'), ({'names': ['x'] * 10}, 'names'),
    ({'names': list('0123456789'), 'layout': 'coco2017'}, 'names'),
])
def test_settings_out_of_range_are_refused_by_name(tmp_path, setting, key):
    with pytest.raises(ValueError, match=key):
        make_digit_scenes(tmp_path / 'a', **setting)
    assert not (tmp_path / 'a').exists()


def test_missing_scikit_learn_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    monkeypatch.delitem(sys.modules, 'sklearn.datasets', raising=False)
    with pytest.raises(ImportError, match=r"pip install 'se_backbones\[digits\]'"):
        make_digit_scenes(tmp_path / 'a', **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_preview_draws_scenes_and_overwrites_nothing(scenes, tmp_path):
    file = preview_scenes(scenes, tmp_path / 'preview.png', num=3, columns=2)
    assert Image.open(file).size == (4 * 384 + 3 * GAP, 2 * 384 + GAP)
    with pytest.raises(FileExistsError, match='choose another name'):
        preview_scenes(scenes, file)
