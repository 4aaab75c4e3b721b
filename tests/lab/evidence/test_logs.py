"""A process's log is read by whole lines; the log store is asked in its own language."""

import json
import uuid
from types import SimpleNamespace

import httpx2
import pytest

from workbook_lib.lab.evidence import EvidenceError, eventually, log_records, logs


@pytest.fixture
def trace_id():
    """Of this test's records alone: all tests have one store."""
    return uuid.uuid4().hex


@pytest.fixture
async def store(logs_url, trace_id):
    times = ("2026-01-01T00:00:02Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:03Z")
    records = [
        {"time": time, "event": f"e{number}", "trace_id": trace_id} for number, time in enumerate(times)
    ]
    body = "".join(f'{{"create":{{}}}}\n{json.dumps(record)}\n' for record in records)
    async with httpx2.AsyncClient() as client:
        push = f"{logs_url}/insert/elasticsearch/_bulk?_time_field=time&_msg_field=event"
        (await client.post(push, content=body)).raise_for_status()

    async def all_there():
        return len(await logs(logs_url, f'trace_id:="{trace_id}"')) == len(records)

    await eventually(all_there)
    return logs_url


async def test_records_come_oldest_first_and_no_more_than_asked_for(store, trace_id):
    query = f'trace_id:="{trace_id}"'
    assert [record["_msg"] for record in await logs(store, query)] == ["e1", "e0", "e2"]
    assert [record["_msg"] for record in await logs(store, query, limit=1)] == ["e2"]
    assert await logs(store, 'trace_id:="other"') == []


async def test_what_the_store_does_not_understand_is_an_error_with_its_words(store):
    with pytest.raises(EvidenceError, match=r"the log store answers 400: .*unexpected pipe"):
        await logs(store, "* | bogus")


async def test_a_store_that_is_not_there_is_an_error():
    with pytest.raises(EvidenceError, match="does not answer"):
        await logs("http://127.0.0.1:1", "*")


def test_a_process_s_log_is_read_by_whole_lines_whatever_unicode_calls_a_line_separator(tmp_path):
    log = tmp_path / "users.log"
    paths = ["/users", "/a\u2028b", "/a\x85b\x0cc"]
    lines = [json.dumps({"path": path}, ensure_ascii=False) for path in paths]
    log.write_text("\n".join(["starting up", *lines, '{"path":"/half']), encoding="utf-8")
    assert [record["path"] for record in log_records(SimpleNamespace(log_path=log))] == paths
