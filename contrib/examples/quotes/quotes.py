"""Stock quotes: the smallest service that shows what a hosted service can do.

Host it with ``host = "quotes:QuoteService"`` and this folder on the Python path. The WSDL, and
with it every check of a request, is made from the classes below; there is nothing else to write.
"""

from datetime import UTC, datetime
from decimal import Decimal as Price
from threading import Lock

from spyne import (
    Array,
    ComplexModel,
    DateTime,
    Decimal,
    Fault,
    MethodContext,
    Service,
    Unicode,
    rpc,
)

NAMESPACE = "urn:example:quotes"


class Symbol(Unicode(pattern="[A-Z]{1,5}", min_occurs=1, nillable=False)):
    """A type with a rule: a request that breaks it never reaches this code."""

    __namespace__ = NAMESPACE
    __type_name__ = "Symbol"


class Quote(ComplexModel):
    """What a share was sold for, and when. Its members become elements, in this order."""

    __namespace__ = NAMESPACE

    symbol = Unicode(min_occurs=1, nillable=False)
    price = Decimal(min_occurs=1, nillable=False)
    currency = Unicode(min_occurs=1, nillable=False)
    at = DateTime(min_occurs=1, nillable=False)


class UnknownSymbol(Fault):
    """A fault that the WSDL declares: its members reach the caller, in the fault's detail."""

    __namespace__ = NAMESPACE

    symbol = Unicode

    def __init__(self, symbol: str) -> None:
        super().__init__("Client.UnknownSymbol", "No share is traded under this symbol.")
        self.symbol = symbol


# Calls come from several threads at once: what they share needs a lock.
_lock = Lock()
_prices = {"ACME": Price("103.50"), "INIT": Price("8.25")}


def _quote(symbol: str) -> Quote:
    with _lock:
        price = _prices.get(symbol)
    if price is None:
        raise UnknownSymbol(symbol)
    return Quote(symbol=symbol, price=price, currency="EUR", at=datetime.now(UTC))


class QuoteService(Service):
    """Each method under ``@rpc`` is an operation: the types of its arguments, then its result's."""

    __namespace__ = NAMESPACE

    @rpc(Symbol, _returns=Quote, _throws=[UnknownSymbol])
    def get_quote(ctx: MethodContext, symbol: str) -> Quote:
        """Return the last price of one share."""
        return _quote(symbol)

    @rpc(Array(Symbol), _returns=Array(Quote), _throws=[UnknownSymbol])
    def get_quotes(ctx: MethodContext, symbols: list[str]) -> list[Quote]:
        """Return the last prices of several shares, in the order asked for."""
        return [_quote(symbol) for symbol in symbols or []]

    @rpc(Symbol, Decimal(gt=0, min_occurs=1, nillable=False), _is_async=True)
    def report_trade(ctx: MethodContext, symbol: str, price: Price) -> None:
        """Take note of a trade. One-way: the caller goes on at once, and there is no reply."""
        with _lock:
            _prices[symbol] = price
