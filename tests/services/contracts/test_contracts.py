"""The contracts: stubs as generated, messages as agreed."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import services.contracts
from services.contracts import names, topics, users_pb2
from services.contracts.events import ORDER_PLACED, UserEvent
from services.contracts.generate import generate

CONTRACTS = Path(services.contracts.__file__).parent
EVENT = {"event_id": "e1", "type": ORDER_PLACED, "user_id": "user123", "at": "2026-11-24T04:00:00Z"}


def test_the_committed_stubs_are_what_the_protos_give_byte_for_byte(tmp_path):
    generated = {path.name: path.read_bytes() for path in generate(tmp_path)}
    committed = {path.name: path.read_bytes() for path in CONTRACTS.glob("*_pb2*.py*")}
    assert len(generated) == 4 * len(list(CONTRACTS.glob("*.proto")))
    assert generated == committed, "run: make stubs"


def test_the_stubs_do_not_need_the_generator_at_run_time():
    program = "import sys; sys.modules['grpc_tools'] = None; import services.contracts.users_pb2_grpc"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_user_contract_is_the_agreed_one():
    service = users_pb2.DESCRIPTOR.services_by_name["UserService"]
    assert service.full_name == "workbook.users.v1.UserService"
    fields = {field.name: field.number for field in users_pb2.UserResponse.DESCRIPTOR.fields}
    assert fields == {"name": 1, "age": 2}


def test_an_event_can_not_be_changed():
    event = UserEvent.model_validate(EVENT)
    with pytest.raises(ValidationError):
        event.user_id = "user124"


def test_an_event_survives_the_wire():
    event = UserEvent.model_validate(EVENT | {"data": {"quantity": 2, "sku": "mouse"}})
    assert UserEvent.model_validate_json(event.model_dump_json()) == event


def test_a_reader_ignores_what_it_does_not_know():
    event = UserEvent.model_validate(EVENT | {"type": "user_danced", "colour": "green"})
    assert event.type == "user_danced"


@pytest.mark.parametrize("missing", ["event_id", "type", "user_id", "at"])
def test_an_event_without_identity_or_time_is_refused(missing):
    with pytest.raises(ValidationError):
        UserEvent.model_validate({name: value for name, value in EVENT.items() if name != missing})


def test_an_event_without_a_time_zone_is_refused():
    with pytest.raises(ValidationError):
        UserEvent.model_validate(EVENT | {"at": "2026-11-24T04:00:00"})


def test_every_topic_has_its_partitions_and_every_service_a_name_of_its_own():
    named = {getattr(topics, name) for name in topics.__all__ if name != "PARTITIONS"}
    assert topics.PARTITIONS.keys() == named
    assert topics.PARTITIONS[topics.USER_EVENTS] == 6
    assert min(topics.PARTITIONS.values()) > 1, "with one partition, nobody could help a consumer"
    all_names = [getattr(names, name) for name in names.__all__]
    assert len(set(all_names)) == len(all_names)
