"""What an uploaded file may be called, and what it is seen to be."""

import re

import pytest
from starlette.datastructures import Headers

from services.gateway.upload_form import ContentDigests, FileForm
from services.gateway.upload_rules import checked_name, content_disposition, media_type_of
from workbook_lib.kit.errors import InvalidRequest, ServiceError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.mark.parametrize(
    "name", ["photo.png", "Übersicht.pdf", "猫の写真.jpeg", ".profile", "a b (1).gif", "con1.txt"]
)
def test_an_ordinary_name_is_kept_as_it_is(name):
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..",
        ".",
        "/etc/passwd",
        "..\\..\\boot.ini",
        "C:evil.png",
        "\\\\server\\share",
        "..\N{FULLWIDTH SOLIDUS}up.png",
        "..\N{DIVISION SLASH}up.png",
        "a\x00.png",
        "a\r\nSet-Cookie: x=1.png",
        "a\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
        "a\N{ZERO WIDTH SPACE}.png",
        "a\N{LINE SEPARATOR}b",
        "NUL",
        "con.png",
        "lpt1.txt",
        "name.",
        " name",
        "name ",
        "",
        "x" * 256,
        "猫" * 86,
    ],
)
def test_a_name_that_could_harm_whoever_saves_it_is_refused(name):
    with pytest.raises(InvalidRequest) as refused:
        checked_name(name)
    assert refused.value.details[0]["field"] == "file"


def test_composed_and_decomposed_letters_are_one_name():
    assert checked_name("cafe\N{COMBINING ACUTE ACCENT}.png") == "caf\N{LATIN SMALL LETTER E WITH ACUTE}.png"


def test_the_content_decides_the_type():
    assert media_type_of(PNG[:16]) == "image/png"
    assert media_type_of(b"RIFF\x00\x01\x02\x03WEBPVP8 ") == "image/webp"
    for other in (b"<html><script>", b"<svg xmlns=", b"MZ\x90\x00", b"PK\x03\x04", b"", b"RIFF1234AVI "):
        with pytest.raises(ServiceError) as refused:
            media_type_of(other)
        assert refused.value.status == 415


@pytest.mark.parametrize(
    "name", ["a.png", 'a"b;c.png', "a\\b%22.png", "naïve café.png", "猫.png", "a'b.png", "%0d%0a.png"]
)
def test_a_header_can_not_be_broken_out_of_by_a_name(name):
    header = content_disposition(name)
    match = re.fullmatch(
        r"attachment; filename=\"([^\"\\%\r\n]+)\"; filename\*=UTF-8''([\w!#$&+.^`|~%-]+)", header, re.ASCII
    )
    assert match, header


def test_a_client_reads_the_whole_name_and_an_old_one_a_name_in_ascii():
    assert content_disposition("naïve 猫.png") == (
        "attachment; filename=\"naive .png\"; filename*=UTF-8''na%C3%AFve%20%E7%8C%AB.png"
    )


def _form(name="a.png", field="file", content=PNG, more=b""):
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
    return head.encode() + b"Content-Type: text/html\r\n\r\n" + content + b"\r\n" + more + b"--b--\r\n"


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_a_form_gives_the_same_file_whatever_pieces_it_comes_in(size):
    body = _form(content=b"\r\n--b\r-" + PNG + b"\r\n--", name="猫.png")
    form, content = FileForm("multipart/form-data; boundary=b"), b""
    for start in range(0, len(body), size):
        content += form.feed(body[start : start + size])
    assert (form.finish(), content) == ("猫.png", b"\r\n--b\r-" + PNG + b"\r\n--")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (_form(field="photo"), "one file, in its field"),
        (_form(more=b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'), "nothing else"),
        (_form()[:-10], "in the middle"),
        (b"--b--\r\n", "middle|can't be read"),
        (b"nonsense", "can't be read"),
        (b"--b\r\n" + b"X: 1\r\n" * 1000, "can't be read"),
        (b"--b\r\nX: " + b"1" * 100_000, "can't be read"),
        (_form().replace(b"a.png", b"\xff.png"), "UTF-8"),
    ],
)
def test_what_is_not_a_form_with_one_file_is_refused(body, why):
    form = FileForm("multipart/form-data; boundary=b")
    with pytest.raises(InvalidRequest, match=why):
        form.feed(body), form.finish()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 415),
        ("application/json", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=" + "x" * 300, 400),
    ],
)
def test_a_content_type_that_is_no_form_is_refused(content_type, status):
    with pytest.raises(ServiceError) as refused:
        FileForm(content_type).feed(b"--b\r\n")
    assert refused.value.status == status


def _verify(content, **headers):
    digests = ContentDigests(Headers({name.replace("_", "-"): value for name, value in headers.items()}))
    digests.update(content)
    digests.verify()


def test_digests_of_rfc_9530_are_checked_and_unknown_ones_passed_over():
    # The example of RFC 9530, B.1.
    content = b'{"hello": "world"}\n'
    right = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    _verify(content, content_digest=right)
    _verify(content, repr_digest=f"md5=:AAAA:, {right}")
    _verify(content, content_digest="unixsum=:AAAA:")
    for wrong in (right.replace("RK", "AA"), f"{right}, sha-512=:AAAA:"):
        with pytest.raises(InvalidRequest, match="damaged"):
            _verify(content, content_digest=wrong)
    for malformed in ("sha-256", "sha-256=abc", "sha-256=:a:", "=::"):
        with pytest.raises(InvalidRequest):
            _verify(content, content_digest=malformed)
