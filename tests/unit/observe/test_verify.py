"""``verify`` finds whatever was done to an audit log, and says so in the words of a person."""

from __future__ import annotations

import json

import pytest

from gateway.errors import ConfigurationError
from gateway.observe.audit.chain import Link, appended, hashed
from gateway.observe.audit.verify import verify

LINES = 8


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.jsonl"


def chain(count: int = LINES, link: Link | None = None) -> list[bytes]:
    """Return the lines of a whole chain: a start, settled requests, a stop."""
    link, lines = link or Link("c1"), []
    for number in range(count):
        event = {0: "start", count - 1: "stop"}.get(number, "settled")
        line, link = appended(link, "2026-11-25T12:00:00.000Z", {"event": event, "id": str(number)})
        lines.append(line)
    return lines


def breaks(*paths) -> list[str]:
    found = verify(paths)
    assert found.is_whole == (not any(one.is_break for one in found.findings))
    return [f"line {one.line} {one.text}" for one in found.findings if one.is_break]


def notes(*paths) -> list[str]:
    return [f"line {one.line} {one.text}" for one in verify(paths).findings if not one.is_break]


def test_a_chain_that_nobody_touched_is_whole(path):
    path.write_bytes(b"".join(chain()))
    found = verify([path])
    assert found.is_whole
    assert found.findings == []
    assert (found.lines, found.chains["c1"].number) == (LINES, LINES)


@pytest.mark.parametrize("number", range(1, LINES))
def test_a_line_that_was_changed_is_found(path, number):
    lines = chain()
    lines[number - 1] = lines[number - 1].replace(b'"id":"', b'"id":"9')
    path.write_bytes(b"".join(lines))
    said = f"line {number + 1} does not carry the hash of the line before it: number {number} was"
    (found,) = breaks(path)
    assert found.startswith(said)


@pytest.mark.parametrize("count", [1, 3])
def test_lines_that_were_removed_are_found(path, count):
    lines = chain()
    del lines[2 : 2 + count]
    path.write_bytes(b"".join(lines))
    lost = "number 3 was" if count == 1 else "numbers 3 to 5 were"
    assert breaks(path) == [f"line 3 is number {3 + count}, after 2: {lost} removed"]


def test_lines_that_were_removed_from_the_beginning_are_told(path):
    path.write_bytes(b"".join(chain()[3:]))
    assert breaks(path) == []
    said = "line 1 is number 4 of its chain: what is before it is not in these files"
    assert notes(path) == [said]


def test_a_line_that_was_inserted_is_found(path):
    lines = chain()
    forged = {**json.loads(lines[3]), "n": 4, "id": "forged", "prev": hashed(lines[3][:-1])}
    lines.insert(4, json.dumps(forged).encode() + b"\n")
    path.write_bytes(b"".join(lines))
    assert breaks(path) == ["line 5 is number 4, after 4: it was inserted, or moved"]


def test_a_line_that_was_put_in_as_the_next_is_found(path):
    lines = chain()
    forged, _ = appended(Link("c1", 4, hashed(lines[3][:-1])), "now", {"event": "settled"})
    lines.insert(4, forged)
    path.write_bytes(b"".join(lines))
    first, *_ = breaks(path)
    assert first == "line 6 is number 5, after 5: it was inserted, or moved"


def test_lines_that_changed_places_are_found(path):
    lines = chain()
    lines[3], lines[4] = lines[4], lines[3]
    path.write_bytes(b"".join(lines))
    assert breaks(path) == [
        "line 4 is number 5, after 3: number 4 was removed",
        "line 5 is number 4, after 5: it was inserted, or moved",
    ]


@pytest.mark.parametrize("left", [0, 1, 20])
def test_a_file_that_was_cut_inside_its_last_line_is_found(path, left):
    lines = chain()
    lines[-1] = lines[-1][: left or -1]
    path.write_bytes(b"".join(lines))
    (found,) = breaks(path)
    assert (
        found
        == f"line {LINES} is no whole line, and nothing follows it: it was cut off, or changed"
    )


def test_lines_cut_from_the_end_are_told_by_what_is_missing_there(path):
    lines = chain()
    path.write_bytes(b"".join(lines[:-2]))
    assert breaks(path) == []
    said = "is the last, and no stop: its process runs, was killed, or the end is cut off"
    assert notes(path) == [f"line {LINES - 2} {said}"]


def test_lines_cut_from_the_end_are_found_by_the_hash_that_the_log_named(path):
    lines = chain()
    wanted = hashed(lines[-1][:-1])
    path.write_bytes(b"".join(lines))
    assert verify([path], wanted).is_whole
    path.write_bytes(b"".join(lines[:-2]))
    assert not verify([path], wanted).is_whole


def test_what_is_no_line_is_found(path):
    lines = chain()
    lines[4] = b"nothing\n"
    path.write_bytes(b"".join(lines))
    assert breaks(path) == [
        "line 5 is no line of an audit log: it was changed, or cut off",
        "line 6 is number 6, after 4: number 5 was removed",
    ]


def test_another_chain_in_the_place_of_the_rest_is_found(path):
    path.write_bytes(b"".join(chain()[:4] + chain(3, Link("c2"))))
    assert breaks(path) == ["line 5 begins another chain: what was here is gone"]


@pytest.mark.parametrize("torn", [b'{"n":5,"ti', b"\x00\xff"])
def test_a_line_that_was_torn_and_told_of_is_no_break(path, torn):
    lines = chain()[:4]
    link = Link("c1", 4, hashed(lines[3][:-1]))
    told, _ = appended(link, "now", {"event": "recovered", "torn_sha256": hashed(torn)})
    path.write_bytes(b"".join([*lines, torn, b"\n", told]))
    assert breaks(path) == []
    assert "line 5 was not written whole, as the next line says" in notes(path)
    path.write_bytes(b"".join([*lines, torn, b"!\n", told]))
    assert breaks(path) == ["line 5 is no line of an audit log: it was changed, or cut off"]


def test_files_of_one_chain_are_read_in_their_order(tmp_path):
    lines = chain()
    old, new = tmp_path / "audit.jsonl.1", tmp_path / "audit.jsonl"
    old.write_bytes(b"".join(lines[:5]))
    new.write_bytes(b"".join(lines[5:]))
    assert breaks(old, new) == []
    new.write_bytes(b"".join(lines[6:]))
    assert breaks(old, new) == ["line 1 is number 7, after 5: number 6 was removed"]


def test_files_of_several_chains_may_be_read_together(tmp_path):
    paths = [tmp_path / "audit.jsonl", tmp_path / "audit-2.jsonl"]
    for number, path in enumerate(paths):
        path.write_bytes(b"".join(chain(4, Link(f"c{number}"))))
    assert breaks(*paths) == []


@pytest.mark.parametrize("line", [b"[]", b"1", b'{"n":"1"}', b"[" * 100_000, b'{"n":1,"prev":1}'])
def test_whatever_stands_in_a_file_is_judged(path, line):
    path.write_bytes(line + b"\n")
    assert len(breaks(path)) == 1


def test_an_empty_file_is_whole(path):
    path.write_bytes(b"")
    assert breaks(path) == []


def test_a_file_that_cannot_be_read_is_told(path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        verify([path])
