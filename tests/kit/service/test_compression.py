"""gzip inside a service: what goes over the wire, and when it is left alone."""

import gzip

import httpx2
import pytest
from fastapi import Response
from fastapi.responses import StreamingResponse

from workbook_lib.kit.service import Service
from workbook_lib.kit.service.compression import Compression
from workbook_lib.kit.settings import ServiceSettings

TEXT = "the same words again and again; " * 200


@pytest.fixture
def service():
    service = Service(ServiceSettings(service="demo"), title="Demo")
    service.add_middleware(Compression, minimum_bytes=1000)

    @service.app.get("/sized/{length}")
    async def sized(length: int) -> Response:
        return Response(TEXT[:length], media_type="text/plain")

    @service.app.get("/typed")
    async def typed(media_type: str) -> Response:
        return Response(TEXT, media_type=media_type)

    @service.app.get("/events")
    async def events() -> StreamingResponse:
        async def parts():
            for _ in range(3):
                yield f"data: {TEXT}\n\n"

        return StreamingResponse(parts(), media_type="text/event-stream")

    @service.app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("secret")

    return service


async def _raw(client: httpx2.AsyncClient, path: str, accept: str = "gzip", **params: str):
    """The answer and the bytes of its body as they came."""
    async with client.stream("GET", path, headers={"Accept-Encoding": accept}, params=params) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


async def test_a_long_text_is_a_tenth_of_its_bytes_on_the_wire_and_the_same_text(service, calling):
    async with calling(service) as client:
        answer, body = await _raw(client, "/sized/5000")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(body) < 500
    assert gzip.decompress(body).decode() == TEXT[:5000]
    assert "Accept-Encoding" in answer.headers["vary"]


async def test_below_the_minimum_nothing_is_compressed(service, calling):
    async with calling(service) as client:
        for length, encoding in ((999, None), (1000, "gzip")):
            answer, _ = await _raw(client, f"/sized/{length}")
            assert answer.headers.get("content-encoding") == encoding


@pytest.mark.parametrize("accept", ["", "identity", "br", "gzip;q=0", "br, GZIP; q=0.000"])
async def test_a_client_that_does_not_accept_gzip_gets_none_and_caches_are_told(service, calling, accept):
    async with calling(service) as client:
        answer, body = await _raw(client, "/sized/5000", accept)
    assert "content-encoding" not in answer.headers
    assert (len(body), answer.headers["vary"]) == (5000, "Accept-Encoding")


@pytest.mark.parametrize("accept", ["gzip", "br;q=1, gzip;q=0.5", "gzip;q=0.001"])
async def test_a_weight_above_nothing_is_acceptance(service, calling, accept):
    async with calling(service) as client:
        answer, _ = await _raw(client, "/sized/5000", accept)
    assert answer.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("media_type", ["image/png", "application/pdf", "application/zip", "video/mp4"])
async def test_what_is_packed_already_passes_as_it_is(service, calling, media_type):
    async with calling(service) as client:
        answer, body = await _raw(client, "/typed", media_type=media_type)
    assert "content-encoding" not in answer.headers
    assert body.decode() == TEXT


async def test_server_sent_events_are_not_held_back(service, calling):
    async with calling(service) as client:
        answer, body = await _raw(client, "/events")
    assert "content-encoding" not in answer.headers
    assert body.startswith(b"data: ")


async def test_the_edge_still_knows_the_route_of_what_was_refused_compression(service, calling):
    async with calling(service) as client:
        await _raw(client, "/sized/5000", "gzip;q=0")
        metrics = (await client.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/sized/{length}",status="200"} 1.0' in metrics


async def test_an_error_has_the_uniform_body_through_it(service, calling):
    async with calling(service) as client:
        answer, _ = await _raw(client, "/fail")
    assert answer.status_code == 500
