"""A cluster address has its stand-in on loopback, and each pod one of its own."""

import socket

import pytest

from workbook_lib.lab.kubernetes.addresses import NoAddressLeft, PodAddresses, cluster_address, stand_in


def test_the_last_three_numbers_stay():
    assert stand_in("10.244.0.7") == "127.244.0.7"
    assert cluster_address("127.244.0.7") == "10.244.0.7"


@pytest.mark.parametrize("address", ["192.0.2.1", "127.0.0.1", "fd00::1", "welcome"])
def test_an_address_outside_the_cluster_has_none(address):
    with pytest.raises(ValueError, match=address):
        stand_in(address)


def test_no_two_pods_get_the_same_and_a_range_ends():
    addresses = PodAddresses("10.244.200.0/29")
    taken = {addresses.take() for _ in range(6)}
    assert taken == {f"10.244.200.{number}" for number in range(1, 7)}
    with pytest.raises(NoAddressLeft, match="6"):
        addresses.take()
    addresses.release("10.244.200.3")
    assert addresses.take() == "10.244.200.3"


def test_an_address_where_somebody_listens_is_passed_over():
    with socket.create_server(("127.244.201.1", 0)) as other:
        port = other.getsockname()[1]
        assert {PodAddresses("10.244.201.0/30").take([port]) for _ in range(8)} == {"10.244.201.2"}
