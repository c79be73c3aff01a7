"""The service Warehouse: fill its operations in."""

from __future__ import annotations

import datetime as dt

from gateway.stubs import NotFilledIn

from warehouse_base import (
    Customer,
    GetLabelResponse,
    Order,
    OrderLine,
    OrderStatus,
    Payment,
    PlaceOrderResponse,
    WarehouseService,
)


class Warehouse(WarehouseService):
    """The warehouse, inside the company's own network."""

    def get_order(self, order_id: str, *, call_key: str | None = None) -> Order:
        raise NotFilledIn("GetOrder")

    def list_orders(
        self,
        limit: int,
        *,
        status: OrderStatus | None = None,
        since: dt.date | None = None,
        call_key: str | None = None,
    ) -> list[Order]:
        raise NotFilledIn("ListOrders")

    def place_order(
        self,
        customer: Customer,
        lines: list[OrderLine],
        note: str | None,
        *,
        payment: Payment | None = None,
        requested_delivery: dt.date | None = None,
        call_key: str | None = None,
    ) -> PlaceOrderResponse:
        raise NotFilledIn("PlaceOrder")

    def get_label(
        self,
        order_id: str,
        *,
        call_key: str | None = None,
    ) -> GetLabelResponse:
        raise NotFilledIn("GetLabel")

    def notify_shipment(
        self,
        order_id: str,
        carrier: str,
        shipped_at: dt.datetime,
        *,
        call_key: str | None = None,
    ) -> None:
        raise NotFilledIn("NotifyShipment")
