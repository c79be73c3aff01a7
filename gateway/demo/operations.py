"""The warehouse's operations: what each reads from its request, does, and writes as its reply."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.demo.documents import (
    Element,
    T,
    element,
    read_day,
    read_moment,
    read_purchase,
    text,
    token,
    write_moment,
    write_order,
)
from gateway.demo.stock import OrderNotFound, OrderStatus, OutOfStock, Shipment, Warehouse

LABEL_TYPE = "application/zpl"

Act = Callable[[Warehouse], Element | None]
"""What a request asks for: it returns the reply, or None where the operation is one-way."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LegacyOperation:
    """One operation of the service: its reader, and which element names a request in the ledger."""

    name: str
    read: Callable[[Element], Act]
    key: str | None

    def key_of(self, payload: Element) -> str:
        """Return the text that names this request in the ledger; empty where there is none."""
        return (text(payload, self.key) or "") if self.key else ""


def _get_order(request: Element) -> Act:
    order_id = token(request, "orderId")
    return lambda warehouse: element("GetOrderResponse", write_order(warehouse.order(order_id)))


def _list_orders(request: Element) -> Act:
    status, since = text(request, "status"), text(request, "since")
    limit = int(token(request, "limit"))
    wanted = None if status is None else OrderStatus(status)
    day = None if since is None else read_day(since)
    return lambda warehouse: element(
        "ListOrdersResponse",
        *(write_order(order) for order in warehouse.newest(limit, wanted, day)),
    )


def _place_order(request: Element) -> Act:
    purchase = read_purchase(request)

    def act(warehouse: Warehouse) -> Element:
        order = warehouse.place(purchase)
        return element(
            "PlaceOrderResponse",
            element("orderId", order.order_id),
            element("total", str(purchase.total)),
            element("acceptedAt", write_moment(order.placed_at)),
        )

    return act


def _get_label(request: Element) -> Act:
    order_id = token(request, "orderId")

    def act(warehouse: Warehouse) -> Element:
        label = base64.b64encode(warehouse.label(order_id)).decode()
        return element("GetLabelResponse", element("label", label), element("mimeType", LABEL_TYPE))

    return act


def _notify_shipment(request: Element) -> Act:
    order_id = token(request, "orderId")
    shipment = Shipment(text(request, "carrier") or "", read_moment(token(request, "shippedAt")))

    def act(warehouse: Warehouse) -> None:
        try:
            warehouse.ship(order_id, shipment)
        except OrderNotFound:
            # Nobody waits for an answer: all that is left is to note it.
            logger.info("a shipment of an unknown order was told: %s", order_id)

    return act


OPERATIONS: Mapping[str, LegacyOperation] = {
    f"{T}{operation.name}": operation
    for operation in (
        LegacyOperation("GetOrder", _get_order, key="orderId"),
        LegacyOperation("ListOrders", _list_orders, key=None),
        LegacyOperation("PlaceOrder", _place_order, key="note"),
        LegacyOperation("GetLabel", _get_label, key="orderId"),
        LegacyOperation("NotifyShipment", _notify_shipment, key="orderId"),
    )
}
"""By the name of the Body's element."""


def detail(error: OrderNotFound | OutOfStock) -> Element:
    """Return the detail of the fault that the contract declares for an error."""
    if isinstance(error, OrderNotFound):
        hint = "ListOrders returns the orders that there are."
        return element("OrderNotFound", element("orderId", error.order_id), element("hint", hint))
    return element(
        "OutOfStock",
        element("sku", error.sku),
        element("requested", str(error.requested)),
        element("available", str(error.available)),
    )
