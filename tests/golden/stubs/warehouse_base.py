# Written by gateway stubs from warehouse.wsdl: write it again rather than change it.
"""The service Warehouse, for its port WarehouseSoap11: to be filled in.

The class Warehouse of warehouse_service.py is what gateway.toml names. It is built on
this module.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from gateway.stubs import Layout, NotFilledIn, Record, Service, SoapFault


class OrderStatus(StrEnum):
    """How far an order has come."""

    RECEIVED = "received"
    PICKING = "picking"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


@dataclass(kw_only=True, slots=True)
class Address(Record):
    """Where goods are sent to."""

    street: str
    city: str
    postal_code: str
    region: str | None = None
    country: str


@dataclass(kw_only=True, slots=True)
class Customer(Record):
    """Who ordered. The number is there for customers with an account."""

    name: str
    email: str | None = None
    address: Address
    number: str | None = None


@dataclass(kw_only=True, slots=True)
class OrderLine(Record):
    """One article of an order; a gift is wrapped."""

    sku: str
    quantity: int
    unit_price: Decimal
    gift: bool = False


@dataclass(kw_only=True, slots=True)
class Invoice(Record):
    """Payment on account."""

    due_days: int
    reference: str | None = None


@dataclass(kw_only=True, slots=True)
class Payment(Record):
    """How an order is paid: on account, or by a card known by its token."""

    invoice: Invoice | None = None
    card_token: str | None = None


@dataclass(kw_only=True, slots=True)
class Shipment(Record):
    """Who took the goods away, and when."""

    carrier: str
    shipped_at: dt.datetime


@dataclass(kw_only=True, slots=True)
class Order(Record):
    """An order as the warehouse keeps it."""

    order_id: str
    status: OrderStatus
    placed_at: dt.datetime
    customer: Customer
    lines: list[OrderLine]
    total: Decimal
    payment: Payment
    requested_delivery: dt.date | None = None
    note: str | None
    shipment: Shipment | None = None
    currency: str


@dataclass(kw_only=True, slots=True)
class ExpressOrder(Order):
    """An order that a courier brings before a promised time."""

    courier: str
    guaranteed_by: dt.datetime


@dataclass(kw_only=True, slots=True)
class OrderNotFound(Record):
    """There is no order of this number."""

    order_id: str
    hint: str


@dataclass(kw_only=True, slots=True)
class PlaceOrderResponse(Record):
    """The number and the price of the order that was placed."""

    order_id: str
    total: Decimal
    accepted_at: dt.datetime


@dataclass(kw_only=True, slots=True)
class OutOfStock(Record):
    """There is not enough of an article; nothing was ordered."""

    sku: str
    requested: int
    available: int


@dataclass(kw_only=True, slots=True)
class GetLabelResponse(Record):
    """The label as the printer takes it, and its media type."""

    label: bytes
    mime_type: str


class OrderNotFoundFault(SoapFault):
    """There is no order of this number."""

    detail: OrderNotFound


class OutOfStockFault(SoapFault):
    """There is not enough of an article; nothing was ordered."""

    detail: OutOfStock


# What all this is in XML. How to read it: python -m pydoc gateway.stubs.table
_LAYOUT = Layout(
    globals(),
    """
soap 1.1
n1 = urn:example:warehouse:types
n2 = urn:example:warehouse

Address n1:Address
  street n1:street xs:string
  city n1:city xs:string
  postal_code n1:postalCode xs:token
  region n1:region xs:string ?
  country n1:country xs:token

Customer n1:Customer
  name n1:name xs:string
  email n1:email xs:token ?
  address n1:address Address
  number @number xs:token ?

OrderLine n1:OrderLine
  sku n1:sku xs:token
  quantity n1:quantity xs:positiveInteger
  unit_price n1:unitPrice xs:decimal
  gift @gift xs:boolean ? ="false"

Invoice n1:Invoice
  due_days n1:dueDays xs:unsignedByte
  reference n1:reference xs:string ?

Payment n1:Payment
  choice
    invoice n1:invoice Invoice
    card_token n1:cardToken xs:token

Shipment n1:Shipment
  carrier n1:carrier xs:string
  shipped_at n1:shippedAt xs:dateTime

Order n1:Order
  order_id n1:orderId xs:token
  status n1:status OrderStatus
  placed_at n1:placedAt xs:dateTime
  customer n1:customer Customer
  lines n1:lines OrderLine +
  total n1:total xs:decimal
  payment n1:payment Payment
  requested_delivery n1:requestedDelivery xs:date ?
  note n1:note xs:string nil
  shipment n1:shipment Shipment ?
  currency @currency xs:NMTOKEN

ExpressOrder n1:ExpressOrder < Order
  courier n1:courier xs:string
  guaranteed_by n1:guaranteedBy xs:dateTime

GetOrder -
  order_id n1:orderId xs:token

GetOrderResponse -
  order n1:order Order

OrderNotFound -
  order_id n1:orderId xs:token
  hint n1:hint xs:string

ListOrders -
  status n1:status OrderStatus ?
  since n1:since xs:date ?
  limit n1:limit xs:int

ListOrdersResponse -
  order n1:order Order *

PlaceOrder -
  customer n1:customer Customer
  lines n1:lines OrderLine +
  payment n1:payment Payment ?
  requested_delivery n1:requestedDelivery xs:date ?
  note n1:note xs:string nil

PlaceOrderResponse -
  order_id n1:orderId xs:token
  total n1:total xs:decimal
  accepted_at n1:acceptedAt xs:dateTime

OutOfStock -
  sku n1:sku xs:token
  requested n1:requested xs:positiveInteger
  available n1:available xs:nonNegativeInteger

GetLabel -
  order_id n1:orderId xs:token

GetLabelResponse -
  label n1:label xs:base64Binary
  mime_type n1:mimeType xs:token

NotifyShipment -
  order_id n1:orderId xs:token
  carrier n1:carrier xs:string
  shipped_at n1:shippedAt xs:dateTime

operation GetOrder
  action urn:example:warehouse/GetOrder
  request n1:GetOrder GetOrder
  reply n1:GetOrderResponse GetOrderResponse
  header call_key n2:CallKey xs:token ?
  fault OrderNotFoundFault n1:OrderNotFound OrderNotFound

operation ListOrders
  action urn:example:warehouse/ListOrders
  request n1:ListOrders ListOrders
  reply n1:ListOrdersResponse ListOrdersResponse
  header call_key n2:CallKey xs:token ?

operation PlaceOrder
  action urn:example:warehouse/PlaceOrder
  request n1:PlaceOrder PlaceOrder
  reply n1:PlaceOrderResponse PlaceOrderResponse
  header call_key n2:CallKey xs:token ?
  fault OutOfStockFault n1:OutOfStock OutOfStock

operation GetLabel
  action urn:example:warehouse/GetLabel
  request n1:GetLabel GetLabel
  reply n1:GetLabelResponse GetLabelResponse
  header call_key n2:CallKey xs:token ?
  fault OrderNotFoundFault n1:OrderNotFound OrderNotFound

operation NotifyShipment
  action urn:example:warehouse/NotifyShipment
  one-way
  request n1:NotifyShipment NotifyShipment
  header call_key n2:CallKey xs:token ?
""",
)


class WarehouseService(Service):
    """The warehouse, inside the company's own network."""

    __namespace__ = "urn:example:warehouse"
    _layout = _LAYOUT
    _methods = (
        ("GetOrder", "get_order"),
        ("ListOrders", "list_orders"),
        ("PlaceOrder", "place_order"),
        ("GetLabel", "get_label"),
        ("NotifyShipment", "notify_shipment"),
    )

    def get_order(self, order_id: str, *, call_key: str | None = None) -> Order:
        """Return one order by its number.

        Raises OrderNotFoundFault.
        """
        raise NotFilledIn("GetOrder")

    def list_orders(
        self,
        limit: int,
        *,
        status: OrderStatus | None = None,
        since: dt.date | None = None,
        call_key: str | None = None,
    ) -> list[Order]:
        """Return the newest orders, of one status or all, placed on a day or later."""
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
        """Place an order for articles in stock. Calling it twice orders twice.

        Raises OutOfStockFault.
        """
        raise NotFilledIn("PlaceOrder")

    def get_label(
        self,
        order_id: str,
        *,
        call_key: str | None = None,
    ) -> GetLabelResponse:
        """Return the shipping label of an order, as bytes for the printer.

        Raises OrderNotFoundFault.
        """
        raise NotFilledIn("GetLabel")

    def notify_shipment(
        self,
        order_id: str,
        carrier: str,
        shipped_at: dt.datetime,
        *,
        call_key: str | None = None,
    ) -> None:
        """Tell the warehouse that an order has left the house; one-way."""
        raise NotFilledIn("NotifyShipment")
