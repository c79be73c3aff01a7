"""``gateway quarantine``: what a person and a program are shown, and what is asked first."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import pty
import pwd
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import forks
import pytest
import typer

from gateway.cli.quarantine.acts import Deed, do_each
from gateway.cli.quarantine.entries import (
    Filter,
    Shown,
    operation_of,
    operations,
    plain,
    seconds,
)
from gateway.errors import ConfigurationError, QueueUnavailable, Refused
from gateway.message import Message
from gateway.observe.audit.operator import operator
from gateway.observe.audit.verify import verify
from gateway.queue import Quarantine, Quarantined
from gateway.queues.embedded.queue import SqliteQueue
from gateway.queues.memory import MemoryQueue

ROOT = Path(__file__).parents[3]
PATIENCE = 240.0
FORGED = {**os.environ, "LOGNAME": "somebody", "USER": "somebody", "SUDO_USER": "somebody"}
SOAP = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    b'<GetOrder xmlns="urn:example:warehouse:types"/></s:Body></s:Envelope>'
)


class Place:
    """A folder with settings and a queue, in which three requests are in quarantine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "warehouse.wsdl").write_bytes((ROOT / "wsdl" / "warehouse.wsdl").read_bytes())
        settings = 'queue = "sqlite:///queue.db"\n[services.a]\nwsdl = "warehouse.wsdl"\n'
        (folder / "gateway.toml").write_text(settings)
        self.ids = asyncio.run(self._fill())

    async def _fill(self) -> list[str]:
        queue = await SqliteQueue.open(self.folder / "queue.db")
        ids = []
        for sender, service, reason in (
            ("shop", "orders", "Client: The Body does not follow the contract."),
            ("shop", "billing", "Server.OutcomeUnknown: Nobody knows."),
            ("farm", "orders", "Client: \x1b[31mred\nand a second line"),
        ):
            sent = Message(
                body=SOAP, content_type="text/xml", sender=sender, target_service=service
            )
            await queue.send(sent)
            (delivery,) = await queue.receive(1, 240)
            await delivery.quarantine(reason, None)
            ids.append(sent.id)
        await queue.aclose()
        return ids

    def run(
        self, *arguments: object, environ: dict[str, str] | None = None, text: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = forks.run(["quarantine", *arguments], self.folder, environ=environ, text=text)
        assert "Traceback" not in str(done.stderr)
        return done

    def listed(self, *arguments: object) -> list[dict[str, object]]:
        done = self.run("list", "--json", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def waiting(self) -> list[Message]:
        async def take() -> list[Message]:
            queue = await SqliteQueue.open(self.folder / "queue.db")
            deliveries = await queue.receive(10, 0)
            await queue.aclose()
            return [delivery.message for delivery in deliveries]

        return asyncio.run(take())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_person_is_shown_a_line_for_each_entry(place):
    done = place.run("list")
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["ID", "SINCE", "CLIENT", "SERVICE", "OPERATION", "BYTES", "REASON"]
    assert [row.split()[0] for row in rows] == place.ids
    assert rows[0].split()[3:7] == ["shop", "orders", "GetOrder", str(len(SOAP))]
    assert rows[0].endswith("Client: The Body does not follow the contract.")
    assert "\x1b" not in done.stdout
    assert rows[2].endswith(r"\x1b[31mred\nand a second line")


def test_a_program_is_shown_an_object_a_line(place):
    first, *_ = place.listed()
    assert time.strptime(str(first.pop("since")), "%Y-%m-%dT%H:%M:%SZ")
    assert first == {
        "id": place.ids[0],
        "client": "shop",
        "service": "orders",
        "operation": "GetOrder",
        "code": "Client",
        "reason": "Client: The Body does not follow the contract.",
        "size": len(SOAP),
        "is_request": True,
        "sent_again": "",
    }


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["--service", "orders"], [0, 2]),
        (["--client", "shop"], [0, 1]),
        (["--sender", "shop"], [0, 1]),  # what it was called once
        (["--reason", "outcomeunknown"], [1]),
        (["--older-than", "1h"], []),
        (["--older-than", "0s", "--client", "farm"], [2]),
    ],
)
def test_what_is_wanted_alone_is_listed(place, wanted, found):
    assert [one["id"] for one in place.listed(*wanted)] == [place.ids[n] for n in found]


def test_where_no_entry_is_wanted_it_is_said_how_many_there_are(place):
    none = place.run("list", "--client", "nobody")
    assert none.stdout == "none of the 3 entries in quarantine matches what was asked for\n"
    shown = Shown(as_json=False)
    (one,) = shown.lines([], [], 1)
    assert one == "the one entry in quarantine does not match what was asked for"
    assert list(shown.lines([], [], 0)) == ["nothing is in quarantine"]
    assert list(Shown(as_json=True).lines([], [], 3)) == []


def test_an_entry_is_shown_with_its_properties(place):
    done = place.run("show", place.ids[0])
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert shown["id"] == place.ids[0]
    assert shown["SOAPJMS_contentType"] == "text/xml"
    assert "Envelope" not in done.stdout
    as_json = json.loads(place.run("show", place.ids[0], "--json").stdout)
    assert as_json["properties"]["SOAPJMS_targetService"] == "orders"


def test_the_content_of_an_entry_is_written_byte_by_byte(place, tmp_path):
    done = place.run("show", place.ids[0], "--body", "-", text=False)
    assert (done.returncode, done.stdout) == (0, SOAP)
    place.run("show", place.ids[0], "--body", "kept.xml")
    assert (tmp_path / "kept.xml").read_bytes() == SOAP


def test_what_is_sent_again_waits_under_a_new_id(place):
    done = place.run("send-again", *place.ids[:2], "--perhaps-twice", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["id"] for one in told] == place.ids[:2]
    waiting = {one.id: one for one in place.waiting()}
    assert set(waiting) == {one["sent_again"] for one in told}
    assert waiting[told[0]["sent_again"]].correlation_id == place.ids[0]
    assert [one["id"] for one in place.listed()] == [place.ids[2]]


PLACE_ORDER = (ROOT / "tests" / "golden" / "envelopes" / "place_order_11.xml").read_bytes()
GET_ORDER = (ROOT / "tests" / "golden" / "envelopes" / "get_order_11.xml").read_bytes()
READS = """\
queue = "sqlite:///queue.db"
[services.warehouse]
wsdl = "warehouse.wsdl"
repeatable = ["GetOrder"]
"""
HTML = "Server: The service behind the gateway gave no SOAP message. (status 500, text/html)"


async def put_aside(folder: Path, body: bytes, reason: str) -> str:
    """Put a request aside with a reason; return its id."""
    queue = await SqliteQueue.open(folder / "queue.db")
    sent = Message(body=body, content_type="text/xml", sender="shop", target_service="warehouse")
    await queue.send(sent)
    (delivery,) = await queue.receive(1, 240)
    await delivery.quarantine(reason, None)
    await queue.aclose()
    return sent.id


@pytest.fixture
def again(tmp_path: Path):
    """Return what sends one request again that was put aside, and tells what came of it."""
    for name in ("warehouse.wsdl", "warehouse.xsd"):
        (tmp_path / name).write_bytes((ROOT / "wsdl" / name).read_bytes())

    def run(
        settings: str, body: bytes, reason: str, *options: str
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "gateway.toml").write_text(settings)
        id = asyncio.run(put_aside(tmp_path, body, reason))
        return forks.run(["quarantine", "send-again", id, *options], tmp_path)

    return run


def test_what_may_have_been_carried_out_is_sent_again_only_where_that_is_said(again):
    done = again(READS, PLACE_ORDER, HTML)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "it may have been carried out (Server), and PlaceOrder is not repeatable" in line
    assert "--perhaps-twice" in line
    done = again(READS, PLACE_ORDER, HTML, "--perhaps-twice")
    assert (done.returncode, done.stderr) == (0, "")
    assert " sent again as " in done.stdout


def test_what_is_repeatable_is_sent_again_at_once(again):
    done = again(READS, GET_ORDER, HTML)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("reason", "is_perhaps_done"),
    [
        (HTML, True),
        ("Server.OutcomeUnknown: Nobody knows.", True),
        ("dead-letter: SQS gave it up", True),
        ("no code", True),
        ("Clientele: of another program", True),
        ("Client: refused by an earlier version", False),
        ("Client.schema: The Body does not follow the contract.", False),
        ("VersionMismatch.operation: This service speaks SOAP 1.1.", False),
        ("MustUnderstand: A header block is not understood.", False),
        ("Server.Busy: The service is busy: try later.", False),
        ("Server.Expired: The request was not answered before its deadline.", False),
        ("unreadable: it is no request", False),
    ],
)
def test_a_reason_proves_that_nothing_was_carried_out_or_does_not(reason, is_perhaps_done):
    entry = Quarantined(id="A", sender="shop", reason=reason, since=None, size=1)
    assert entry.is_perhaps_done == is_perhaps_done


def test_one_that_may_not_go_twice_holds_up_no_other(place):
    done = place.run("send-again", place.ids[1], place.ids[0])
    assert done.returncode == 1
    assert done.stdout.startswith(f"{place.ids[0]} sent again as ")
    assert done.stderr.startswith(f"error: {place.ids[1]}: it may have been carried out")
    assert [one["id"] for one in place.listed()] == place.ids[1:]


def test_a_repaired_envelope_is_sent_in_its_place(place, tmp_path):
    (tmp_path / "repaired.xml").write_bytes(SOAP + b"\n")
    done = place.run("send-again", place.ids[0], "--envelope", "repaired.xml")
    assert done.stdout.startswith(f"{place.ids[0]} sent again as ")
    (waiting,) = place.waiting()
    assert waiting.body == SOAP + b"\n"


def test_what_is_dropped_by_name_is_gone(place):
    done = place.run("drop", place.ids[1], "--yes")
    assert done.stdout == f"{place.ids[1]} dropped\n"
    assert [one["id"] for one in place.listed()] == [place.ids[0], place.ids[2]]


def test_everything_of_a_client_can_be_dropped(place):
    assert place.run("drop", "--all", "--yes", "--client", "shop").returncode == 0
    assert [one["id"] for one in place.listed()] == [place.ids[2]]
    place.run("drop", "--all", "--yes")
    assert place.run("list").stdout == "nothing is in quarantine\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "NOBODY"], "NOBODY is not in quarantine: gateway quarantine list shows what is."),
        (["send-again", "NOBODY"], "NOBODY is not in quarantine"),
        (["drop", "NOBODY", "--yes"], "NOBODY is not in quarantine"),
        (["send-again"], "name the ids of entries"),
        (["drop", "--yes"], "name the ids to drop, or all of them with --all."),
        (["drop", "--all"], "there is no terminal to ask on: add --yes"),
        (["list", "--older-than", "soon"], "--older-than: 'soon' is not an age"),
        (["send-again", "A", "B", "--envelope", "x"], "takes the place of one request"),
        (["send-again", "A", "--envelope", "none.xml"], "none.xml cannot be read: No such file"),
        (["send-again", "A", "--envelope", "empty.xml"], "empty.xml is empty."),
        (["send-again", "A", "--envelope", "large.xml"], "limits.request accepts 1048576"),
        (["show", "ID", "--body", "no/such/folder"], "no/such/folder cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line_and_nothing_is_done(place, arguments, says):
    (place.folder / "empty.xml").write_bytes(b" \n")
    (place.folder / "large.xml").write_bytes(b"x" * ((1 << 20) + 1))
    done = place.run(*(place.ids[0] if one == "ID" else one for one in arguments))
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert len(place.listed()) == 3


def test_an_id_that_is_not_there_keeps_the_others_from_being_sent(place):
    done = place.run("send-again", place.ids[0], "NOBODY")
    assert done.returncode == 2
    assert len(place.listed()) == 3


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", 0), (b"n\n", 3)])
def test_at_a_terminal_it_is_asked_before_anything_is_dropped(place, answer, left):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "gateway", "quarantine", "drop", "--all"],
        cwd=place.folder,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.write(ours, answer)
    output, _ = process.communicate(timeout=PATIENCE)
    os.close(ours)
    os.close(theirs)
    assert b"Remove these 3 entries for good?" in output
    assert process.returncode == (0 if left == 0 else 1)
    assert len(place.listed()) == left


@pytest.mark.parametrize(
    ("text", "found"), [("90s", 90.0), ("15min", 900.0), ("12h", 43200.0), ("7d", 604800.0)]
)
def test_an_age_is_read_as_a_person_writes_it(text, found):
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5h", "7 d"])
def test_what_is_no_age_is_told(text):
    with pytest.raises(ConfigurationError, match="is not an age"):
        seconds(text)


def test_what_has_no_time_is_of_no_age():
    entry = Quarantined(id="a", sender="b", reason="", since=None, size=0)
    assert Filter()(entry, 1e9)
    assert not Filter(age=0.0)(entry, 1e9)


def test_control_characters_are_written_out():
    assert plain("a\x07b\u202ec\n") == "a\\x07b\\u202ec\\n"


def audited(place: Place) -> list[dict[str, object]]:
    """Return the lines of the operator's audit log, which is to be whole."""
    name = f"audit-operator-{os.getuid()}.jsonl"
    found = verify([place.folder / name])
    assert (found.is_whole, found.findings) == (True, [])
    return [json.loads(line) for line in (place.folder / name).read_text().splitlines()]


@pytest.fixture
def watched(place: Place) -> Place:
    """A place with an audit log."""
    with (place.folder / "gateway.toml").open("a") as settings:
        settings.write('[audit]\nfile = "audit.jsonl"\n')
    return place


def test_an_operators_acts_are_in_the_audit_log_before_and_after(watched, tmp_path):
    repaired = SOAP + b"\n"
    (tmp_path / "repaired.xml").write_bytes(repaired)
    watched.run("send-again", watched.ids[0], "--envelope", "repaired.xml", environ=FORGED)
    watched.run("drop", watched.ids[1], "--yes")
    start, sends, sent, stop, *_, drops, dropped, _ = audited(watched)
    assert (start["event"], stop["event"]) == ("start", "stop")
    (waiting,) = watched.waiting()
    for line in (sends, sent):
        assert (line["event"], line["act"]) == ("operator", "send-again")
        assert (line["operator"], line["uid"]) == (pwd.getpwuid(os.getuid()).pw_name, os.getuid())
        assert (line["client"], line["service"], line["id"]) == ("shop", "orders", watched.ids[0])
        assert (line["code"], line["size"]) == ("Client", len(SOAP))
        assert line["sha256"] == hashlib.sha256(SOAP).hexdigest()
        assert line["sent_sha256"] == hashlib.sha256(repaired).hexdigest()
    assert (sends["verdict"], sent["verdict"]) == ("begun", "sent-again")
    assert sent["new_id"] == waiting.id
    assert [drops["verdict"], dropped["verdict"]] == ["begun", "dropped"]
    assert (dropped["act"], dropped["id"], dropped["new_id"]) == ("drop", watched.ids[1], None)


def test_what_an_operator_only_looks_at_leaves_no_audit_log(watched):
    watched.run("list")
    watched.run("show", watched.ids[0])
    watched.run("drop", "NOBODY", "--yes")
    assert list(watched.folder.glob("audit*")) == []


def test_an_act_that_cannot_be_written_down_is_not_done(watched):
    (watched.folder / "gateway.toml").write_text(
        (watched.folder / "gateway.toml").read_text().replace("audit.jsonl", "none/audit.jsonl")
    )
    done = watched.run("drop", watched.ids[0], "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "audit-operator" in done.stderr
    assert "cannot be written" in done.stderr
    assert len(watched.listed()) == 3


async def test_an_act_that_was_not_done_is_in_the_audit_log_as_such():
    entry = Quarantined(id="A", sender="shop", reason="Client: no", since=None, size=1)
    entry = replace(entry, is_request=False)

    async def refuse(quarantine: Quarantine, entry: Quarantined) -> None:
        raise Refused("It is nobody's.")

    lines, deed = [], Deed("drop", "dropped", refuse, lambda *_: "")
    queue = MemoryQueue()
    with pytest.raises(typer.Exit):
        await do_each(queue.quarantine, [entry], deed, lines.append)
    assert [line["verdict"] for line in lines] == ["begun", "failed"]
    assert [line["sha256"] for line in lines] == [None, None]


@pytest.mark.parametrize(
    ("kept", "login"), [("4294967295", None), ("0\n", "root"), ("12345678", "12345678"), ("", None)]
)
def test_who_had_logged_in_is_told_where_it_is_another_one(tmp_path, kept, login):
    path = tmp_path / "loginuid"
    path.write_text(kept)
    own = operator(path)
    assert (own.uid, own.name) == (os.getuid(), pwd.getpwuid(os.getuid()).pw_name)
    assert own.login == (None if login == own.name else login)
    assert operator(tmp_path / "none").login is None


@pytest.mark.parametrize(
    ("body", "operation"), [(gzip.compress(SOAP), "GetOrder"), (b"no gzip at all", "")]
)
def test_a_packed_request_shows_its_operation_too(body, operation):
    packed = Message(body=body, content_type="text/xml", content_encoding="gzip")
    assert operation_of(packed) == operation


async def test_a_body_that_cannot_be_read_now_leaves_the_list_of_the_others():
    queue, ids = MemoryQueue(), []
    for _ in range(2):
        sent = Message(body=SOAP, content_type="text/xml", sender="shop")
        ids.append(sent.id)
        await queue.send(sent)
        (delivery,) = await queue.receive(1, 240)
        await delivery.quarantine("Client: No.", None)

    class Torn:
        """A quarantine with a body that its store does not give now."""

        async def read(self, entry: Quarantined) -> Message:
            if entry.id == ids[0]:
                raise QueueUnavailable("the store says 503")
            return await kept.read(entry)

    kept = queue.quarantine
    entries = sorted([one async for one in kept.entries()], key=lambda one: ids.index(one.id))
    assert await operations(Torn(), entries) == ["", "GetOrder"]
