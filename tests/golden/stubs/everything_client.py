# Written by gateway stubs from everything.wsdl: write it again rather than change it.
# ruff: noqa: PLR0913, RUF100
"""The client of the service EverythingService, for its port EverythingPort.

A service that has a bit of everything.

It is called like this:

    with EverythingClient("sqlite:///queue.db") as everything:
        everything.draw(...)

Not wholly expressed:

- {urn:example:everything:types}Session is a header of the reply, and not returned
  (Draw)
- Open holds xs:any: such elements are given and taken as they are, as lxml's (Reopen)
- Open holds xs:anyAttribute: such attributes are text, by name (Reopen)
- Anything holds xs:anyType: it is an element of lxml unless the XML says its type
  (Reopen)
- Mixed is mixed content: text between its elements is lost (Mix)
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, StrEnum

from gateway.stubs import AnyValue, Client, Duration, Element, Layout, Record, SoapFault


class Colour(StrEnum):
    """Values that are no names."""

    DARK_RED = "dark red"
    DARK_RED2 = "dark-red"
    VALUE_2ND = "2nd"
    EMPTY = ""
    PLUS_SIGN = "+"
    CLASS = "class"
    A_B_C_D = "a\"b'c\\d"
    ŽLUTÁ = "žlutá"


class Level(IntEnum):
    VALUE_1 = 1
    MINUS_2 = -2


class Colour2(StrEnum):
    RED = "red"
    GREEN = "green"


class SettingsMode(StrEnum):
    FAST = "fast"
    SLOW = "slow"


@dataclass(kw_only=True, slots=True)
class Shape(Record):
    """What has a place.

    It stands for others: it has no instances.
    """

    x: Decimal
    label: str | None = None
    id: str | None = None


@dataclass(kw_only=True, slots=True)
class Circle(Shape):
    radius: float
    label2: str | None = None
    filled: bool = True


@dataclass(kw_only=True, slots=True)
class UnitCircle(Circle):
    """A circle whose radius is 1."""


@dataclass(kw_only=True, slots=True)
class Drawing(Record):
    shape: list[Shape]
    title: Amount | None
    lang: str | None = None
    class_: list[str] | None = None
    data_row: int | None = None


@dataclass(kw_only=True, slots=True)
class Amount(Record):
    value2: Decimal
    currency: str
    value: str | None = None
    scale: int | None = None
    kind: str = "money"


@dataclass(kw_only=True, slots=True)
class Price(Amount):
    net: bool | None = None


@dataclass(kw_only=True, slots=True)
class Choices(Record):
    """Groups of all kinds."""

    from_: dt.date | None = None
    to: dt.date | None = None
    days: int | None = None
    always: Empty | None = None
    choices: list[ChoicesChoice] = field(default_factory=list)
    entries: list[ChoicesEntry] = field(default_factory=list)
    first: str | None = None
    last: str | None = None
    street: str | None = None
    city: str | None = None
    tag: list[str] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Crowd(Record):
    person: list[CrowdPerson]


@dataclass(kw_only=True, slots=True)
class Empty(Record):
    """Has nothing of its own."""


@dataclass(kw_only=True, slots=True)
class Settings(Record):
    speed: float | None = None
    mode: SettingsMode | None = None
    version: str = "1.0"


@dataclass(kw_only=True, slots=True)
class Tree(Record):
    name: str
    forest: Forest | None = None
    tree: list[Tree] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Forest(Record):
    tree: list[Tree] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class OddNames(Record):
    class_: str
    list_: list[int]
    str_: str
    item_no: int
    item_no2: int
    item_no3: int
    self_: str
    none: str
    naïve_é: str
    value: str
    dt_: dt.date
    class_2: str | None = None


@dataclass(kw_only=True, slots=True)
class Values(Record):
    """A value of each built-in type."""

    boolean: bool
    byte: int
    decimal: Decimal
    double: float
    float_: float
    integer: int
    date: dt.date
    date_time: dt.datetime
    time: dt.time
    duration: Duration
    g_year: str
    g_month_day: str
    base64: bytes
    hex: bytes
    uri: str
    name: str
    colour: Colour
    level: Level
    numbers: list[int]
    colours: list[Colour2]
    size: str
    other: Shape2
    lent: Lent
    remark: str | None = None
    levels: list[int] | None = None


@dataclass(kw_only=True, slots=True)
class Payment(Record):
    amount: Amount


@dataclass(kw_only=True, slots=True)
class Bill(Record):
    cash: Payment | None = None
    card: Card | None = None
    note: str | None = None


@dataclass(kw_only=True, slots=True)
class Bills(Record):
    payment: list[BillsPayment] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Open(Record):
    known: str
    any_elements: list[Element] = field(default_factory=list)
    any_attributes: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Anything(Record):
    first: AnyValue
    second: AnyValue | None = None


@dataclass(kw_only=True, slots=True)
class Mixed(Record):
    b: list[str] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class RefusedDetail(Record):
    reason: str


@dataclass(kw_only=True, slots=True)
class Lent(Record):
    """In the namespace of whoever includes it."""

    deeper: Lent | None = None
    text: str


@dataclass(kw_only=True, slots=True)
class Shape2(Record):
    """Has the name of a type in another namespace."""

    corner: list[int | None] = field(default_factory=list)
    at: str


@dataclass(kw_only=True, slots=True)
class DrawResponse(Record):
    values: Values
    line: list[DrawResponseLine] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Session(Record):
    key: str


@dataclass(kw_only=True, slots=True)
class ChoicesChoice(Record):
    plus: int | None = None
    minus: int | None = None
    times: int | None = None
    by: int | None = None


@dataclass(kw_only=True, slots=True)
class ChoicesEntry(Record):
    key: str
    entry: list[str] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class CrowdPerson(Record):
    first: str
    last: str | None = None


@dataclass(kw_only=True, slots=True)
class Card(Payment):
    number: str


@dataclass(kw_only=True, slots=True)
class BillsPayment(Record):
    cash: Payment | None = None
    card: Card | None = None


@dataclass(kw_only=True, slots=True)
class DrawResponseLine(Record):
    length: int


class RefusedFault(SoapFault):
    """The service answered with the fault Refused."""

    detail: RefusedDetail


class BusyFault(SoapFault):
    """The service answered with the fault Busy."""

    detail: int


# What all this is in XML. How to read it: python -m pydoc gateway.stubs.table
_LAYOUT = Layout(
    globals(),
    """
soap 1.1
n1 = urn:example:everything:types
n2 = urn:example:everything:other

Shape n1:Shape abstract
  x n1:x xs:decimal
  label n1:label xs:string ? nil
  id @id xs:ID ?

Circle n1:Circle < Shape
  radius n1:radius xs:double
  label2 n1:label xs:string ?
  filled @filled xs:boolean ? ="true"

UnitCircle n1:UnitCircle < Circle

Drawing n1:Drawing
  shape n1:shape Shape +
  title n1:title Amount nil
  lang @xml:lang xs:string ?
  class_ @class [xs:NMTOKEN] ?
  data_row @data-row xs:int ?

Amount n1:Amount
  value2 . xs:decimal
  currency @currency xs:token
  value @value xs:string ?
  scale @n1:scale xs:int ?
  kind @kind xs:string ? ="money"

Price n1:Price < Amount
  net @net xs:boolean ?

Choices n1:Choices
  choice
    sequence
      from_ n1:from xs:date
      to n1:to xs:date ?
    sequence
      days n1:days xs:int
      to n1:to xs:date
    always n1:always Empty
  choices ~ ChoicesChoice *
  entries ~ ChoicesEntry *
  sequence ?
    first n1:first xs:string
    last n1:last xs:string ?
  sequence ?
    street n1:street xs:string
    city n1:city xs:string
  tag n1:tag xs:string *

Crowd n1:Crowd
  person ~ CrowdPerson +

Empty n1:Empty

Settings n1:Settings
  all
    speed n1:speed xs:float ?
    mode n1:mode SettingsMode ? ="fast"
    version n1:version xs:string ="1.0"

Tree n1:Tree
  name n1:name xs:string
  forest n1:forest Forest ?
  tree n1:tree Tree *

Forest n1:Forest
  tree n1:tree Tree *

OddNames n1:Odd-Names
  class_ n1:class xs:string
  list_ n1:list xs:int +
  str_ n1:str xs:string
  item_no n1:item-no xs:int
  item_no2 n1:itemNo xs:int
  item_no3 n1:item_no xs:int
  self_ n1:self xs:string
  none n1:None xs:string
  naïve_é n1:naïve.é xs:string
  value n1:_ xs:string
  dt_ n1:dt xs:date
  class_2 @class xs:string ?

Values n1:Values
  boolean n1:boolean xs:boolean
  byte n1:byte xs:byte
  decimal n1:decimal xs:decimal
  double n1:double xs:double
  float_ n1:float xs:float
  integer n1:integer xs:integer
  date n1:date xs:date
  date_time n1:dateTime xs:dateTime
  time n1:time xs:time
  duration n1:duration xs:duration
  g_year n1:gYear xs:gYear
  g_month_day n1:gMonthDay xs:gMonthDay
  base64 n1:base64 xs:base64Binary
  hex n1:hex xs:hexBinary
  uri n1:uri xs:anyURI
  name n1:name xs:QName
  colour n1:colour Colour
  level n1:level Level
  numbers n1:numbers [xs:int]
  colours n1:colours [Colour2]
  size n1:size xs:string
  other n1:other Shape2
  lent n1:lent Lent
  remark n2:remark xs:string ? nil
  levels @levels [xs:int] ?

Payment n1:Payment
  amount n1:amount Amount

Bill n1:Bill
  choice
    cash n1:cash Payment
    card n1:card Card
  note n1:note xs:string ?

Bills n1:Bills
  payment ~ BillsPayment *

Open n1:Open
  known n1:known xs:string
  any_elements ... xml *
  any_attributes @* xml

Anything n1:Anything
  first n1:first xml
  second n1:second xml ?

Mixed n1:Mixed
  b n1:b xs:string *

PayType n1:PayType
  bill n1:bill Bill
  bills n1:bills Bills
  price n1:price Price

RefusedDetail n1:RefusedDetail
  reason n1:reason xs:string

Lent n1:Lent
  deeper n1:deeper Lent ?
  text n1:text xs:normalizedString

Shape2 n2:Shape
  corner corner xs:int * nil
  at @n2:at xs:string

Draw -
  drawing n1:drawing Drawing
  choices n1:choices Choices ?
  crowd n1:crowd Crowd ?
  settings n1:settings Settings ?
  tree n1:tree Tree ?
  odd n1:odd OddNames ?
  dry @dry xs:boolean ? ="false"

DrawResponse -
  values n1:values Values
  line n1:line DrawResponseLine *

Session -
  key n1:key xs:string

PayResponse -

ChoicesChoice -
  choice
    plus n1:plus xs:int
    minus n1:minus xs:int
    sequence
      times n1:times xs:int
      by n1:by xs:int nil

ChoicesEntry -
  key n1:key xs:string
  entry n1:entry xs:string *

CrowdPerson -
  first n1:first xs:string
  last n1:last xs:string ?

Card - < Payment
  number n1:number xs:string

BillsPayment -
  choice
    cash n1:cash Payment
    card n1:card Card

DrawResponseLine -
  length n1:length xs:int

ReopenRequest -
  open n1:open Open

ReopenResponse -
  anything n1:anything Anything

MixRequest -
  mixed n1:mixed Mixed

MixResponse -
  mixed n1:mixed Mixed

KeepRequest -
  shape n1:shape Shape nil

CloseRequest -
  number n1:number xs:int

CloseResponse -
  shape n1:shape Shape nil

PingRequest -

PingResponse -
  number n1:number xs:int

operation Draw
  action urn:draw
  request n1:Draw Draw
  reply n1:DrawResponse DrawResponse
  header session n1:Session Session ?
  fault RefusedFault n1:Refused RefusedDetail
  fault BusyFault n1:BusyFault xs:int

operation Pay
  action urn:pay
  request n1:Pay PayType
  reply n1:PayResponse PayResponse
  fault RefusedFault n1:Refused RefusedDetail

operation Reopen
  request - ReopenRequest
  reply - ReopenResponse

operation Mix
  request - MixRequest
  reply - MixResponse

operation Keep
  one-way
  request - KeepRequest

operation close
  action urn:close
  request - CloseRequest
  reply - CloseResponse

operation Ping
  action urn:ping
  request - PingRequest
  reply - PingResponse
""",
)


class EverythingClient(Client):
    """A service that has a bit of everything.

    The address is that of a queue, of a listener, or of the service itself.
    """

    _layout = _LAYOUT
    _service = "everything"

    def draw(
        self,
        drawing: Drawing,
        *,
        choices: Choices | None = None,
        crowd: Crowd | None = None,
        settings: Settings | None = None,
        tree: Tree | None = None,
        odd: OddNames | None = None,
        dry: bool = False,
        session: Session | None = None,
    ) -> DrawResponse:
        """Draw it.

        Say how long the lines were.

        Raises RefusedFault, BusyFault.
        """
        reply: DrawResponse = self._call(
            "Draw",
            drawing=drawing,
            choices=choices,
            crowd=crowd,
            settings=settings,
            tree=tree,
            odd=odd,
            dry=dry,
            session=session,
        )
        return reply

    def pay(self, bill: Bill, bills: Bills, price: Price) -> None:
        """Call Pay.

        Raises RefusedFault.
        """
        self._call("Pay", bill=bill, bills=bills, price=price)

    def reopen(self, open: Open) -> Anything:
        """Call Reopen."""
        reply: Anything = self._call("Reopen", open=open)
        return reply

    def mix(self, mixed: Mixed) -> Mixed:
        """Call Mix."""
        reply: Mixed = self._call("Mix", mixed=mixed)
        return reply

    def keep(self, shape: Shape | None) -> None:
        """Call Keep.

        One-way: there is no reply.
        """
        self._call("Keep", shape=shape)

    def close_(self, number: int) -> Shape | None:
        """Call close."""
        reply: Shape | None = self._call("close", number=number)
        return reply

    def ping(self) -> int:
        """Call Ping."""
        reply: int = self._call("Ping")
        return reply
