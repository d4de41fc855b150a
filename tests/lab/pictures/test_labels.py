"""Labels lie inside the picture, apart, and hide nothing small."""

import itertools

import numpy as np

from se_backbones.lab.pictures.labels import label_places


def overlap(one, other):
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0) * max(high, 0)


def test_a_label_lies_above_its_box_where_there_is_room():
    place, = label_places(np.array([[50., 60, 120, 160]]), [(40, 20)], 300, 300).tolist()
    assert place == [50, 40, 90, 60]


def test_labels_are_inside_whatever_the_box():
    boxes = np.array([[-5., -3, 20, 20], [280, 0, 310, 30], [0, 290, 20, 300], [0, 0, 300, 300], [150, 150, 150, 150]])
    for left, top, right, bottom in label_places(boxes, [(60, 20)] * 5, 300, 300):
        assert 0 <= left < right <= 300 and 0 <= top < bottom <= 300
    assert label_places(np.array([[0., 0, 5, 5]]), [(60, 20)], 30, 10).tolist() == [[0, 0, 60, 20]]  # no room at all


def test_labels_of_a_crowd_do_not_cover_each_other():
    boxes = np.array([[x, y, x + 60, y + 60.] for x in (20, 110, 200) for y in (40, 130, 220)])
    places = label_places(boxes, [(70, 20)] * 9, 300, 300)
    assert all(overlap(one, other) == 0 for one, other in itertools.combinations(places, 2))
    assert all(overlap(place, box) == 0 for place in places for box in boxes)


def test_a_small_object_is_not_hidden_by_a_large_ones_label():
    boxes = np.array([[50., 60, 250, 250], [60, 45, 75, 58]])  # the small one lies where the label would
    places = label_places(boxes, [(60, 20)] * 2, 300, 300)
    assert overlap(places[0], boxes[1]) == overlap(places[1], boxes[1]) == 0


def test_two_objects_at_one_place_have_two_labels_that_are_read():
    boxes = np.array([[50., 60, 120, 160]] * 4)
    places = label_places(boxes, [(40, 20)] * 4, 300, 300)
    assert all(overlap(one, other) == 0 for one, other in itertools.combinations(places, 2))
