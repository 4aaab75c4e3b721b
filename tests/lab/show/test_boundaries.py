"""Where a system was killed, drawn and as text."""

import pytest

from workbook_lib.lab import show
from workbook_lib.lab.crashes import Boundary, Crash

STORED, DONE = Boundary("orders", "order-saga.charge.stored"), Boundary("orders", "order-saga.charge.done")
CHARGED = Boundary("payments", "rpc.Charge.handled")


def test_each_service_has_a_line_and_each_crash_how_long_until_all_agreed():
    crashes = [Crash(DONE, 1.5, 0.25), Crash(CHARGED, 2.0, 1.0)]
    picture = show.boundaries([STORED, DONE, CHARGED], crashes, title="Killed here")
    assert repr(picture).splitlines() == [
        "orders: order-saga.charge.stored, order-saga.charge.done (killed, agreed after 1.8 s)",
        "payments: rpc.Charge.handled (killed, agreed after 3.0 s)",
    ]
    written = [text.get_text() for text in picture.figure.axes[0].texts]
    assert {"Killed here", "orders", "payments", "1.8 s", "3.0 s", STORED.failpoint} <= set(written)
    assert picture.png().startswith(b"\x89PNG")


def test_nothing_to_draw_and_a_crash_elsewhere_are_refused():
    with pytest.raises(ValueError, match="nothing to draw"):
        show.boundaries([])
    with pytest.raises(ValueError, match=r"wasn't passed: payments: rpc\.Charge\.handled"):
        show.boundaries([STORED], [Crash(CHARGED, 1.0, 1.0)])
