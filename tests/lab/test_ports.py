"""A port is the well-known one if free; taken, the note names who has it; held ports collide with nobody."""

import os
import socket
import subprocess
import sys

import psutil
import pytest

from workbook_lib.lab import ports
from workbook_lib.lab.ports import NoFreePort, PortAllocator, PortRequest

RESERVE = """
import sys
from pathlib import Path
from workbook_lib.lab.ports import PortAllocator, PortRequest
held = PortAllocator(Path(sys.argv[1])).reserve(PortRequest("http", int(sys.argv[2])))
held.hand_over()
print(held.port, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def allocator(tmp_path):
    return PortAllocator(tmp_path)


@pytest.fixture
def free_port():
    """A port that other tests' labs keep away from; these tests' allocators have a folder of their own."""
    kept = PortAllocator().reserve(PortRequest("http", udp=True))
    kept.hand_over()
    yield kept.port
    kept.release()


def bound(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    taken = socket.socket(socket.AF_INET, kind)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    return taken


def test_the_preferred_port_is_used_when_free(allocator, free_port):
    reservation = allocator.reserve(PortRequest("http", free_port))
    assert (reservation.port, reservation.note) == (free_port, "")
    reservation.release()


def test_a_taken_port_is_replaced_and_the_note_names_its_owner(allocator, free_port):
    with bound(free_port) as taken:
        taken.listen()
        reservation = allocator.reserve(PortRequest("http", free_port))
    me = f"{psutil.Process().name()} (pid {os.getpid()})"
    assert reservation.note == f"{free_port} is taken by {me}; using {reservation.port}"
    reservation.release()


def test_other_ports_lie_outside_the_range_for_outgoing_connections(allocator):
    reservation = allocator.reserve(PortRequest("http"))
    assert 20000 <= reservation.port < 30000
    assert reservation.note == ""
    reservation.release()


def test_a_udp_listener_counts_where_udp_is_asked_for(allocator, free_port):
    with bound(free_port, socket.SOCK_DGRAM):
        assert allocator.reserve(PortRequest("dns", free_port, udp=True)).port != free_port
        assert allocator.reserve(PortRequest("http", free_port)).port == free_port


def test_a_held_port_can_be_bound_by_nobody_until_it_is_handed_over(allocator):
    reservation = allocator.reserve(PortRequest("dns", udp=True))
    with pytest.raises(OSError, match="in use"), socket.socket() as stranger:
        stranger.bind(("127.0.0.1", reservation.port))
    reservation.hand_over()
    bound(reservation.port).close()
    reservation.release()


def test_a_handed_over_port_is_still_kept_from_other_chapters(tmp_path, allocator, free_port):
    other = subprocess.Popen(
        [sys.executable, "-c", RESERVE, str(tmp_path), str(free_port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == f"{free_port}\n"
    reservation = allocator.reserve(PortRequest("http", free_port))
    assert reservation.note.startswith(f"{free_port} is taken by another chapter (pid {other.pid}); using ")
    other.communicate("")
    again = allocator.reserve(PortRequest("http", free_port))
    assert again.port == free_port, "a chapter's end gives its ports back"


def test_two_labs_of_one_process_dont_collide(tmp_path, free_port):
    first, second = (PortAllocator(tmp_path).reserve(PortRequest("http", free_port)) for _ in range(2))
    assert first.port == free_port
    assert second.port != free_port
    first.release()
    assert PortAllocator(tmp_path).reserve(PortRequest("http", free_port)).port == free_port


def test_all_ports_are_reserved_or_none(tmp_path, monkeypatch, free_port):
    monkeypatch.setattr(ports, "OTHER_PORTS", range(free_port, free_port + 1))
    allocator = PortAllocator(tmp_path)
    with pytest.raises(NoFreePort, match=f"no free port on 127.0.0.1 in {free_port}-{free_port} for grpc"):
        allocator.reserve_all([PortRequest("http"), PortRequest("grpc")])
    assert allocator.reserve_all([PortRequest("http")])["http"].port == free_port


def test_a_resting_port_refuses_everybody_until_it_is_given_back(tmp_path, allocator, free_port):
    reservation = allocator.reserve(PortRequest("dns", free_port, udp=True))
    reservation.hand_over()
    reservation.rest()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), timeout=5)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with pytest.raises(OSError, match="in use"), socket.socket(type=kind) as stranger:
            stranger.bind(("127.0.0.1", free_port))
    reservation.release()
    reservation.rest()
    assert allocator.reserve(PortRequest("dns", free_port, udp=True)).port == free_port
