"""The warehouse when it opens: the same orders and the same stock, every time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from gateway.demo.stock import (
    FIRST_ORDER,
    Address,
    Card,
    Customer,
    Express,
    Invoice,
    Order,
    OrderLine,
    OrderStatus,
    Purchase,
    Shipment,
    Warehouse,
)

# The first two never run out, whatever a load test orders; the third is for OutOfStock.
STOCK = {"PAL-0001": 10**9, "BOX-0002": 10**9, "GLA-0003": 3, "LMP-0004": 250}

MILL = Customer(
    name="Mill & Sons",
    email="orders@mill.example",
    number="C-0042",
    address=Address(street="1 Weir Lane", city="Otley", postal_code="LS21 1AA", country="GB"),
)
KAUFHAUS = Customer(
    name="Kaufhaus Übersee",
    address=Address(
        street="Hafenstraße 7", city="Bremen", postal_code="28195", region="HB", country="DE"
    ),
)
PALLETS = OrderLine("PAL-0001", 4, Decimal("12.50"))
BOXES = OrderLine("BOX-0002", 100, Decimal("0.35"))
GLASSES = OrderLine("GLA-0003", 1, Decimal("89.90"), gift=True)


def _at(day: int, hour: int) -> datetime:
    return datetime(2026, 1, day, hour, 30, tzinfo=UTC)


PURCHASES = [
    Purchase(customer=MILL, lines=[PALLETS, BOXES], payment=Invoice(14, reference="PO 7731")),
    Purchase(customer=KAUFHAUS, lines=[GLASSES], payment=Card("tok_4f1c"), note="Fragile <glass>"),
    Purchase(customer=MILL, lines=[BOXES], requested_delivery=date(2026, 2, 2)),
    Purchase(customer=KAUFHAUS, lines=[PALLETS], note="Ring twice"),
    Purchase(customer=MILL, lines=[BOXES, GLASSES], payment=Card("tok_88d0")),
]
STATUSES = [
    OrderStatus.DELIVERED,
    OrderStatus.SHIPPED,
    OrderStatus.PICKING,
    OrderStatus.RECEIVED,
    OrderStatus.CANCELLED,
]
SHIPMENTS = {0: Shipment("Northern Freight", _at(8, 6)), 1: Shipment("Swift", _at(9, 17))}
EXPRESS = {1: Express("Swift", _at(10, 12))}


def open_warehouse() -> Warehouse:
    """Return a warehouse with its stock and five orders, WH-100001 to WH-100005."""
    orders = [
        Order(
            order_id=f"WH-{FIRST_ORDER + row}",
            placed_at=_at(7 + row, 9),
            purchase=purchase,
            status=status,
            shipment=SHIPMENTS.get(row),
            express=EXPRESS.get(row),
        )
        for row, (purchase, status) in enumerate(zip(PURCHASES, STATUSES, strict=True))
    ]
    return Warehouse(STOCK, orders)
