# Written by gateway stubs from calculator.wsdl: write it again rather than change it.
"""The client of the service Calculator, for its port CalculatorPort.

It is called like this:

    with CalculatorClient("sqlite:///queue.db") as calculator:
        calculator.add(...)

Not wholly expressed:

- Old is rpc/encoded, and left out
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.stubs import Client, Layout, Record, SoapFault


@dataclass(kw_only=True, slots=True)
class Term(Record):
    factor: list[int]


class DivisionByZeroFault(SoapFault):
    """The service answered with the fault DivisionByZero."""

    detail: str


# What all this is in XML. How to read it: python -m pydoc gateway.stubs.table
_LAYOUT = Layout(
    globals(),
    """
soap 1.1
n1 = urn:example:calculator
n2 = urn:example:calculator:calls

Term n1:Term
  factor factor xs:int +

AddRequest -
  left left xs:int
  right right Term

AddResponse -
  sum sum xs:int

ResetRequest -

operation Add
  action urn:add
  request n2:Add AddRequest
  reply n2:AddResponse AddResponse
  fault DivisionByZeroFault n1:DivisionByZero xs:string

operation Reset
  action urn:reset
  one-way
  request n2:Reset ResetRequest
""",
)


class CalculatorClient(Client):
    """Calls the service Calculator.

    The address is that of a queue, of a listener, or of the service itself.
    """

    _layout = _LAYOUT
    _service = "calculator"

    def add(self, left: int, right: Term) -> int:
        """Add a term to a number.

        Raises DivisionByZeroFault.
        """
        reply: int = self._call("Add", left=left, right=right)
        return reply

    def reset(self) -> None:
        """Call Reset.

        One-way: there is no reply.
        """
        self._call("Reset")
