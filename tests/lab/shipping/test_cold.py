"""The cold backup: every line once on disk, sealed files that nobody can change unnoticed."""

import gzip
import json

import pytest

from workbook_lib.lab import command
from workbook_lib.lab.shipping import DamagedBackup, restore, verify
from workbook_lib.lab.shipping.cold import SUMS, ColdSink
from workbook_lib.lab.shipping.lines import Batch


def _batch(first, count=10):
    records = [{"event": "x" * 50, "record": f"a.log:{number}"} for number in range(first, first + count)]
    return Batch(records, {"a.log": first + count})


async def _backup(folder, batches=5, *, rotate_bytes=1500):
    sink = ColdSink(folder, rotate_bytes=rotate_bytes)
    for number in range(batches):
        await sink.put(_batch(number * 10))
    await sink.settle()
    return sink


def _numbers(folder):
    texts = [gzip.decompress(segment.path.read_bytes()) for segment in verify(folder)]
    return [int(json.loads(line)["record"].split(":")[1]) for text in texts for line in text.splitlines()]


async def test_files_are_rotated_by_size_compressed_and_listed_with_their_sums(tmp_path):
    sink = await _backup(tmp_path)
    assert [path.name for path in sorted(tmp_path.glob("0*"))][-1] == "000003.jsonl", "still open"
    await sink.finish()
    segments = verify(tmp_path)
    assert [segment.path.name for segment in segments] == [f"00000{n}.jsonl.gz" for n in (1, 2, 3)]
    assert [1500 <= segment.plain_bytes < 1600 for segment in segments] == [True, True, False]
    assert all(segment.compressed_bytes < segment.plain_bytes / 4 for segment in segments)
    assert _numbers(tmp_path) == list(range(50))


async def test_the_sums_can_be_checked_with_the_systems_own_program(tmp_path):
    await (await _backup(tmp_path)).finish()
    checked = command.run("sha256sum", "--check", "--strict", SUMS, cwd=tmp_path)
    assert checked.text.count(": OK") == 3


async def test_a_new_process_goes_on_where_the_last_one_was_killed(tmp_path):
    await _backup(tmp_path)
    with (tmp_path / "000003.jsonl").open("a") as open_file:
        open_file.write('{"event": "half a li')
    again = ColdSink(tmp_path, rotate_bytes=1500)
    assert again.positions == {"a.log": 50}
    await again.put(_batch(50))
    await again.finish()
    assert _numbers(tmp_path) == list(range(60))


async def test_a_crash_between_sealing_a_file_and_removing_its_original_doubles_nothing(tmp_path):
    await _backup(tmp_path, batches=2)
    original = gzip.decompress((tmp_path / "000001.jsonl.gz").read_bytes())
    (tmp_path / "000001.jsonl").write_bytes(original)
    again = ColdSink(tmp_path, rotate_bytes=1500)
    await again.put(_batch(20))
    await again.finish()
    assert _numbers(tmp_path) == list(range(30))


async def test_nothing_put_leaves_no_file(tmp_path):
    await (await _backup(tmp_path, batches=0)).finish()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda folder: _flip(folder / "000002.jsonl.gz"),
            r"000002\.jsonl\.gz has SHA-256 .*, but SHA256SUMS",
        ),
        (lambda folder: (folder / "000001.jsonl.gz").unlink(), r"000001\.jsonl\.gz is missing"),
        (lambda folder: (folder / "000009.jsonl.gz").write_bytes(b""), r"000009\.jsonl\.gz isn't listed"),
        (lambda folder: (folder / SUMS).unlink(), r"isn't listed in SHA256SUMS|has no SHA256SUMS"),
    ],
)
async def test_a_backup_that_was_changed_is_refused_by_the_files_name_before_anything_is_pushed(
    tmp_path, spoil, said
):
    await (await _backup(tmp_path)).finish()
    spoil(tmp_path)
    with pytest.raises(DamagedBackup, match=said):
        await restore(tmp_path, "http://127.0.0.1:1")  # nobody there: a push would be another error


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
