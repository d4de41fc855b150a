"""Figures: legends and labels cover no data, and every format is a real one."""

import itertools
import subprocess
import sys

import pytest

from se_backbones.lab.pictures.figures import FORMATS, in_words, label_ends, legend_below, panels, save, spread, tidy


@pytest.fixture
def figure():
    figure, axes = panels(4, columns=2)
    for axis in axes:
        for index in range(5):
            axis.plot([1, 2, 3], [1, 0.5, 0.1 + index / 1000], label=f'a network {index}')
        tidy(axis, 'title', 'epoch', 'error')
    return figure


def boxes(figure, artists):
    figure.draw_without_rendering()
    return [artist.get_window_extent() for artist in artists]


def test_a_legend_overlaps_no_panel_and_names_each_line_once(figure):
    legend_below(figure)
    legend, *axes = boxes(figure, [figure.legends[0], *figure.axes])
    assert not any(legend.overlaps(axis) for axis in axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f'a network {index}' for index in range(5)]
    assert 0 <= legend.x0 and legend.x1 <= figure.bbox.width and 0 <= legend.y0


def test_a_title_longer_than_its_panel_is_not_cut_off():
    figure, (axis,) = panels(1, size=(4, 2))
    tidy(axis, 'a title that is a good deal longer than the panel is wide')
    axis.set_yticks([0], ['a long name of a row, beside the panel'])
    figure.draw_without_rendering()
    box = axis.title.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_the_ends_of_lines_are_read_beside_the_data_and_apart(figure):
    label_ends(figure)
    for axis in figure.axes:
        area, *labels = boxes(figure, [axis, *axis.texts])
        assert len(labels) == 5 and all(label.x0 >= area.x1 and label.x1 <= figure.bbox.width for label in labels)
        assert not any(one.overlaps(other) for one, other in itertools.combinations(labels, 2))
    assert figure.axes[0].texts[4].get_text() == 'a network 4 0.104'


def test_labels_are_moved_no_more_than_they_must():
    assert spread([0.1, 0.5, 0.9], 0.1) == [0.1, 0.5, 0.9]
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert spread([0.0, 0.0, 0.3], 0.1) == pytest.approx([0, 0.1, 0.3])  # not below the axis
    assert spread([], 0.1) == []


@pytest.mark.parametrize(('kind', 'begin', 'end'), [
    ('png', b'\x89PNG\r\n', b'IEND\xaeB`\x82'), ('pdf', b'%PDF-1.', b'%%EOF\n'), ('svg', b'<?xml', b'</svg>\n')])
def test_each_format_is_a_real_one_and_the_same_twice(figure, tmp_path, kind, begin, end):
    content = save(figure, tmp_path / 'deep' / f'a.{kind}').read_bytes()
    assert content.startswith(begin) and content.endswith(end)
    assert save(figure, tmp_path / f'b.{kind}').read_bytes() == content
    if kind == 'pdf':
        assert b'/Type3' not in content and b'/FontFile2' in content  # TrueType, which publishers take


def test_a_figure_is_not_written_over_another_unless_it_may_be(figure, tmp_path):
    file = save(figure, tmp_path / 'a.svg')
    with pytest.raises(FileExistsError, match=r'a\.svg exists and is not overwritten'):
        save(figure, file)
    assert save(figure, file, replace=True) == file


def test_other_formats_are_refused_by_name(figure, tmp_path):
    with pytest.raises(ValueError, match=r"a\.jpg must be one of 'png', 'pdf', 'svg', got 'jpg'"):
        save(figure, tmp_path / 'a.jpg')
    assert FORMATS == ('png', 'pdf', 'svg') and not list(tmp_path.iterdir())


def test_metrics_have_words_that_readers_know():
    assert in_words('coco/bbox_mAP') == 'box mAP' and in_words('accuracy/top1') == 'top-1 accuracy (%)'
    assert in_words('my/metric') == 'my/metric'


def test_asking_for_the_formats_imports_no_matplotlib():
    code = 'import sys, se_backbones.lab.pictures.figures; sys.exit("matplotlib" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
