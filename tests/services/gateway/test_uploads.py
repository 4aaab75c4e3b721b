"""Uploads to a live gateway: what an attacker tries, and what an honest caller gets."""

import asyncio
import base64
import hashlib

import httpx2
import psutil
import pytest

from workbook_lib.lab.evidence import eventually

PNG = b"\x89PNG\r\n\x1a\n" + bytes(5000)
PDF = b"%PDF-1.7\n"
MB = 1_000_000


@pytest.fixture
async def client(gateway_process):
    async with httpx2.AsyncClient(base_url=gateway_process.url, timeout=60, trust_env=False) as client:
        yield client


async def _send(client, content=PNG, name="photo.png", **headers):
    return await client.post("/uploads", files={"file": (name, content, "text/html")}, headers=headers)


async def _endless(size, beginning=PDF):
    """A form with one file of `size` bytes, made as it is sent."""
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="big.pdf"\r\n\r\n' + beginning
    piece = bytes(65_536)
    for start in range(len(beginning), size, len(piece)):
        yield piece[: size - start]
    yield b"\r\n--b--\r\n"


def _stream(client, size):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return client.post("/uploads", content=_endless(size), headers=headers)


@pytest.fixture(autouse=True)
def emptied(gateway_process):
    """The tests share a gateway; each begins with an empty folder."""
    for path in gateway_process.uploads:
        path.unlink()


async def test_a_file_comes_back_as_it_was_sent_under_its_name_and_by_its_content(client, gateway_process):
    sent = await _send(client, name="猫.html")
    upload = sent.json()
    assert (sent.status_code, sent.headers["location"]) == (201, f"/uploads/{upload['id']}")
    assert upload["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert (upload["name"], upload["media_type"], upload["bytes"]) == ("猫.html", "image/png", len(PNG))
    got = await client.get(sent.headers["location"])
    assert (got.content, got.headers["content-type"]) == (PNG, "image/png")
    assert got.headers["content-disposition"].endswith("filename*=UTF-8''%E7%8C%AB.html")
    assert got.headers["x-content-type-options"] == "nosniff"
    part = await client.get(sent.headers["location"], headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, PNG[:8])
    assert (await client.delete(sent.headers["location"])).status_code == 204
    assert (await client.get(sent.headers["location"])).status_code == 404
    assert gateway_process.uploads == []


@pytest.mark.parametrize("name", ["../../../evil.png", "/tmp/evil.png", "..\\evil.png", "a\x00.png", "NUL"])
async def test_traversal_and_other_hostile_names_are_a_400_and_leave_nothing(client, gateway_process, name):
    body = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + PNG
    answer = await client.post(
        "/uploads",
        content=body + b"\r\n--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, 40001)
    assert answer.json()["details"][0]["field"] == "file"
    assert gateway_process.uploads == []


async def test_a_name_never_becomes_a_path_and_never_a_header_of_its_own(client, gateway_process):
    sent = await _send(client, name='x"\r\nSet-Cookie=1;.png')  # the client writes it as %22%0D%0A
    (folder,) = {path.parent for path in gateway_process.uploads}
    assert (folder.name, len(folder.name)) == (sent.json()["id"], 32)
    got = await client.get(sent.headers["location"])
    assert got.headers["content-disposition"] == (
        'attachment; filename="x_22_0D_0ASet-Cookie_1_.png"; '
        "filename*=UTF-8''x%2522%250D%250ASet-Cookie%3D1%3B.png"
    )
    assert "set-cookie" not in got.headers


@pytest.mark.parametrize("path", ["..%2f..%2fetc%2fpasswd", "unfinished", "." * 32, "a" * 31, "A" * 32])
async def test_what_is_no_id_finds_nothing(client, path):
    for method in ("GET", "DELETE"):
        answer = await client.request(method, f"/uploads/{path}")
        assert answer.status_code in (400, 404)
        assert answer.json()["code"] in (40001, 40401)


async def test_a_file_that_is_not_what_its_name_says_is_judged_by_its_content(client, gateway_process):
    for content in (b"<script>alert(1)</script>", b"MZ\x90\x00" + bytes(100), b""):
        answer = await _send(client, content, "photo.png")
        assert (answer.status_code, answer.json()["code"]) == (415, 41501)
    assert gateway_process.uploads == []


async def test_memory_stays_flat_while_200_mb_come_in(client, gateway_process):
    await _stream(client, MB)  # what is loaded on first use is loaded
    process = psutil.Process(gateway_process.pid)
    before = most = process.memory_info().rss
    sending = asyncio.create_task(_stream(client, 200 * MB))
    while not sending.done():
        most = max(most, process.memory_info().rss)
        await asyncio.sleep(0.02)
    upload = (await sending).json()
    assert upload["bytes"] == 200 * MB
    digest = hashlib.sha256(PDF)
    digest.update(bytes(200 * MB - len(PDF)))
    assert upload["sha256"] == digest.hexdigest()
    assert most - before < 20 * MB


async def test_an_oversize_file_is_a_413_announced_or_not_and_leaves_nothing(gateways):
    process = gateways()
    process.start(max_upload_bytes=str(MB))
    async with httpx2.AsyncClient(base_url=process.url, timeout=30, trust_env=False) as client:
        assert (await _stream(client, MB)).status_code == 201
        for answer in (
            await _stream(client, MB + 1),
            await _stream(client, 20 * MB),
            await _send(client, PNG + bytes(2 * MB)),
        ):
            assert (answer.status_code, answer.json()["code"]) == (413, 41301)
    assert len(process.uploads) == 2, "the first one's content and what is known of it"


async def test_another_route_keeps_its_small_limit(client):
    answer = await client.post("/users", content=b"[" + bytes(2 * MB))
    assert answer.status_code == 413


async def test_a_digest_is_verified_and_a_damaged_file_is_not_kept(client, gateway_process):
    request = client.build_request("POST", "/uploads", files={"file": ("a.png", PNG)})
    body = request.read()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    headers = {"Content-Type": request.headers["content-type"], "Content-Digest": f"sha-256=:{digest}:"}
    damaged = body.replace(bytes(5), b"wrong", 1)
    answer = await client.post("/uploads", content=damaged, headers=headers)
    assert (answer.status_code, "damaged" in answer.json()["message"]) == (400, True)
    assert gateway_process.uploads == []
    kept = await client.post("/uploads", content=body, headers=headers)
    got = await client.get(kept.headers["location"])
    whole = base64.b64encode(hashlib.sha256(got.content).digest()).decode()
    assert got.headers["repr-digest"] == f"sha-256=:{whole}:"


async def _begin_upload(process):
    """A connection on which half of a file was sent."""
    before = len(process.uploads)
    _, writer = await asyncio.open_connection("127.0.0.1", process.port)
    writer.write(
        b"POST /uploads HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-' + bytes(500_000)
    )
    await writer.drain()
    await eventually(lambda: len(process.uploads) > before, interval_seconds=0.02)
    return writer


async def _nothing_left(process):
    await eventually(lambda: not process.uploads, interval_seconds=0.02)


async def test_an_upload_that_its_caller_breaks_off_leaves_nothing(gateway_process):
    writer = await _begin_upload(gateway_process)
    writer.transport.abort()
    await _nothing_left(gateway_process)
    # By its status, which no other test here has: the line of the test before may come only now.
    (line,) = await eventually(
        lambda: [line for line in gateway_process.lines("request") if line["status"] == 499]
    )
    assert line["path"] == "/uploads"
    assert gateway_process.lines("unexpected error") == []


async def test_an_upload_that_stands_still_and_one_that_only_drips_are_a_408_and_leave_nothing(gateways):
    process = gateways()
    process.start(upload_pause_seconds="0.5", upload_seconds="1.5")

    async def drip(writer):
        for _ in range(100):
            writer.write(b"x")
            await asyncio.sleep(0.05)

    for pace in (None, drip):
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(
            b"POST /uploads HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-'
        )
        dripping = asyncio.create_task(pace(writer)) if pace else None
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"}")
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"code":40801' in answer
        assert b"connection: close" in answer.lower()
        await _nothing_left(process)
        if dripping:
            dripping.cancel()
        writer.transport.abort()


async def test_what_a_killed_process_left_is_removed_by_the_next_and_what_a_living_one_writes_is_not(
    gateways,
):
    killed, living, third = gateways(), gateways(), gateways()
    for process in (killed, living):
        process.launch(upload_pause_seconds="60")
    for process in (killed, living):
        process.wait_until_ready()
    first = await _begin_upload(killed)
    (left,) = killed.uploads
    killed.kill()
    assert killed.uploads == [left]
    second = await _begin_upload(living)
    (writing,) = set(living.uploads) - {left}
    third.start()
    assert third.uploads == [writing]
    first.transport.abort()
    second.transport.abort()
