"""The listener's answers: replies and faults with their statuses, and the state of a request."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from gateway.errors import FaultCode, FaultError, Forbidden, OverQuota
from gateway.message import Message
from gateway.queue import Collected, State
from gateway.soap.envelope import SoapVersion, fault
from gateway.soap.reply import glimpse

CLIENT = web.RequestKey("CLIENT", str)
"""Key of a request: the name of the authenticated client."""
BODY = web.RequestKey("BODY", bytes)
"""Key of a request: its body, once it was read."""
OPERATION = web.RequestKey("OPERATION", str)
"""Key of a request: its operation, once the gate has found it."""
HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?")
"""What a Host header may hold; the first group is the host alone."""
DOUBTFUL = (
    "It is not certain that the queue has taken the request: it may still be carried out. Look "
    "what became of it at the address in the Location header before you send it again."
)
NEW_ID: web.AppKey[Callable[[], str]] = web.AppKey("NEW_ID")
"""Key of the application: the function that makes ids for requests, by its queue's clock."""
_ID = web.RequestKey("_ID", str)


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Why the listener refuses a request."""

    error: FaultError
    message: Message
    is_call: bool
    """It was handled as a call, not refused before that."""


REFUSED = web.ResponseKey("REFUSED", TurnedAway)
"""Key of a response that refuses a request: why."""


def message_of(request: web.Request) -> Message:
    """Return the message of a request, without its body, sent by the authenticated client.

    It has the same id every time, so that the fault and the log name the same one.
    """
    return Message(
        id=id_of(request),
        body=b"",
        content_type=request.headers.get("Content-Type", ""),
        soap_action=request.headers.get("SOAPAction", "").strip().strip('"'),
        target_service=request.match_info.get("service", ""),
        sender=request.get(CLIENT, ""),
    )


def id_of(request: web.Request) -> str:
    """Return the id of a request, the same one every time."""
    if _ID not in request:
        request[_ID] = request.app[NEW_ID]()
    return request[_ID]


def refusal(
    request: web.Request,
    error: FaultError,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Refuse a request before it is handled as a call: a POST with a fault, others with a line."""
    if request.method == "POST":
        response = fault_response(error, message_of(request), status=status, headers=headers)
    else:
        response = web.Response(text=f"{error.text}\n", status=status, headers=headers)
    response[REFUSED] = TurnedAway(error, message_of(request), is_call=False)
    return response


def fault_response(
    error: FaultError,
    message: Message,
    *,
    status: int = 0,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a fault with the status of SOAP's HTTP binding, unless a more specific one applies."""
    whole = dict(headers or {})
    if error.retry_after:
        whole["Retry-After"] = str(math.ceil(error.retry_after))
    status = status or _own_status(error)
    response = reply_response(fault(error, message), status=status, headers=whole)
    if error.code is not FaultCode.TIMEOUT:  # a reply that is only late
        response[REFUSED] = TurnedAway(error, message, is_call=True)
    return response


def _own_status(error: FaultError) -> int:
    """Return a more specific HTTP status for an error; 0 where there is none."""
    if isinstance(error, Forbidden):
        return 403
    return 429 if isinstance(error, OverQuota) else 0


def reply_response(
    reply: Message, *, status: int = 0, headers: Mapping[str, str] | None = None
) -> web.Response:
    whole = {**(headers or {}), "Content-Type": reply.content_type}
    return web.Response(body=reply.body, status=status or _status(reply), headers=whole)


def _status(reply: Message) -> int:
    """Return 500 for a fault, but 400 where SOAP 1.2 blames the sender.

    SOAP 1.1, section 6.2; SOAP 1.2 part 2, table 20.
    """
    if not reply.is_fault:
        return 200
    seen = glimpse(reply.body, reply.content_type)
    blames_sender = seen is not None and seen.version is SoapVersion.V12 and seen.sender_at_fault
    return 400 if blames_sender else 500


def collected_response(collected: Collected) -> web.Response:
    if collected.reply is not None:
        return reply_response(collected.reply)
    return state_response(collected.state, {})


def state_response(state: State, headers: dict[str, str]) -> web.Response:
    status = {State.UNKNOWN: 404, State.DONE: 200}.get(state, 202)
    if status == 202:
        headers = {**headers, "Retry-After": "1"}
    return web.json_response({"state": state.value}, status=status, headers=headers)


def location_of(message: Message, url: str) -> dict[str, str]:
    """Return the Location header for a call's reply; ``url`` is the listener's address."""
    path = urlsplit(url).path.rstrip("/")
    return {"Location": f"{path}/{message.target_service}/replies/{message.id}"}


def doubtful_response(message: Message, location: Mapping[str, str]) -> web.Response:
    """Return the fault for a call that the queue may have taken, or not."""
    doubt = FaultError(DOUBTFUL, code=FaultCode.TIMEOUT)
    return fault_response(doubt, message, status=504, headers=location)
