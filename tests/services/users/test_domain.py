"""Rules of a user."""

import pytest
from pydantic import ValidationError

from services.users.domain import NewUser, with_id


def test_name_and_email_are_cleaned():
    user = NewUser(name="  Alice ", email=" Alice.Novak@Example.COM ")
    assert (user.name, user.email, user.age) == ("Alice", "alice.novak@example.com", None)


@pytest.mark.parametrize("email", ["a@b.co", "first.last+tag@sub.example.org", "o'hara@example.ie"])
def test_addresses_that_exist_are_accepted(email):
    assert NewUser(name="A", email=email).email == email


@pytest.mark.parametrize(
    "email", ["", "alice", "alice@", "@example.com", "a@b", "a b@c.de", "a@b..c", "a@-b.de", "a@b.c\n@d.e"]
)
def test_what_is_no_address_is_refused(email):
    with pytest.raises(ValidationError):
        NewUser(name="A", email=email)


@pytest.mark.parametrize("changes", [{"name": " "}, {"name": "x" * 101}, {"age": -1}, {"age": 151}])
def test_name_and_age_have_bounds(changes):
    with pytest.raises(ValidationError):
        NewUser(**({"name": "A", "email": "a@b.co"} | changes))


def test_each_registered_user_gets_an_id_of_its_own():
    new = NewUser(name="A", email="a@b.co", age=30)
    first, second = with_id(new), with_id(new)
    assert first.id.startswith("user")
    assert first.id != second.id
    assert (first.name, first.email, first.age) == ("A", "a@b.co", 30)
