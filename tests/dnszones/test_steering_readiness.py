"""Who has which site, by what edges have acknowledged."""

import numpy as np

from dnszones.readiness import Published, ready_mask, serving_mask
from edge.acks import Ack

EPOCH = 1763971200


def ack(rev, *, epoch=EPOCH, refuses=None, **facts):
    """An edge that has handled this revision; `refuses`: document → the refused revision."""
    refusals = {name: {"epoch": EPOCH, "rev": at, "why": "no origin"} for name, at in (refuses or {}).items()}
    return Ack(age=1.0, epoch=epoch, rev=rev, refusals=refusals, **facts)


def site(since_rev, *, document="domain:a.example", epoch=EPOCH):
    return Published(document, epoch, since_rev)


def ready(published, *acks):
    return ready_mask(published, acks).tolist()


def test_an_edge_has_a_site_from_the_revision_on_with_which_it_went_live():
    assert ready([site(7)], ack(6), ack(7), ack(8)) == [[False, True, True]]


def test_each_site_and_each_edge_stands_for_itself():
    assert ready([site(3), site(9)], ack(2), ack(5), ack(9)) == [[False, True, True], [False, False, True]]


def test_an_edge_that_has_never_said_anything_has_nothing():
    assert ready([site(0), site(1)], Ack()) == [[False], [False]]


def test_an_acknowledgement_of_another_epoch_says_nothing():
    assert ready([site(3)], ack(9, epoch=EPOCH - 1), ack(9, epoch=EPOCH + 1)) == [[False, False]]


def test_a_site_that_is_not_published_is_nowhere():
    assert ready([None, site(1)], ack(9), Ack()) == [[False, False], [True, False]]


def test_an_edge_that_refuses_the_document_does_not_have_the_site():
    refusing = ack(9, refuses={"domain:a.example": 8})
    assert ready([site(3), site(3, document="domain:b.example")], refusing, ack(9)) == [
        [False, True],
        [True, True],
    ]


def test_a_refusal_of_an_earlier_life_of_the_name_does_not_count():
    assert ready([site(5)], ack(9, refuses={"domain:a.example": 4})) == [[True]]
    assert ready([site(5)], ack(9, refuses={"domain:a.example": 5})) == [[False]]


def test_a_document_is_refused_for_all_of_its_names():
    later = site(8)  # an alias of the same document, which came later
    assert ready([site(3), later], ack(9, refuses={"domain:a.example": 9})) == [[False], [False]]


def test_an_edge_that_refuses_more_than_it_can_list_has_nothing_for_sure():
    assert ready([site(3)], ack(9, refusals_cut=True), ack(9)) == [[False, True]]


def test_refusals_without_sense_are_none():
    odd = Ack(epoch=EPOCH, rev=9, refusals={"domain:a.example": {"rev": "x"}, "domain:b.example": {}})
    assert ready([site(3)], odd) == [[True]]


def test_nothing_published_and_nobody_there_are_masks_too():
    assert ready_mask([], [ack(1)]).shape == (0, 1)
    assert ready_mask([site(1), None], []).shape == (2, 0)
    assert ready_mask([site(1)], [ack(1)]).dtype == np.bool_


# -- certificates -----------------------------------------------------------------------------------


def secured(sites, certificates, *acks):
    return serving_mask(sites, certificates, acks).tolist()


def certificate(since_rev):
    return Published("certificate:a.example", EPOCH, since_rev)


def test_a_site_with_a_certificate_is_ready_where_the_certificate_is_too():
    assert secured([site(3)], [certificate(7)], ack(2), ack(6), ack(7)) == [[False, False, True]]
    assert secured([site(8)], [certificate(7)], ack(7), ack(8)) == [[False, True]]


def test_a_site_that_needs_no_certificate_or_has_none_yet_does_not_wait_for_one():
    assert secured([site(3), site(3)], [None, certificate(7)], ack(5)) == [[True], [False]]
    assert secured([None], [certificate(7)], ack(9)) == [[False]]
    assert secured([], [], ack(1)) == []


def test_an_edge_that_refuses_the_certificate_does_not_have_the_site():
    refusing = ack(9, refuses={"certificate:a.example": 8})
    assert secured([site(3)], [certificate(7)], refusing, ack(9)) == [[False, True]]
    assert secured([site(3)], [None], refusing) == [[True]]
