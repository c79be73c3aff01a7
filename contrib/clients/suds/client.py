"""Calls the warehouse with suds, from its WSDL alone, and prints what came back as JSON.

python3 client.py WSDL-URL SOAP-VERSION NOTE
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable

import suds
import suds.client


def main(wsdl: str, _version: str, note: str) -> None:
    client = suds.client.Client(wsdl, cache=None)
    service = client.service["WarehouseSoap11"]
    order = service.GetOrder("WH-100002")
    customer = client.factory.create("ns0:Customer")
    customer._number = "C-0077"
    customer.name = "Żak & Söhne"
    address = {"street": "2 Quay", "city": "Hull", "postalCode": "HU1 1AA", "country": "GB"}
    for name, value in address.items():
        customer.address[name] = value
    lines = [line(client, "PAL-0001", 3, "12.50"), line(client, "BOX-0002", 2, "0.35", "true")]
    placed = service.PlaceOrder(customer, lines, note=note)
    kept = service.GetOrder(placed.orderId)
    label = service.GetLabel("WH-100002")
    listed = service.ListOrders("cancelled", "2026-01-01", 2)
    notified = service.NotifyShipment(placed.orderId, "Swift", "2026-01-12T08:00:00Z")
    report = {
        "order": {
            "orderId": order.orderId,
            "status": order.status,
            "customer": order.customer.name,
            "city": order.customer.address.city,
            "total": str(order.total),
            "note": order.note,
            "courier": order.courier,
        },
        "unknown": fault_of(lambda: service.GetOrder("WH-404404")),
        "refused": fault_of(lambda: service.GetOrder("no order!")),
        "listed": [one.orderId for one in listed],
        "placed": {
            "orderId": placed.orderId,
            "total": str(placed.total),
            "customer": kept.customer.name,
            "note": kept.note,
            "gifts": [one._gift for one in kept.lines],
        },
        "label": {
            "text": base64.b64decode(label.label).decode("utf-8"),
            "mimeType": label.mimeType,
        },
        "notified": not notified,
    }
    print(json.dumps(report))


def line(
    client: suds.client.Client, sku: str, quantity: int, price: str, gift: str = "false"
) -> suds.sudsobject.Object:
    made = client.factory.create("ns0:OrderLine")
    made.sku, made.quantity, made.unitPrice, made._gift = sku, quantity, price, gift
    return made


def fault_of(call: Callable[[], object]) -> dict[str, str | None]:
    try:
        call()
    except suds.WebFault as error:
        fault = error.fault
        detail = getattr(fault, "detail", None)
        return {
            "code": fault.faultcode.rpartition(":")[2],
            "text": str(fault.faultstring),
            "orderId": getattr(getattr(detail, "OrderNotFound", None), "orderId", None),
        }
    return {}


main(*sys.argv[1:])
