"""What an editor completes of a generated client, asked of the engine of its language servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jedi
import pytest

STUBS = Path(__file__).parents[3] / "tests" / "golden" / "stubs"
PLAIN = """\
from warehouse_client import Customer, WarehouseClient
with WarehouseClient("sqlite:///queue.db") as client:
    order = client.get_order("WH-1")
    """
ASYNC = """\
from warehouse_async_client import AsyncWarehouseClient
async def main():
    async with AsyncWarehouseClient("sqlite:///queue.db") as client:
        """
METHODS = {"get_label", "get_order", "list_orders", "notify_shipment", "place_order"}


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Not the user's: two processes that write into one leave half a file to read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jedi.settings, "cache_directory", str(tmp_path_factory.mktemp("jedi")))
        yield


def script(text: str) -> tuple[jedi.Script, tuple[int, int]]:
    """Return a program, and where the cursor is: at its end."""
    lines = text.split("\n")
    project = jedi.Project(STUBS.parents[2], added_sys_path=[str(STUBS)])
    return jedi.Script(text, project=project), (len(lines), len(lines[-1]))


def completed(text: str) -> set[str]:
    program, cursor = script(text)
    return {one.name for one in program.complete(*cursor)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{PLAIN}client.", {*METHODS, "close", "wsdl"}),
        (f"{ASYNC}client.", {*METHODS, "aclose", "wsdl"}),
        (f"{PLAIN}order.", {"order_id", "status", "placed_at", "customer", "lines", "total"}),
        (f"{PLAIN}order.lines[0].", {"sku", "quantity", "unit_price", "gift"}),
        (f"{PLAIN}order.customer.address.", {"street", "city", "postal_code", "country"}),
        (f"{PLAIN}order.status.", {"RECEIVED", "DELIVERED", "CANCELLED"}),
        (f'{PLAIN}WarehouseClient("x", ', {"service=", "client=", "timeout=", "folder="}),
        (f"{PLAIN}client.get_order(", {"order_id=", "call_key="}),
    ],
)
def test_methods_fields_and_parameters_are_completed(text, names):
    assert names <= completed(text)


def test_parameters_have_types_and_methods_their_documentation():
    program, cursor = script(f"{PLAIN}client.place_order(")
    (signature,) = program.get_signatures(*cursor)
    assert "lines: list[OrderLine]" in signature.to_string()
    assert "-> PlaceOrderResponse" in signature.to_string()
    assert "Calling it twice orders twice." in signature.docstring()
