"""tools/infer.py and `predict`: folders and videos, in batches, drawn and as data."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from PIL import Image
from pycocotools.coco import COCO

from se_backbones.lab.inference import Frame, Prediction, ResultsFile, drawn_video, frames_of, predict
from se_backbones.lab.inference.predict import _label_maps
from se_backbones.lab.inference.prediction import sheet_of
from se_backbones.lab.inference.show_hook import ShowHook
from se_backbones.lab.inference.truth import read_truth
from se_backbones.lab.pictures.scenes import GAP


@pytest.fixture
def images(scenes):
    return sorted(map(str, (scenes / 'val').iterdir()))


def boxes_of(predictions):
    return [np.array([[*found['box'], found['score'], found['number']] for found in prediction.objects])
            for prediction in predictions]


def test_batches_find_what_single_images_find(detector, images):
    alone, together = (list(predict(*detector, images, score_threshold=0.15, batch_size=size)) for size in (1, 4))
    assert [prediction.image for prediction in together] == images
    assert sum(len(prediction.objects) for prediction in alone) > len(images)
    for one, other in zip(*map(boxes_of, (alone, together)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-2)


@pytest.mark.gpu
def test_a_gpu_finds_what_the_cpu_finds(detector, images):
    found = [boxes_of(predict(*detector, images, device=device, score_threshold=0.15)) for device in ('cpu', 'cuda:0')]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-2)


def test_frames_are_predicted_on_like_files_and_taken_batch_by_batch(detector, images):
    taken = []

    def frames():
        for image in images:
            taken.append(image)
            yield Frame(image, mmcv.imread(image))
    predictions = predict(*detector, frames(), score_threshold=0.15, batch_size=2)
    first = next(predictions)
    assert len(taken) == 2
    of_files = list(predict(*detector, images, score_threshold=0.15))
    for one, other in zip(boxes_of([first, *predictions]), boxes_of(of_files), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-2)


def test_a_folder_becomes_drawn_images_and_coco_results(tool, detector, scenes, tmp_path, capsys):
    annotations = scenes / 'annotations' / 'instances_val.json'
    tool('infer', *detector, scenes / 'val', '--out-dir', tmp_path / 'drawn', '--json', tmp_path / 'found.json',
         '--annotations', annotations, '--score-threshold', '0.15', '--batch-size', '3')
    assert len(list((tmp_path / 'drawn').iterdir())) == 6
    assert capsys.readouterr().out.count(' -> ') == 6
    coco = COCO(annotations)
    loaded = coco.loadRes(str(tmp_path / 'found.json'))
    results = json.loads((tmp_path / 'found.json').read_text())
    assert len(loaded.getAnnIds()) == len(results) > 6
    names = {image['id']: image['file_name'] for image in coco.dataset['images']}
    assert all(names[entry['image_id']] == entry['file_name'] for entry in results)
    assert {entry['category_id'] for entry in results} <= set(coco.getCatIds())
    assert all(entry['bbox'][2] > 0 and entry['bbox'][3] > 0 and entry['score'] >= 0.15 for entry in results)


def test_an_image_that_is_named_beside_its_folder_is_one_image(tool, detector, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ('in/a.jpg', 'in/b.jpg'):
        Path(place).parent.mkdir(exist_ok=True)
        shutil.copy(images[0], place)
    tool('infer', *detector, 'in/b.jpg', 'in', './in', tmp_path / 'in/b.jpg', '--out-dir', 'drawn', '--json', 'f.json',
         '--score-threshold', '0.15')
    assert sorted(path.name for path in Path('drawn').iterdir()) == ['a.png', 'b.png']
    found = json.loads(Path('f.json').read_text())
    assert {(entry['file_name'], entry['image_id']) for entry in found} == {('b.jpg', 1), ('a.jpg', 2)}


def test_images_are_known_by_the_folders_that_their_file_names_have(tmp_path):
    """As of CVAT and of image folders; two folders may hold files of one name."""
    images = [dict(id=7, file_name='left/1.png'), dict(id=8, file_name='right/1.png'), dict(id=9, file_name='2.png')]
    (tmp_path / 'notes.json').write_text(json.dumps(dict(images=images, categories=[dict(id=5, name='nut')])))
    results = ResultsFile(tmp_path / 'found.json', tmp_path / 'notes.json')
    files = ['data/right/1.png', '/data/left/1.png', 'left/2.png']
    results.check(files)
    with pytest.raises(ValueError, match=r'does not know 2 of the images: data/1\.png, eft/1\.png'):
        results.check(['data/1.png', 'eft/1.png'])
    for file in files:
        found = dict(label='nut', number=0, score=0.5, box=(1, 2, 3, 4))
        results.add(SimpleNamespace(image=file, objects=[found]))
    entries = json.loads(results.write().read_text())
    assert [(entry['image_id'], entry['file_name']) for entry in entries] == [
        (8, 'right/1.png'), (7, 'left/1.png'), (9, '2.png')]


def test_a_sheet_has_the_truth_beside_each_prediction(tool, detector, scenes, images, tmp_path):
    annotations = scenes / 'annotations' / 'instances_val.json'
    tool('infer', *detector, *images[:3], '--sheet', tmp_path / 'sheet.png', '--annotations', annotations)
    assert [path.name for path in tmp_path.iterdir()] == ['sheet.png']
    height, width = mmcv.imread(tmp_path / 'sheet.png').shape[:2]
    assert width == 2 * 384 + GAP and 3 * 384 + 2 * GAP < height < 3 * 384 + 2 * GAP + 40  # under a line of titles


def test_on_a_sheet_an_image_without_truth_has_a_white_place_for_it():
    side = 400
    known = Prediction(Frame('a', np.zeros((side, side, 3), np.uint8)), truth=[])
    unknown = Prediction(Frame('b', np.full((side, side, 3), 99, np.uint8)))
    for predictions in ([known, unknown], [unknown, known]):
        found = sheet_of(predictions)[-(2 * side + GAP):]
        row = slice(None, side) if predictions[0] is unknown else slice(-side, None)
        assert found.shape[1] == 2 * side + GAP
        assert (found[row, :side] == 255).all() and (found[row, -side:] == 99).all()


def test_the_truth_is_the_files_and_has_masks_where_the_model_has(scenes, images):
    names = ('nine', 'eight', 'seven', 'six', 'five', 'four', 'three', 'two', 'one', 'zero')  # the model's order
    file = scenes / 'annotations' / 'instances_val.json'
    coco = COCO(file)
    known = {image['file_name']: image['id'] for image in coco.dataset['images']}
    for masks in (True, False):
        truth = read_truth(file, names, masks)
        for image in images:
            entries = coco.loadAnns(coco.getAnnIds(known[Path(image).name]))
            found = truth(image)
            assert [names.index(one['label']) for one in found] == [one['number'] for one in found]
            assert [10 - one['number'] for one in found] == [entry['category_id'] for entry in entries]
            assert [one['box'][2] - one['box'][0] for one in found] == [entry['bbox'][2] for entry in entries]
            if masks:
                assert [one['mask'].sum() for one in found] == [entry['area'] for entry in entries]
            else:
                assert not any('mask' in one for one in found)
    assert truth('elsewhere.jpg') is None
    assert read_truth(file, names[:3], masks=False)(images[0]) == [one for one in truth(images[0]) if one['number'] < 3]


@pytest.mark.parametrize(('part', 'entry', 'says'), [
    ('images', dict(id=1), r"images\[1\] has no 'file_name'"),
    ('categories', dict(id=2), r"categories\[1\] has no 'name'"),
    ('categories', 'nut', r'categories\[1\] has no .id'),
    ('annotations', dict(id=2, image_id=1, category_id=1, segmentation=[]), r"annotations\[1\] has no 'bbox'"),
    ('annotations', dict(id=2, image_id=1, segments_info=[]), r"annotations\[1\] has no 'category_id'")], ids=str)
def test_an_annotation_file_that_lacks_a_key_is_one_line(tmp_path, part, entry, says):
    content = dict(images=[dict(id=1, file_name='a.jpg')], categories=[dict(id=1, name='nut')],
                   annotations=[dict(id=1, image_id=1, category_id=1, bbox=[0, 0, 2, 2])])
    content[part].append(entry)
    (tmp_path / 'a.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf'a\.json is no COCO annotation file of objects: {says}'):
        read_truth(tmp_path / 'a.json', ('nut',))


def test_objects_of_categories_that_the_file_does_not_list_are_left_out(tmp_path):
    """As mmdet leaves them out."""
    notes = [dict(id=number, image_id=1, category_id=number, bbox=[0, 0, 2, 2]) for number in (1, 9)]
    (tmp_path / 'a.json').write_text(json.dumps(dict(
        images=[dict(id=1, file_name='a.jpg')], categories=[dict(id=1, name='nut')], annotations=notes)))
    assert [one['label'] for one in read_truth(tmp_path / 'a.json', ('nut',))('a.jpg')] == ['nut']


def test_label_maps_become_segments(scenes, images):
    names = ('ground', 'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')
    found = read_truth(scenes / 'semantic' / 'val', names)(images[0])
    whole = mmcv.imread(scenes / 'semantic' / 'val' / f'{Path(images[0]).stem}.png', 'unchanged')
    assert {one['number'] for one in found} == set(whole.flat) and found[0]['label'] == 'ground'
    assert sum(one['score'] for one in found) == pytest.approx(1)
    assert all((one['mask'] == (whole == one['number'])).all() for one in found)
    assert read_truth(scenes / 'semantic' / 'val', names)('elsewhere.jpg') is None


def test_label_maps_are_found_by_the_suffixes_of_the_config_and_in_folders(scenes, images, tmp_path):
    names = ('ground', 'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')
    for city in ('aachen', 'bremen'):
        (tmp_path / city).mkdir()
    maps = [scenes / 'semantic' / 'val' / f'{Path(image).stem}.png' for image in images[:2]]
    shutil.copy(maps[0], tmp_path / 'aachen' / '1_gt.png')
    shutil.copy(maps[1], tmp_path / 'bremen' / '1_gt.png')
    truth = read_truth(tmp_path, names, suffixes=('_left.jpg', '_gt.png'))
    for city, file in zip(('aachen', 'bremen'), maps, strict=True):
        for image in (f'some/val/{city}/1_left.jpg', f'{city}/1.jpg'):
            assert {one['number'] for one in truth(image)} == set(mmcv.imread(file, 'unchanged').flat)
    assert truth('1_left.jpg') is None


@pytest.mark.parametrize('dataset', ['BaseSegDataset', 'ADE20KDataset'])
def test_label_maps_are_read_as_mmsegs_dataset_of_the_config_reads_them(tmp_path, dataset):
    """Palettes as VOC has them; ADE20K ignores 0 and calls 1 the first class, which its class says."""
    numbers = np.array([[0, 1], [2, 150]], np.uint8)
    image = Image.fromarray(numbers, 'P')
    image.putpalette([*range(256)] * 3)
    image.save(tmp_path / '1.png')
    step = dict(type='LoadAnnotations')
    test_set = dict(type=dataset, pipeline=[step], **(dict(
        metainfo=dict(classes=[str(k) for k in range(151)])) if dataset == 'BaseSegDataset' else {}))
    options = _label_maps(Config(dict(default_scope='mmseg', test_dataloader=dict(dataset=test_set))))
    names = [str(k) for k in range(151)]
    found = {one['number']: one['mask'] for one in read_truth(tmp_path, names, **options)('1.jpg')}
    expected = {0, 1, 2, 150} if dataset == 'BaseSegDataset' else {0, 1, 149}
    assert set(found) == expected and options['suffixes'] == ('.jpg', '.png')
    assert (found[1] == (numbers == (1 if dataset == 'BaseSegDataset' else 2))).all()


def test_a_label_map_of_colours_is_refused(tmp_path):
    Image.new('RGB', (2, 2)).save(tmp_path / '1.png')
    with pytest.raises(ValueError, match=r'1\.png has 3 channels; a label map has one'):
        read_truth(tmp_path, ['ground'])('1.jpg')


def test_a_picture_that_another_process_has_drawn_stays(tmp_path, images):
    sample = DataSample(metainfo=dict(img_path=images[0])).set_pred_score(torch.tensor([0.2, 0.8]))
    hook = ShowHook.__new__(ShowHook)
    hook._names, hook._colours, hook._files = ('a', 'b'), None, {images[0]: tmp_path / 'a.png'}
    hook.after_test_iter(None, 0, outputs=[sample])
    first = (tmp_path / 'a.png').stat()
    hook.after_test_iter(None, 1, outputs=[sample])
    assert (tmp_path / 'a.png').stat().st_mtime_ns == first.st_mtime_ns


def test_classes_are_written_for_each_image(tool, classifier, digits, tmp_path):
    files = sorted((digits / 'val').rglob('*.png'))[:3]
    tool('infer', *classifier, *files, '--no-drawings', '--json', tmp_path / 'classes.json', '--batch-size', '2',
         '--out-dir', tmp_path / 'drawn')
    entries = json.loads((tmp_path / 'classes.json').read_text())
    assert [(entry['image_id'], entry['file_name']) for entry in entries] == [
        (number, file.name) for number, file in enumerate(files, 1)]
    for entry in entries:
        scores = [found['score'] for found in entry['classes']]
        assert len(scores) == 5 and scores == sorted(scores, reverse=True) and sum(scores) <= 1.0001
        assert all(found['name'] == str(found['number']) for found in entry['classes'])
    assert not (tmp_path / 'drawn').exists()


@pytest.fixture(params=['.avi', '.mp4'])
def video(request, images, tmp_path):
    """The test scenes as the frames of a video."""
    path = tmp_path / f'scenes{request.param}'
    with drawn_video(path, fps=5) as add:
        for image in images:
            add(mmcv.imread(image, channel_order='rgb'))
    return path


def test_a_video_becomes_a_video_of_as_many_frames(tool, detector, video, tmp_path, capsys):
    tool('infer', *detector, video, '--out-dir', tmp_path / 'drawn', '--json', tmp_path / 'found.json',
         '--score-threshold', '0.15', '--batch-size', '4')
    drawn = mmcv.VideoReader(str(tmp_path / 'drawn' / f'scenes_predicted{video.suffix}'))
    assert len(drawn) == 6 and drawn.fps == 5 and drawn.height == drawn.width == 384
    assert [path.name for path in (tmp_path / 'drawn').iterdir()] == [f'scenes_predicted{video.suffix}']
    entries = json.loads((tmp_path / 'found.json').read_text())
    assert entries and {entry['image_id'] for entry in entries} <= set(range(1, 7))
    assert {entry['file_name'] for entry in entries} <= {f'scenes_{number:06d}' for number in range(6)}
    assert 'scenes_000005' in capsys.readouterr().out


def test_frames_of_a_video_are_its_pictures(video, images):
    frames = list(frames_of(video))
    assert [frame.name for frame in frames] == [f'scenes_{number:06d}' for number in range(6)]
    for frame, image in zip(frames, images, strict=True):
        # Compressed, but no other picture and no swapped channels.
        assert np.abs(frame.pixels.astype(int) - mmcv.imread(image)).mean() < 8


def test_a_video_that_breaks_off_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError), drawn_video(tmp_path / 'half.avi', fps=5) as add:
        add(np.zeros((32, 32, 3), np.uint8))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_folders_in_a_folder_are_looked_into_and_named(tool, classifier, digits, tmp_path, capsys):
    for name in ('3', '5'):
        shutil.copytree(digits / 'val' / name, tmp_path / 'in' / name)
    tool('infer', *classifier, tmp_path / 'in', '--out-dir', tmp_path / 'in' / 'drawn', '--json', tmp_path / 'a.json')
    (tmp_path / 'none').mkdir()
    files = sorted((tmp_path / 'in').glob('[35]/*.png'))
    assert [entry['file_name'] for entry in json.loads((tmp_path / 'a.json').read_text())] == [
        f'{file.parent.name}/{file.name}' for file in files]
    # What was drawn into the folder is no image of it.
    shutil.rmtree(tmp_path / 'in' / '5')
    tool('infer', *classifier, tmp_path / 'in', '--out-dir', tmp_path / 'in' / 'drawn', '--no-drawings', '--json',
         tmp_path / 'b.json', '--annotations', tmp_path / 'none')
    assert len(json.loads((tmp_path / 'b.json').read_text())) == len(list((tmp_path / 'in' / '3').iterdir()))
    assert 'knows nothing of' in capsys.readouterr().out


def test_what_is_no_image_is_left_out_and_named_at_the_end(tool, detector, images, tmp_path):
    (tmp_path / 'in').mkdir()
    for image in images[:3]:
        shutil.copy(image, tmp_path / 'in')
    (tmp_path / 'in' / '000000.jpg').write_bytes(b'')
    (tmp_path / 'in' / Path(images[1]).name).write_bytes(b'cut short')
    with pytest.raises(SystemExit, match=rf'2 of the 4 files are no images, or damaged, .*/{Path(images[1]).name}\.$'):
        tool('infer', *detector, tmp_path / 'in', '--out-dir', tmp_path / 'drawn', '--batch-size', '2',
             '--score-threshold', '0', '--json', tmp_path / 'found.json')
    kept = [Path(images[0]).stem, Path(images[2]).stem]
    assert sorted(path.stem for path in (tmp_path / 'drawn').iterdir()) == kept
    assert {Path(entry['file_name']).stem for entry in json.loads((tmp_path / 'found.json').read_text())} == set(kept)
    with pytest.raises(ValueError, match=r'000000\.jpg is no image, or damaged'):
        next(predict(*detector, [str(tmp_path / 'in' / '000000.jpg')]))


def test_a_folder_is_predicted_on_though_its_drawings_go_above_it(tool, detector, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'in').mkdir()
    shutil.copy(images[0], tmp_path / 'in')
    tool('infer', *detector, 'in', '--out-dir', '.')
    assert [path.name for path in tmp_path.glob('*.png')] == [f'{Path(images[0]).stem}.png']


@pytest.mark.parametrize('change', ['wrapped', 'of validation'])
def test_the_pipeline_is_found_in_a_wrapped_test_set_or_that_of_validation(detector, images, change):
    config, checkpoint = detector
    cfg = Config.fromfile(config)
    if change == 'wrapped':
        cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[cfg.test_dataloader.dataset] * 2)
    else:
        cfg.pop('test_dataloader')
    for one, other in zip(predict(cfg, checkpoint, images[:1]), predict(config, checkpoint, images[:1]), strict=True):
        assert one.objects == other.objects


@pytest.mark.parametrize(('words', 'message'), [
    (['no_such_folder'], r'There is no file no_such_folder'),
    (['{tmp}/broken.mp4'], r'broken\.mp4 cannot be read as a video'),
    (['{tmp}/broken.mp4', '{scenes}/val'], r'One video at a time, and no images or sheet beside it'),
    (['{scenes}/annotations'], r'No images in'),
    (['{scenes}/val', '--json', '{tmp}/mine.json'], r'mine\.json exists and is not overwritten'),
    (['{scenes}/val', '--json', '{tmp}/nowhere/new.json'], r'There is no folder .*nowhere'),
    (['{tmp}/other.png', '--json', '{tmp}/new.json', '--annotations', '{scenes}/annotations/instances_val.json'],
     r'instances_val\.json does not know 1 of the images: .*other\.png'),
    (['{scenes}/val', '--out-dir', '{tmp}'], r'000002\.png exists and is not overwritten'),
    (['{scenes}/val', '--sheet', '{tmp}/other.png'], r'other\.png exists and is not overwritten'),
    (['{tmp}/in/other.jpg', '{tmp}/deeper/in/other.jpg', '--out-dir', '{tmp}/new'], r'would both be drawn to'),
    (['{tmp}/street.mp4', '--sheet', '{tmp}/new.png'], r'no images or sheet beside it'),
    (['{scenes}/val', '--batch-size', '0'], r'batch_size must be an int of at least 1, got 0'),
], ids=lambda value: value if isinstance(value, str) else '')
def test_what_cannot_be_done_is_one_line_before_a_model_is_loaded(tool, scenes, images, tmp_path, words, message):
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    (tmp_path / 'mine.json').write_text('mine')
    shutil.copy(images[0], tmp_path / 'other.png')
    shutil.copy(images[0], tmp_path / '000002.png')
    for folder in (tmp_path / 'in', tmp_path / 'deeper' / 'in'):
        folder.mkdir(parents=True)
        shutil.copy(images[0], folder / 'other.jpg')
    (tmp_path / 'street.mp4').write_bytes(b'')
    config, checkpoint = tmp_path / 'config.py', tmp_path / 'model.pth'
    config.write_text("default_scope = 'mmdet'")
    checkpoint.write_bytes(b'')
    with pytest.raises(SystemExit, match=message):
        tool('infer', config, checkpoint, *(word.format(tmp=tmp_path, scenes=scenes) for word in words))
    assert (tmp_path / 'mine.json').read_text() == 'mine'


def test_a_video_that_the_disk_has_no_room_for_is_an_error_and_leaves_no_file(tmp_path, monkeypatch):
    """OpenCV writes what it can, and says nothing."""
    import supervision
    written = supervision.VideoSink.__exit__

    def cut(self, *args):
        written(self, *args)
        file = Path(self.target_path)
        file.write_bytes(file.read_bytes()[:400])
    monkeypatch.setattr(supervision.VideoSink, '__exit__', cut)
    with pytest.raises(OSError, match='a.mp4 could not be written; its disk may be full'):
        with drawn_video(tmp_path / 'a.mp4', 5) as add:
            for _ in range(3):
                add(np.zeros((64, 64, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('content', 'message'), [
    ('{"images": []}', 'is no COCO annotation file, which has lists of images and categories'),
    ('[1]', 'is no COCO annotation file'), ('{', 'is not JSON: Expecting property name')])
@pytest.mark.parametrize('more', [[], ['--json', 'out.json']], ids=['drawn', 'json'])
def test_a_file_that_holds_no_annotations_is_named_before_the_model_is_loaded(tool, images, tmp_path, content, message,
                                                                               more):
    file = tmp_path / 'a.json'
    file.write_text(content)
    (tmp_path / 'x.pth').touch()
    with pytest.raises(SystemExit, match=rf'^error: .*a\.json {message}'):
        tool('infer', 'none.py', tmp_path / 'x.pth', images[0], '--annotations', file, *more)


def test_a_device_that_is_not_there_is_one_line(tool, detector, images):
    with pytest.raises(SystemExit, match="^error: device='gpu' cannot be used: .*Others are 'cpu'"):
        tool('infer', *detector, images[0], '--device', 'gpu', '--no-drawings', '--json', 'x.json')


def test_masks_are_written_as_run_lengths(tmp_path):
    from pycocotools import mask
    shape = np.zeros((20, 30), bool)
    shape[5:15, 10:20] = True
    results = ResultsFile(tmp_path / 'found.json')
    results.add(Prediction('a.png'))
    results.add(Prediction('b.png', [dict(label='six', number=6, score=0.9, box=[10, 5, 20, 15], mask=shape)]))
    entry, = json.loads(results.write().read_text())
    assert entry['image_id'] == 2 and entry['category_id'] == 7 and entry['bbox'] == [10, 5, 10, 10]
    assert (mask.decode(entry['segmentation']) == shape).all()


def test_a_category_that_the_annotations_lack_is_an_error(tmp_path):
    (tmp_path / 'ann.json').write_text(json.dumps(dict(images=[dict(file_name='a.png', id=7)],
                                                       categories=[dict(name='cat', id=1)])))
    results = ResultsFile(tmp_path / 'found.json', tmp_path / 'ann.json')
    with pytest.raises(ValueError, match=r"no category 'six', a class of the model; it has cat"):
        results.add(Prediction('a.png', [dict(label='six', number=6, score=1.0, box=[0, 0, 1, 1])]))


def test_opencv_writes_the_codecs_that_are_named(tmp_path):
    from se_backbones.lab.inference.video import CODECS
    for suffix, codec in CODECS.items():
        writer = cv2.VideoWriter(str(tmp_path / f'v{suffix}'), cv2.VideoWriter.fourcc(*codec), 5, (64, 48))
        assert writer.isOpened(), codec
        writer.release()
