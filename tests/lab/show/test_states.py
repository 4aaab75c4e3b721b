"""A state diagram shows the states that occurred, and no others."""

from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from workbook_lib.lab.evidence import Transition
from workbook_lib.lab.show import states
from workbook_lib.lab.show.palette import ALARM

WALKED = [
    Transition("begun", "", "reserve", 12),
    Transition("reserve", "done", "charge", 12),
    Transition("charge", "failed", "charge", 2),
    Transition("charge", "done", "COMPLETED", 9),
    Transition("charge", "refused", "undo reserve", 2),
    Transition("charge", "failed", "undo charge", 1),
    Transition("undo charge", "compensated", "undo reserve", 1),
    Transition("undo reserve", "compensated", "COMPENSATED", 3),
]


def _texts(picture):
    return [text.get_text() for axes in picture.figure.axes for text in axes.texts]


def test_each_state_and_what_led_to_it_and_how_often_is_written():
    texts = _texts(states(WALKED, title="Twelve orders"))
    assert {"begun", "reserve", "charge", "COMPLETED", "undo reserve", "COMPENSATED", "Twelve orders"} <= {
        *texts
    }
    assert {"done \N{MULTIPLICATION SIGN}9", "refused \N{MULTIPLICATION SIGN}2"} <= {*texts}
    assert "failed, tried again \N{MULTIPLICATION SIGN}2" in texts


def test_the_ways_back_are_red_and_the_others_are_not():
    [axes] = states(WALKED).figure.axes
    arrows = [
        patch for patch in axes.patches if isinstance(patch, FancyArrowPatch) and patch.get_zorder() == 2
    ]
    colours = [to_hex(arrow.get_edgecolor()) for arrow in arrows]
    assert (len(colours), colours.count(ALARM)) == (7, 4)


def test_the_text_beside_the_picture_says_the_same():
    assert "charge -> undo reserve  refused \N{MULTIPLICATION SIGN}2" in states(WALKED).text


def test_without_transitions_there_is_nothing_to_draw():
    assert states([]).text == "no transitions"
