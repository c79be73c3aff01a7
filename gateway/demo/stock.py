"""The warehouse itself: its orders and its stock, in memory, and what can be done with them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

FIRST_ORDER = 100001


class OrderNotFound(Exception):
    """There is no order of this number."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"There is no order {order_id}.")
        self.order_id = order_id


class OutOfStock(Exception):
    """There is not enough of an article; nothing was ordered."""

    def __init__(self, sku: str, requested: int, available: int) -> None:
        super().__init__(f"There is not enough of {sku} in stock.")
        self.sku = sku
        self.requested = requested
        self.available = available


class OrderStatus(StrEnum):
    """How far an order has come."""

    RECEIVED = "received"
    PICKING = "picking"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where goods are sent to."""

    street: str
    city: str
    postal_code: str
    region: str | None = None
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who ordered."""

    name: str
    address: Address
    email: str | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One article of an order."""

    sku: str
    quantity: int
    unit_price: Decimal
    gift: bool = False


@dataclass(frozen=True, slots=True)
class Invoice:
    """Payment on account."""

    due_days: int
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """Payment by a card, of which only a token is known."""

    token: str


@dataclass(frozen=True, slots=True)
class Shipment:
    """Who took the goods away, and when."""

    carrier: str
    shipped_at: datetime


@dataclass(frozen=True, slots=True)
class Express:
    """What makes an order an express order: who brings it, and the latest time."""

    courier: str
    guaranteed_by: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What a customer asks for."""

    customer: Customer
    lines: Sequence[OrderLine]
    payment: Invoice | Card = Invoice(due_days=30)
    requested_delivery: date | None = None
    note: str | None = None

    @property
    def total(self) -> Decimal:
        return sum((line.quantity * line.unit_price for line in self.lines), Decimal("0.00"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A purchase that the warehouse has accepted."""

    order_id: str
    placed_at: datetime
    purchase: Purchase
    status: OrderStatus = OrderStatus.RECEIVED
    shipment: Shipment | None = None
    express: Express | None = None


class Warehouse:
    """Orders and stock, safe to use from many threads."""

    def __init__(
        self,
        stock: Mapping[str, int],
        orders: Iterable[Order],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._stock = dict(stock)
        self._orders = {order.order_id: order for order in orders}
        self._clock = clock
        self._lock = threading.Lock()

    def order(self, order_id: str) -> Order:
        """Return an order. Raises OrderNotFound."""
        try:
            return self._orders[order_id]
        except KeyError:
            raise OrderNotFound(order_id) from None

    def newest(self, limit: int, status: OrderStatus | None, since: date | None) -> list[Order]:
        """Return at most ``limit`` orders, the newest first, of one status and since a day."""
        with self._lock:
            orders = list(self._orders.values())
        found = (
            order
            for order in reversed(orders)
            if (status is None or order.status is status)
            and (since is None or order.placed_at.date() >= since)
        )
        return [order for _, order in zip(range(limit), found, strict=False)]

    def place(self, purchase: Purchase) -> Order:
        """Accept a purchase whole or not at all. Raises OutOfStock."""
        wanted: Counter[str] = Counter()
        for line in purchase.lines:
            wanted[line.sku] += line.quantity
        with self._lock:
            for sku, quantity in wanted.items():
                if quantity > self._stock.get(sku, 0):
                    raise OutOfStock(sku, quantity, self._stock.get(sku, 0))
            for sku, quantity in wanted.items():
                self._stock[sku] -= quantity
            order_id = f"WH-{FIRST_ORDER + len(self._orders)}"
            order = Order(order_id=order_id, placed_at=self._clock(), purchase=purchase)
            self._orders[order_id] = order
        return order

    def ship(self, order_id: str, shipment: Shipment) -> None:
        """Note that an order has left the house. Raises OrderNotFound."""
        with self._lock:
            order = self.order(order_id)
            self._orders[order_id] = replace(order, status=OrderStatus.SHIPPED, shipment=shipment)

    def label(self, order_id: str) -> bytes:
        """Return the shipping label of an order, in ZPL, for a printer. Raises OrderNotFound."""
        customer = self.order(order_id).purchase.customer
        address = customer.address
        rows = [customer.name, address.street, f"{address.postal_code} {address.city}"]
        fields = [f"^FO40,{40 + 50 * row}^FD{text}^FS" for row, text in enumerate(rows)]
        barcode = f"^FO40,220^BCN,100^FD{order_id}^FS"
        return "\n".join(["^XA^CI28", *fields, barcode, "^XZ", ""]).encode()
