"""Orders and their parts, to and from the XML of warehouse.xsd.

What is read has passed the schema. The readers still raise ValueError or OverflowError for a
value that the schema allows and Python cannot hold, such as the year 10000.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

from lxml import etree

from gateway.demo.stock import Address, Card, Customer, Invoice, Order, OrderLine, Purchase

Element = etree._Element

TYPES = "urn:example:warehouse:types"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
CURRENCY = "EUR"
CENT = Decimal("0.01")

T = f"{{{TYPES}}}"
NIL = f"{{{XSI}}}nil"
NAMESPACES = {"t": TYPES, "xsi": XSI}


def text(parent: Element, name: str) -> str | None:
    """Return the text of a child; None where there is no such child, or it is nil."""
    child = parent.find(f"{T}{name}")
    if child is None or child.get(NIL, "").strip() in ("1", "true"):
        return None
    return child.text or ""


def token(parent: Element, name: str) -> str:
    """Return the text of a child that must be there, white space collapsed as for xs:token."""
    return " ".join((child(parent, name).text or "").split())


def child(parent: Element, name: str) -> Element:
    """Return a child that the schema says is there."""
    return next(parent.iterchildren(f"{T}{name}"))


def read_day(value: str) -> date:
    """Read an xs:date; its time zone, which a day in the warehouse has no use for, is dropped."""
    return date.fromisoformat(value.strip()[:10])


def read_moment(value: str) -> datetime:
    """Read an xs:dateTime, as UTC where it names no time zone."""
    moment = datetime.fromisoformat(value.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def read_purchase(request: Element) -> Purchase:
    """Read what a PlaceOrder asks for."""
    payment = request.find(f"{T}payment")
    delivery = text(request, "requestedDelivery")
    return Purchase(
        customer=_read_customer(child(request, "customer")),
        lines=[_read_line(line) for line in request.iterfind(f"{T}lines")],
        payment=Invoice(due_days=30) if payment is None else _read_payment(payment),
        requested_delivery=None if delivery is None else read_day(delivery),
        note=text(request, "note"),
    )


def _read_customer(customer: Element) -> Customer:
    address = child(customer, "address")
    return Customer(
        name=text(customer, "name") or "",
        email=text(customer, "email"),
        number=customer.get("number"),
        address=Address(
            street=text(address, "street") or "",
            city=text(address, "city") or "",
            postal_code=token(address, "postalCode"),
            region=text(address, "region"),
            country=token(address, "country"),
        ),
    )


def _read_line(line: Element) -> OrderLine:
    return OrderLine(
        sku=token(line, "sku"),
        quantity=int(token(line, "quantity")),
        unit_price=Decimal(token(line, "unitPrice")).quantize(CENT),
        gift=line.get("gift", "").strip() in ("1", "true"),
    )


def _read_payment(payment: Element) -> Invoice | Card:
    invoice = payment.find(f"{T}invoice")
    if invoice is None:
        return Card(token(payment, "cardToken"))
    return Invoice(int(token(invoice, "dueDays")), text(invoice, "reference"))


def element(name: str, *content: Element | str, **attributes: str) -> Element:
    """Return an element of the types' namespace, around a text or other elements."""
    made = etree.Element(f"{T}{name}", attributes, nsmap=NAMESPACES)
    for part in content:
        if isinstance(part, str):
            made.text = part
        else:
            made.append(part)
    return made


def write_moment(moment: datetime) -> str:
    """Return a time as an xs:dateTime in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def write_order(order: Order) -> Element:
    """Return an order; an express order says that it is one with xsi:type."""
    made = element("order", *_order_parts(order), currency=CURRENCY)
    if order.express is not None:
        made.set(f"{{{XSI}}}type", "t:ExpressOrder")
        made.append(element("courier", order.express.courier))
        made.append(element("guaranteedBy", write_moment(order.express.guaranteed_by)))
    return made


def _order_parts(order: Order) -> Iterator[Element]:
    purchase, shipment = order.purchase, order.shipment
    yield element("orderId", order.order_id)
    yield element("status", order.status.value)
    yield element("placedAt", write_moment(order.placed_at))
    yield _customer(purchase.customer)
    yield from (_line(line) for line in purchase.lines)
    yield element("total", str(purchase.total))
    yield _payment(purchase.payment)
    if purchase.requested_delivery is not None:
        yield element("requestedDelivery", purchase.requested_delivery.isoformat())
    yield _note(purchase.note)
    if shipment is not None:
        yield element(
            "shipment",
            element("carrier", shipment.carrier),
            element("shippedAt", write_moment(shipment.shipped_at)),
        )


def _note(note: str | None) -> Element:
    if note is not None:
        return element("note", note)
    nil = element("note")
    nil.set(NIL, "true")
    return nil


def _customer(customer: Customer) -> Element:
    address = customer.address
    return element(
        "customer",
        element("name", customer.name),
        *([element("email", customer.email)] if customer.email is not None else []),
        element(
            "address",
            element("street", address.street),
            element("city", address.city),
            element("postalCode", address.postal_code),
            *([element("region", address.region)] if address.region is not None else []),
            element("country", address.country),
        ),
        **({"number": customer.number} if customer.number is not None else {}),
    )


def _line(line: OrderLine) -> Element:
    return element(
        "lines",
        element("sku", line.sku),
        element("quantity", str(line.quantity)),
        element("unitPrice", str(line.unit_price)),
        # Written out though it is the default: zeep hands a default on as a text, not a boolean.
        gift="true" if line.gift else "false",
    )


def _payment(payment: Invoice | Card) -> Element:
    if isinstance(payment, Card):
        return element("payment", element("cardToken", payment.token))
    reference = [element("reference", payment.reference)] if payment.reference is not None else []
    return element(
        "payment", element("invoice", element("dueDays", str(payment.due_days)), *reference)
    )
