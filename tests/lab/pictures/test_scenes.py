"""Drawn scenes: what is drawn where, in which colours, and large enough to be read."""

import numpy as np
import pytest

from se_backbones.lab.pictures.colours import palette
from se_backbones.lab.pictures.scenes import GAP, SIDE, TEXT, draw, sheet, text_font, words_of, write_picture

GREY = np.full((100, 120, 3), 90, np.uint8)


def region(side=20):
    mask = np.zeros((100, 120), bool)
    mask[40:40 + side, 40:40 + side] = True
    return mask


def test_the_smallest_text_is_twelve_pixels_high():
    for digit in '0123456789AMX':
        left, top, right, bottom = text_font(TEXT).getbbox(digit)
        assert bottom - top >= 12
    assert text_font(TEXT).getbbox('Größe кот')[2] > 60  # written, not boxes of a font without these letters


def test_a_label_is_as_high_and_in_the_colours_that_can_be_read():
    drawn = draw(GREY, [dict(label='car', number=0, score=0.875, box=[30, 40, 60, 70])], [(0, 0, 142)])
    ground = np.argwhere((drawn[:127] == (0, 0, 142)).all(-1))  # above the box, which begins at 3.2 times 40
    high, wide = np.ptp(ground, axis=0) + 1
    assert high >= 18 and wide > 70
    white = np.argwhere((drawn[:127] > 200).all(-1))
    assert np.ptp(white[:, 0]) + 1 >= 12


def test_small_pictures_are_enlarged_and_the_boxes_with_them():
    drawn = draw(GREY, [dict(label='car', number=1, score=0.9, box=[30, 40, 60, 70])], [(0, 0, 0), (255, 255, 0)])
    assert drawn.shape == (320, SIDE, 3)
    assert (drawn[150, 96] == (255, 255, 0)).all() and (drawn[150, 94] == 0).all()  # with a dark edge around it
    assert draw(np.zeros((500, 800, 3), np.uint8), []).shape == (500, 800, 3)
    assert (draw(GREY, []) == 90).all()


def test_masks_are_tinted_and_outlined():
    drawn = draw(GREY, [dict(label='car', number=0, score=0.9, box=[40, 40, 60, 60], mask=region())], [(0, 0, 250)])
    assert drawn[160, 160, 2] > 140 > 90 > drawn[160, 160, 0]
    # One object without a mask among those with one: boxes alone.
    mixed = [dict(label='car', number=0, box=[40, 40, 60, 60], mask=region()), dict(label='car', number=0,
                                                                                   box=[5, 50, 20, 90])]
    assert (draw(GREY, mixed, [(0, 0, 250)])[160, 160] == 90).all()


def test_segments_have_a_legend_below_the_picture_which_hides_nothing():
    objects = [dict(label='ground', number=0, score=0.96, mask=~region()), dict(label='lane', number=1, score=0.04,
                                                                               mask=region())]
    colours = [(0, 0, 0), (255, 0, 255)]
    drawn = draw(GREY, objects, colours)
    assert drawn.shape[0] > 320 and drawn.shape[1] == SIDE
    scene, legend = drawn[:320], drawn[320:]
    assert not (scene == 255).all(-1).any()  # no text over the picture
    assert all((legend == colour).all(-1).sum() > 100 for colour in colours)
    assert (scene[150, 150] == np.round(0.6 * np.array(colours[1]) + 0.4 * 90)).all()


def test_classes_are_written_below_the_best_first():
    drawn = draw(np.full((32, 32, 3), 90, np.uint8), [dict(label=f'kind {k}', number=k, score=0.5 / (k + 1))
                                                      for k in range(5)])
    assert drawn.shape[:2] == (SIDE + GAP + 2 * (sum(text_font(TEXT).getmetrics()) + 4), SIDE)
    assert (drawn[:SIDE] == 90).all() and (drawn[SIDE:] < 50).all(-1).any()


def test_words_are_the_name_and_two_digits_of_the_score():
    assert words_of(dict(label='six', score=0.8749)) == 'six 0.87' and words_of(dict(label='six')) == 'six'


def test_a_sheet_has_its_titles_above_equal_columns():
    pictures = [np.full((50, 200, 3), shade, np.uint8) for shade in (10, 20, 30, 40)]
    plain = sheet([pictures[:2], pictures[2:]])
    assert plain.shape == (100 + GAP, 400 + GAP, 3)
    assert [plain[y, x, 0] for y in (0, -1) for x in (0, -1)] == [10, 20, 30, 40]
    assert (plain[:, 200:200 + GAP] == 255).all()
    titled = sheet([pictures[:2], pictures[2:]], ['truth', 'prediction'])
    head = titled.shape[0] - plain.shape[0]
    assert head > 20 and (titled[head:] == plain).all()
    assert (titled[:head, :200] == 0).any() and (titled[:head, 210:] == 0).any()
    assert sheet([pictures[:2]], side=100).shape == (25, 200 + GAP, 3)


def test_colours_are_chosen_for_the_classes_that_are_there_where_none_are_named():
    drawn = draw(GREY, [dict(label='two', number=2, box=[30, 40, 60, 70])])
    assert (drawn == palette(3)[2]).all(-1).sum() > 500


def test_a_picture_is_not_written_over_another(tmp_path):
    file = write_picture(GREY, tmp_path / 'new' / 'a.png')
    with pytest.raises(FileExistsError, match='exists and is not overwritten'):
        write_picture(GREY, file)
