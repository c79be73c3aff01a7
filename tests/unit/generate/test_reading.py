"""What is read from a contract for its stubs."""

from __future__ import annotations

import pytest

from gateway.contract import from_documents, load
from gateway.errors import ContractError
from gateway.generate.contract.declarations import paragraphs
from gateway.generate.contract.reading import ports, read
from gateway.generate.model import (
    Field,
    FieldKind,
    GapKind,
    Group,
    GroupKind,
    Origin,
    Style,
)

T = "{urn:example:everything:types}"


def by_name(fields) -> dict[str, Field]:
    return {one.name: one for one in fields}


def test_wrapped_operations_have_the_fields_of_their_wrapper(models):
    model = models("warehouse")
    place = next(one for one in model.operations if one.name == "PlaceOrder")
    assert place.style is Style.WRAPPED
    assert place.method == "place_order"
    assert place.request.wrapper == "{urn:example:warehouse:types}PlaceOrder"
    fields = model.fields(place.request.record)
    assert [one.name for one in fields] == [
        "customer",
        "lines",
        "payment",
        "requested_delivery",
        "note",
    ]
    assert [one.name for one in place.headers] == ["call_key"]
    assert (
        place.documentation
        == "Place an order for articles in stock. Calling it twice orders twice."
    )


def test_faults_have_a_class_beside_that_of_their_detail(models):
    model = models("warehouse")
    get = model.operations[0]
    assert [(one.class_name, one.detail.type) for one in get.faults] == [
        ("OrderNotFoundFault", "OrderNotFound")
    ]
    draw = models("everything").operations[0]
    assert [one.class_name for one in draw.faults] == ["RefusedFault", "BusyFault"]


def test_one_way_operations_have_no_reply(models):
    notify = models("warehouse").operations[-1]
    assert notify.one_way
    assert notify.reply is None


def test_an_element_with_a_named_type_that_others_derive_from_is_bare(models):
    model = models("everything")
    keep = next(one for one in model.operations if one.name == "Keep")
    assert keep.style is Style.BARE
    (shape,) = model.fields(keep.request.record)
    assert (shape.xml_name, shape.type, shape.nillable) == (f"{T}shape", "Shape", True)


def test_an_element_called_like_the_operation_is_a_wrapper_though_its_type_is_named(models):
    pay = models("everything").operations[1]
    assert pay.style is Style.WRAPPED
    assert pay.request.record == "PayType"


def test_rpc_parts_are_unqualified_and_the_wrapper_is_in_the_namespace_of_the_body(models):
    model = models("calculator")
    add, reset = model.operations
    assert add.style is Style.RPC
    assert add.request.wrapper == "{urn:example:calculator:calls}Add"
    assert add.reply.wrapper == "{urn:example:calculator:calls}AddResponse"
    assert [one.xml_name for one in model.fields(add.request.record)] == ["left", "right"]
    assert reset.one_way


def test_what_is_encoded_is_left_out_and_named(models):
    model = models("calculator")
    assert "Old" not in [one.name for one in model.operations]
    assert [(gap.kind, gap.operations) for gap in model.gaps] == [(GapKind.ENCODED, ("Old",))]


def test_a_base_stays_a_base_and_comes_first(models):
    model = models("everything")
    assert list(model.records).index("Shape") < list(model.records).index("Circle")
    circle = model.records["Circle"]
    assert circle.base == "Shape"
    assert [one.name for one in circle.fields] == ["radius", "label2", "filled"]
    assert [one.name for one in model.fields("Circle")][:2] == ["x", "label"]
    assert model.records["Shape"].abstract


def test_a_restriction_has_the_fields_of_its_base(models):
    model = models("everything")
    unit = model.records["UnitCircle"]
    assert unit.is_restriction
    assert unit.fields == ()
    assert model.fields("UnitCircle") == model.fields("Circle")


def test_text_and_attributes_of_a_simple_content(models):
    amount = models("everything").records["Amount"]
    assert amount.text.type.builtin == "decimal"
    fields = by_name(amount.fields)
    assert fields["value"].kind is FieldKind.ATTRIBUTE  # it keeps its name
    assert fields["scale"].xml_name == f"{T}scale"
    assert fields["currency"].xml_name == "currency"
    assert fields["kind"].fixed == "money"
    assert models("everything").records["Price"].base == "Amount"


def test_the_same_element_in_two_branches_is_one_field(models):
    choices = models("everything").records["Choices"]
    first = choices.content.particles[0]
    assert isinstance(first, Group)
    assert first.kind is GroupKind.CHOICE
    assert [one.name for one in first.fields()] == ["from_", "to", "days", "to", "always"]
    assert [one.name for one in choices.fields][:4] == ["from_", "to", "days", "always"]
    assert all(one.optional for one in first.fields())


def test_the_same_element_twice_in_one_branch_is_two_fields(contracts):
    wsdl = (
        contracts["calculator"]
        .read_text()
        .replace(
            '<xs:element name="factor" type="xs:int" maxOccurs="unbounded"/>',
            '<xs:choice><xs:sequence><xs:element name="x" type="xs:int"/>'
            '<xs:element name="a" type="xs:int"/></xs:sequence>'
            '<xs:sequence><xs:element name="a" type="xs:int"/><xs:element name="b" type="xs:int"/>'
            '<xs:element name="a" type="xs:int"/></xs:sequence></xs:choice>',
        )
    )
    model = read(from_documents({"c.wsdl": wsdl.encode()}, "c.wsdl"))
    names = [one.name for one in model.records["Term"].content.fields()]
    assert names == ["x", "a", "a", "b", "a2"]


def test_a_repeated_group_is_a_list_of_records(models):
    model = models("everything")
    fields = by_name(model.records["Choices"].fields)
    assert (fields["choices"].kind, fields["choices"].type) == (FieldKind.GROUP, "ChoicesChoice")
    assert (fields["entries"].min_occurs, fields["entries"].max_occurs) == (0, 3)
    assert model.records["ChoicesChoice"].origin is Origin.GROUP
    assert model.records["ChoicesChoice"].content.kind is GroupKind.CHOICE
    assert fields["tag"].kind is FieldKind.ELEMENT  # of one element alone: a list of it
    assert fields["tag"].is_list
    assert model.fields("Crowd")[0].type == "CrowdPerson"


def test_a_substitution_group_is_a_choice_without_what_is_abstract(models):
    model = models("everything")
    assert [one.name for one in model.records["Bill"].fields] == ["cash", "card", "note"]
    assert [one.name for one in model.records["BillsPayment"].fields] == ["cash", "card"]
    assert model.records["Card"].base == "Payment"


def test_odd_names_stay_apart(models):
    names = [one.name for one in models("everything").records["OddNames"].fields]
    assert names == [
        *("class_", "list_", "str_", "item_no", "item_no2", "item_no3", "self_", "none"),
        *("naïve_é", "value", "dt_", "class_2"),
    ]


def test_types_of_one_name_in_two_namespaces_stay_apart(models):
    records = models("everything").records
    assert records["Shape2"].xml_name == "{urn:example:everything:other}Shape"
    assert by_name(records["Shape2"].fields)["corner"].xml_name == "corner"
    assert by_name(records["Shape2"].fields)["at"].xml_name == "{urn:example:everything:other}at"


def test_an_included_document_without_a_namespace_has_that_of_its_includer(models):
    lent = models("everything").records["Lent"]
    assert lent.xml_name == f"{T}Lent"
    assert by_name(lent.fields)["deeper"].type == "Lent"


def test_enumerations_have_values_of_their_own(models):
    colour = models("everything").enumerations["Colour"]
    assert {one.name: one.value for one in colour.members} == {
        "DARK_RED": "dark red",
        "DARK_RED2": "dark-red",
        "VALUE_2ND": "2nd",
        "EMPTY": "",
        "PLUS_SIGN": "+",
        "CLASS": "class",
        "A_B_C_D": "a\"b'c\\d",
        "ŽLUTÁ": "žlutá",
    }


def test_simple_types_keep_facets_lists_and_unions(models):
    model = models("everything")
    fields = by_name(model.records["Values"].fields)
    assert fields["numbers"].type.item.builtin == "int"
    assert fields["colours"].type.item.enumeration == "Colour2"
    assert [one.builtin for one in fields["size"].type.members] == ["int", "token"]
    currency = by_name(model.records["Amount"].fields)["currency"]
    assert currency.type.facets == (("pattern", "[A-Z]{3}"),)


def test_what_may_not_be_expressed_is_named_with_its_operations(models):
    gaps = {(gap.kind, gap.where): gap.operations for gap in models("everything").gaps}
    assert gaps[GapKind.ANY, "Open"] == ("Reopen",)
    assert gaps[GapKind.MIXED, "Mixed"] == ("Mix",)
    assert gaps[GapKind.ANY_TYPE, "Anything"] == ("Reopen",)
    assert gaps[GapKind.UNION, f"{T}Size"] == ("Draw",)
    assert gaps[GapKind.REPLY_HEADER, f"{T}Session"] == ("Draw",)


def test_documentation_keeps_its_paragraphs():
    text = "  Draw\n  it.<br />How  long?\n\n<p>So.</p>"
    assert paragraphs(text) == "Draw it.\n\nHow long?\n\nSo."


def test_the_same_contract_gives_the_same_model(models, contracts):
    path = contracts["everything"]
    assert read(load(path.name, folder=path.parent)) == models("everything")


def test_a_port_is_chosen_by_its_name(contracts):
    path = contracts["warehouse"]
    contract = load(path.name, folder=path.parent)
    assert read(contract, "WarehouseSoap12").port.version.name == "V12"
    assert read(contract).port.name == "WarehouseSoap11"
    with pytest.raises(ContractError, match="WarehouseSoap11, WarehouseSoap12"):
        read(contract, "Nowhere")


def test_ports_are_listed_in_the_order_of_the_document(contracts):
    path = contracts["warehouse"]
    found = ports(load(path.name, folder=path.parent))
    assert found == (("Warehouse", "WarehouseSoap11"), ("Warehouse", "WarehouseSoap12"))
