"""Typed errors and the one body in which they travel."""

import pytest

from workbook_lib.kit import errors
from workbook_lib.kit.clock import ManualClock

KINDS = [getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)]
KINDS = [kind for kind in KINDS if issubclass(kind, errors.ServiceError) and kind is not errors.ServiceError]


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_begins_with_its_status(kind):
    assert kind.code // 100 == kind.status


@pytest.mark.parametrize("kind", KINDS)
def test_the_module_draws_every_error_with_its_code_status_and_retryability(kind):
    line = next(line for line in errors.__doc__.splitlines() if f" {kind.__name__} " in line)
    assert line.split()[-3:] == [str(kind.code), str(kind.status), "yes" if kind.retryable else "no"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_to_the_caller(kind):
    body = errors.error_body(kind("the cause", details={"sku": "A1"}), "0" * 32, ManualClock())
    rebuilt = errors.from_body(kind.status, body.model_dump())
    assert type(rebuilt) is kind
    assert (rebuilt.code, rebuilt.details) == (kind.code, {"sku": "A1"})


def test_the_time_of_a_body_is_rfc_3339_in_utc():
    body = errors.error_body(errors.NotFound("no user 7"), "abc", ManualClock())
    assert body.model_dump(exclude_none=True) == {
        "code": 40401,
        "message": "no user 7",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "traceId": "abc",
    }


@pytest.mark.parametrize(
    "kind", [errors.Internal, errors.DependencyFailed, errors.Unavailable, errors.DeadlineExceeded]
)
def test_a_callers_copy_of_a_server_fault_tells_nothing_of_the_inside(kind):
    body = errors.error_body(kind("postgresql://user:secret@db failed"), "", ManualClock())
    assert "secret" not in body.message


def test_a_services_own_code_reaches_the_caller_as_the_plain_kind_with_that_code():
    class OutOfStock(errors.Conflict):
        code = 40902

    body = errors.error_body(OutOfStock("none left"), "", ManualClock())
    rebuilt = errors.from_body(409, body.model_dump())
    assert type(rebuilt) is errors.Conflict
    assert rebuilt.code == 40902
    assert errors.Conflict.code == 40901


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (404, errors.NotFound, 40401),
        (418, errors.InvalidRequest, 41801),
        (507, errors.DependencyFailed, 50701),
    ],
)
def test_an_answer_that_is_no_error_body_still_becomes_a_typed_error(status, kind, code):
    rebuilt = errors.from_body(status, {"detail": "something else"})
    assert (type(rebuilt), rebuilt.status, rebuilt.code) == (kind, status, code)


def test_a_code_that_contradicts_its_status_is_not_believed():
    assert errors.from_body(503, {"code": 40401, "message": "x"}).code == 50301


@pytest.mark.parametrize(("status", "kind"), [(418, errors.InvalidRequest), (507, errors.DependencyFailed)])
def test_a_status_without_an_error_of_its_own_is_the_plain_kind_of_its_class(status, kind):
    error = errors.of_status(status, "unusual")
    assert isinstance(error, kind)
    assert (error.status, error.code) == (status, status * 100 + 1)


def test_the_catalogue_lists_every_kind_once_in_the_order_of_codes():
    listed = [kind for kind in errors.catalogue() if getattr(errors, kind.name, None) is not None]
    assert [kind.code for kind in listed] == sorted({kind.code for kind in KINDS})
    conflict = next(kind for kind in listed if kind.name == "Conflict")
    assert conflict == (
        40901,
        409,
        "Conflict",
        False,
        "The request contradicts the present state; repeating it unchanged won't help.",
    )


def test_a_services_own_code_joins_the_catalogue_and_an_inherited_one_does_not():
    class SoldOut(errors.Conflict):
        """Nothing is left."""

        code = 40999

    class SoldOutForever(SoldOut):
        """The same to a caller."""

    (own,) = [kind for kind in errors.catalogue() if kind.code == 40999]
    assert (own.name, own.status, own.meaning) == ("SoldOut", 409, "Nothing is left.")
