"""The page: what it says of runs, that it stands alone, and that what is missing is said and not fatal."""

import base64
import html.parser
import re

import numpy as np
import pytest
from mmengine.config import Config

from helpers import narrow, save_model, use_data, write_log
from se_backbones.lab.analysis.subject import Subject
from se_backbones.lab.inference.truth import read_truth
from se_backbones.lab.report import find_run, write_report
from se_backbones.lab.report.page import render
from se_backbones.lab.report.parts import Section, Table, chart, photograph
from se_backbones.lab.report.runs import Run, context_in_words, differences
from se_backbones.lab.report.sections import curves, input_size, metrics, predictions

BACKBONE = dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4)
LOG = dict(loss=1.0, epoch=1, iter=1, step=1), {'accuracy/top1': 80.0, 'step': 1}


@pytest.fixture
def run(tmp_path):
    """Return a function that makes the work dir of a run without checkpoint and data."""
    def make(name, lr=0.1, log=LOG, **model):
        folder = tmp_path / name
        write_log(folder, *log)
        Config(dict(default_scope='mmpretrain', model=dict(type='ImageClassifier', backbone=dict(BACKBONE, **model)),
                    optim_wrapper=dict(optimizer=dict(lr=lr)), data_root=name, work_dir=str(folder))).dump(
            folder / f'{name}.py')
        return folder
    return make


def test_only_what_a_run_reads_counts_as_a_difference(run):
    runs = [find_run(run('a')), find_run(run('b', lr=0.2, context=dict(op=dict(type='GatherExcite'))))]
    assert differences(runs) == {'optim_wrapper.optimizer.lr': ['0.1', '0.2'],
                                 'model.backbone.context.op.type': ['-', "'GatherExcite'"]}


def test_a_checkpoint_is_found_where_the_folder_was_moved_to(run):
    folder = run('a')
    (folder / 'last_checkpoint').write_text('/elsewhere/epoch_2.pth')
    assert find_run(folder).checkpoint is None
    (folder / 'epoch_2.pth').touch()
    assert find_run(folder).checkpoint == str(folder / 'epoch_2.pth')
    (folder / 'best_coco_bbox_mAP_epoch_1.pth').touch()
    assert find_run(folder).checkpoint.endswith('best_coco_bbox_mAP_epoch_1.pth')


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='holds no config file; is it the work dir of a run'):
        find_run(tmp_path)


def test_operators_are_said_in_words():
    cfg = Config(dict(model=dict(backbone=dict(context=[
        dict(op=dict(type='SqueezeExcite', ratio=8), stages=(True, False)),
        dict(op=dict(type='GatherExcite'), placement='3x3')]))))
    assert context_in_words(cfg) == ('SqueezeExcite(ratio=8), standard, stages (True, False); GatherExcite(), 3x3')
    assert context_in_words(Config(dict(model=dict(backbone=BACKBONE)))) == 'none'


@pytest.mark.parametrize(('pipeline', 'size'), [
    ([dict(type='Resize', scale=(1333, 800)), dict(type='Pack')], (800, 1333)),
    ([dict(type='ResizeEdge', scale=256), dict(type='CenterCrop', crop_size=224)], (224, 224)), ([], (224, 224))])
def test_the_image_size_is_the_test_pipelines(tmp_path, pipeline, size):
    cfg = Config(dict(test_dataloader=dict(dataset=dict(type='CustomDataset', pipeline=pipeline))))
    assert input_size(Run('a', tmp_path, cfg, None), None) == size


class _Reader(html.parser.HTMLParser):
    """Checks that tags match, and collects what would be loaded."""

    VOID = {'meta', 'link', 'img'}

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.ids, self.targets = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.sources += [value for key, value in attrs.items() if key in ('src', 'href')]
        self.ids += [attrs['id']] if 'id' in attrs else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def loads(page):
    """Return what a browser would fetch for a page, and for the vector pictures in it."""
    reader = _Reader()
    reader.feed(page)
    found = re.findall(r'<script|@import|url\(', page)
    for source in reader.sources:
        kind, _, content = source.partition(';base64,')
        if kind == 'data:image/svg+xml':
            # Names of XML vocabularies look like addresses and are not fetched; parts of the picture itself are '#...'.
            drawing = base64.b64decode(content).decode()
            found += re.findall(r'<script|@import|url\((?!#)', drawing)
            found += re.findall(r'(?:href|src)\s*=\s*"(?!#|data:)[^"]*', drawing)
        elif not source.startswith(('data:', '#')):
            found.append(source)
    return found


def test_what_a_page_would_load_is_found():
    picture = base64.b64encode(b'<svg><image xlink:href="http://x/y.png"/><use xlink:href="#a"/></svg>').decode()
    page = f'<a href="https://x"></a><img src="data:image/svg+xml;base64,{picture}"><img src="a.png"><a href="#b"></a>'
    assert loads(page) == ['https://x', 'href="http://x/y.png', 'a.png']


def test_the_page_of_two_runs_stands_alone(run, tmp_path):
    runs = [find_run(run('first')), find_run(run('second', context=dict(op=dict(type='SqueezeExcite', ratio=2))))]
    page = write_report(runs, tmp_path / 'out' / 'report.html').read_text()
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert loads(page) == []
    assert {source[1:] for source in reader.sources if source.startswith('#')} == set(reader.ids)
    assert 'SqueezeExcite(ratio=2), standard' in page
    assert re.search('<td[^>]*>accuracy/top1</td><td[^>]*>80</td><td[^>]*>80</td>', page)
    # Nothing to look at: it is said, and the rest of the page is there.
    assert page.count('holds no checkpoint. Gates, selectivity and predictions are left out.') == 2
    assert '224 x 224' in page


def test_the_best_validation_is_the_lowest_of_an_error(run):
    measured = [{'mAP': 0.5, 'mMR': 0.4}, {'mAP': 0.7, 'mMR': 0.2}, {'mAP': 0.6, 'mMR': 0.3}]
    log = [{**{f'crowd_human/{name}': value for name, value in values.items()}, 'step': epoch}
           for epoch, values in enumerate(measured, 1)]
    assert metrics([find_run(run('a', log=log))]).tables[0].rows == [
        ('crowd_human/mAP', '0.6 (0.7)'), ('crowd_human/mMR', '0.3 (0.2)')]


def test_runs_that_count_epochs_and_runs_that_count_iterations_have_curves_of_their_own(run):
    by_iteration = run('b', log=[dict(loss=1.0, iter=10, step=10), {'accuracy/top1': 80.0, 'step': 10}])
    section = curves([find_run(run('a')), find_run(by_iteration), find_run(run('c'))])
    assert [picture.caption for picture in section.pictures] == [
        'training: a, c', 'training: b', 'validation: a, c', 'validation: b']


def test_a_run_that_was_stopped_before_its_first_log_is_no_error(run, tmp_path):
    page = write_report([find_run(run('only', log=()))], tmp_path / 'report.html').read_text()
    assert 'id="runs"' in page and 'id="config-differences"' not in page and 'id="metrics"' not in page


def test_an_earlier_report_is_replaced_and_any_other_file_is_not(run, tmp_path):
    runs = [find_run(run('only'))]
    write_report(runs, tmp_path / 'report.html')
    write_report(runs, tmp_path / 'report.html')
    (tmp_path / 'thesis.html').write_text('years of work')
    for name in ('thesis.html', ''):
        with pytest.raises(ValueError, match='exists and is no report'):
            write_report(runs, tmp_path / name)
    assert (tmp_path / 'thesis.html').read_text() == 'years of work'


def test_runs_with_one_label_are_refused(run, tmp_path):
    one = find_run(run('a'), 'same')
    with pytest.raises(ValueError, match='labels of their own, got same, same'):
        write_report([one, one], tmp_path / 'report.html')


def test_text_is_escaped():
    section = Section('A <b>', '<script>', tables=[Table(('<i>',), [('<u>',)])], remarks=['<em>'])
    page = render('<h9>', [section])
    assert not re.search('<(b|script|i|u|em|h9)>', page) and '&lt;script&gt;' in page


def test_long_tables_are_folded():
    rows = [(str(k), '1') for k in range(26)]
    assert '<details>' in render('x', [Section('A', '', tables=[Table(('a', 'b'), rows)])])
    assert '<details>' not in render('x', [Section('A', '', tables=[Table(('a', 'b'), rows[:25])])])


def test_pictures_lie_in_the_page():
    assert chart(lambda axis: axis.plot([1, 2]), 'x').source.startswith('data:image/svg+xml;base64,')
    assert photograph(np.zeros((4, 4, 3), np.uint8), 'x').source.startswith('data:image/jpeg;base64,')


def test_predictions_stand_beside_what_the_files_say(scenes, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr('se_backbones.lab.report.sections.sheet_of',
                        lambda found, **_: drawn.extend(found) or np.zeros((8, 8, 3), np.uint8))
    cfg = use_data(narrow('faster_rcnn_ge_r18'), scenes)
    classes = cfg.test_dataloader.dataset.metainfo.classes
    _, checkpoint = save_model(cfg, tmp_path, classes)
    section = predictions([Run('a', tmp_path, cfg, checkpoint)], {'a': Subject.load(cfg, checkpoint)}, 'cpu', count=3)
    assert section.remarks == [] and len(section.pictures) == 1 and len(drawn) == 3
    truth = read_truth(cfg.test_evaluator.ann_file, classes, masks=False)
    for found in drawn:
        expected = truth(found.image)
        assert sorted(one['label'] for one in found.truth) == sorted(one['label'] for one in expected) != []
        np.testing.assert_allclose(sorted(one['box'] for one in found.truth), sorted(one['box'] for one in expected))
