"""The model of a stub: operations and types, with their names in Python, decided once.

Client and service stubs are rendered from the same model, so that they agree on every name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.soap.envelope import SoapVersion


class Style(StrEnum):
    """How an operation's message stands in the Body."""

    WRAPPED = "wrapped"
    """Document style: one element, named like the operation, around the parameters."""
    BARE = "bare"
    """Document style: each part is an element of its own."""
    RPC = "rpc"
    """An element named like the operation, around parts that have types and no namespace."""


class FieldKind(StrEnum):
    """Where in XML the value of a field stands."""

    ELEMENT = "element"
    ATTRIBUTE = "attribute"
    TEXT = "text"
    """The text of an element that has attributes: simpleContent."""
    GROUP = "group"
    """No element of its own: the repeated content that its record describes, in place."""
    ANY = "any"
    """xs:any: elements of any name."""
    ANY_ATTRIBUTE = "any attribute"


class GroupKind(StrEnum):
    """How the particles of a group follow each other."""

    SEQUENCE = "sequence"
    CHOICE = "choice"
    ALL = "all"


class Origin(StrEnum):
    """The kind of declaration that a record comes from."""

    TYPE = "type"
    """A named complex type."""
    ANONYMOUS = "anonymous"
    """The type of one element, declared inside of it."""
    GROUP = "group"
    """A group that may be repeated: one round of it."""
    MESSAGE = "message"
    """The parts of a message, bare or rpc."""


class GapKind(StrEnum):
    """What a stub may be unable to express; each renderer knows which of them it can."""

    ENCODED = "rpc/encoded"
    ANY = "xs:any"
    ANY_ATTRIBUTE = "xs:anyAttribute"
    ANY_TYPE = "xs:anyType"
    MIXED = "mixed content"
    ANY_XML = "mixed content of xs:any alone"
    SUBSTITUTION = "a substitution group"
    REPEATED_GROUP = "a repeated choice or sequence"
    LIST = "xs:list"
    UNION = "xs:union"
    REPLY_HEADER = "a header of the reply"
    ATTACHMENT = "a MIME part"
    UNDECLARED = "a type or element that no schema declares"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that is not, or not wholly, expressed: never dropped without one of these."""

    kind: GapKind
    where: str
    """The type, element or message that has it."""
    operations: tuple[str, ...]
    """The operations that it concerns, by their names in the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleType:
    """A type whose values are text."""

    builtin: str
    """The local name of XML Schema's own type that it comes down to; a list's item has its own,
    and for a list or a union this is "string"."""
    name: str = ""
    """Its name in Clark notation; empty where it has none."""
    facets: tuple[tuple[str, str], ...] = ()
    """Name and value of each facet on the way down to the built-in type, its own ones first."""
    enumeration: str = ""
    """The class name of its enumeration, where it has one."""
    item: SimpleType | None = None
    """Of a list: the type of its items."""
    members: tuple[SimpleType, ...] = ()
    """Of a union: the types that a value may have."""
    documentation: str = ""


Type = SimpleType | str | None
"""A simple type; the class name of a record; or None for xs:anyType."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What becomes an attribute of a class, or a parameter of a method."""

    name: str
    """Its name in Python, unique among those of its record and of the records below that."""
    kind: FieldKind
    xml_name: str = ""
    """The name of the element or attribute, in Clark notation; empty for the other kinds."""
    type: Type
    """That of a GROUP field is the name of a record; that of wildcards is None."""
    min_occurs: int = 1
    max_occurs: int | None = 1
    """None where there is no limit."""
    optional: bool = False
    """It may be absent: by its own minOccurs, or by the groups that it stands in."""
    nillable: bool = False
    default: str | None = None
    fixed: str | None = None
    documentation: str = ""

    @property
    def is_list(self) -> bool:
        """True where it may occur more than once."""
        return self.max_occurs is None or self.max_occurs > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Particles that stand together at most once: what may be repeated is a GROUP field."""

    kind: GroupKind
    optional: bool = False
    particles: tuple[Field | Group, ...] = ()

    def fields(self) -> Iterator[Field]:
        """Yield the fields of all particles, in their order; one of two branches comes twice."""
        for particle in self.particles:
            if isinstance(particle, Group):
                yield from particle.fields()
            else:
                yield particle


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordClass:
    """A complex type, or what is treated like one; it becomes a class."""

    class_name: str
    xml_name: str = ""
    """The name of the type in Clark notation, for xsi:type; empty where it has none."""
    origin: Origin
    base: str = ""
    """The class name of the record that it is derived from."""
    is_restriction: bool = False
    """It has the fields of its base and no own ones: only values are fewer."""
    abstract: bool = False
    mixed: bool = False
    content: Group | None = None
    """Its own elements, which follow those of its base."""
    attributes: tuple[Field, ...] = ()
    text: Field | None = None
    documentation: str = ""

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its own fields, each once: text, elements in their order, attributes."""
        elements = self.content.fields() if self.content is not None else ()
        text = () if self.text is None else (self.text,)
        found: dict[str, Field] = {}
        for one in (*text, *elements, *self.attributes):
            found.setdefault(one.name, one)
        return tuple(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A value of an enumeration."""

    name: str
    value: str
    documentation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration:
    """A simple type with a list of values; it becomes an Enum."""

    class_name: str
    xml_name: str = ""
    builtin: str
    members: tuple[Member, ...]
    documentation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StubMessage:
    """A request or a reply, inside the Body."""

    wrapper: str = ""
    """The element around the content, in Clark notation; empty for BARE."""
    record: str
    """The class name of the record that has its fields: the parameters, or the results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFault:
    """A fault that an operation declares."""

    name: str
    class_name: str
    """That of the exception; faults of the same element share it."""
    detail: Field
    """The element inside of the fault's detail."""
    documentation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StubOperation:
    """An operation that stubs can be made for."""

    name: str
    method: str
    style: Style
    soap_action: str
    one_way: bool
    request: StubMessage
    reply: StubMessage | None
    """None where it is one-way, or its reply has an empty Body."""
    headers: tuple[Field, ...] = ()
    """Of the request; their names are unique among the fields of the request."""
    reply_headers: tuple[Field, ...] = ()
    faults: tuple[DeclaredFault, ...] = ()
    documentation: str = ""

    @property
    def beside(self) -> tuple[Field, ...]:
        """What it has beside its request and reply: headers, and the details of its faults."""
        details = (one.detail for one in self.faults)
        return (*self.headers, *self.reply_headers, *details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """The port that a model was read for."""

    service: str
    name: str
    namespace: str
    """The target namespace of its WSDL."""
    version: SoapVersion
    address: str
    """What the WSDL says; often that of a machine which clients do not reach."""
    class_name: str
    """The service's name as a class: names of stubs are made from it, as in ``OrdersClient``."""
    documentation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All that is needed to render a stub of one port."""

    port: Port
    operations: tuple[StubOperation, ...]
    records: Mapping[str, RecordClass]
    """By class name, bases before what is derived from them."""
    enumerations: Mapping[str, Enumeration]
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """What the contract's own notes say: ports that are not served, and the like."""
    all_notes: tuple[str, ...] = field(default=())
    """The same with a line for each operation or port that it is so of."""

    def lineage(self, class_name: str) -> tuple[RecordClass, ...]:
        """Return a record and what it is derived from, the outermost base first."""
        record = self.records[class_name]
        return (*(self.lineage(record.base) if record.base else ()), record)

    def fields(self, class_name: str) -> tuple[Field, ...]:
        """Return the fields of a record, those of its bases first."""
        return tuple(one for record in self.lineage(class_name) for one in record.fields)
