"""Renders the service stub of a port: a generated base, and the file in which it is filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.generate.model import Model, StubOperation
from gateway.generate.python import describing
from gateway.generate.python.client import Block, exempt, method_head, type_blocks
from gateway.generate.python.example import example
from gateway.generate.python.imports import imports, local_imports
from gateway.generate.python.layout_text import layout
from gateway.generate.python.source import docstring, in_triple_quotes, literal, split
from gateway.generate.python.templating import template


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceNames:
    """The modules and classes of a service stub."""

    base_module: str
    module: str
    base: str
    """The class that is generated."""
    own: str
    """The class below it, in which operations are filled in."""

    @classmethod
    def of(cls, model: Model, module: str) -> ServiceNames:
        """Return the names for a person's module: orders_service is built on orders_base."""
        stem = module.removesuffix("_service")
        name = model.port.class_name
        return cls(base_module=f"{stem}_base", module=module, base=f"{name}Service", own=name)


def render_base(model: Model, names: ServiceNames, source: str) -> str:
    """Return the source of the generated base; the same model always gives the same."""
    classes = type_blocks(model)
    methods = [
        _method(one, model, docstring(describing.method(one), 8)) for one in model.operations
    ]
    ours = ["Layout", "Service", *(["NotFilledIn"] if methods else [])]
    text = template("service_base.py.jinja").render(
        docstring=docstring(describing.base_module(model, names.module, names.own), 0),
        imports=imports(_code((*classes, *methods)), ours),
        classes=classes,
        layout=in_triple_quotes(layout(model)),
        head=f"class {names.base}(Service):",
        class_docstring=docstring(describing.base_class(model), 4),
        namespace=literal(model.port.namespace),
        operations=[
            split("(", [literal(one.name), literal(one.method)], "),", 8)
            for one in model.operations
        ],
        methods=methods,
    )
    marker = f"{describing.marker(source)}\n"
    return marker + exempt(marker + text, model) + text


def render_service(model: Model, names: ServiceNames) -> str:
    """Return the source of a person's file, as it is written once."""
    # Their documentation is in the base.
    methods = [_method(one, model) for one in model.operations]
    heads = "\n".join(one.head for one in methods)
    text = template("service.py.jinja").render(
        docstring=docstring([f"The service {model.port.service}: fill its operations in."], 0),
        imports=imports(heads, ["NotFilledIn"] if methods else []),
        local=local_imports(names.base_module, [names.base, *_named(model, heads)]),
        head=f"class {names.own}({names.base}):",
        class_docstring=docstring(describing.base_class(model), 4),
        methods=methods,
    )
    return f"{exempt(text, model)}{text}"


def render_test(model: Model, names: ServiceNames) -> str:
    """Return the source of an example test, as it is written once; empty where none is easy."""
    found = example(model)
    if found is None:
        return ""
    call = split(f"{names.own}().{found.operation.method}(", found.arguments, ")", 8)
    return template("test_service.py.jinja").render(
        imports=imports(call, ["NotFilledIn"]),
        base=local_imports(names.base_module, _named(model, call)),
        service=local_imports(names.module, [names.own]),
        method=found.operation.method,
        call=call,
    )


def _method(operation: StubOperation, model: Model, documentation: str = "") -> Block:
    return Block(
        head=method_head(operation, model),
        docstring=documentation,
        lines=(split("raise NotFilledIn(", [literal(operation.name)], ")", 8),),
    )


def _code(blocks: Iterable[Block]) -> str:
    return "\n".join(line for one in blocks for line in (one.head, *one.lines))


def _named(model: Model, code: str) -> list[str]:
    """Return the classes of a contract that code names."""
    known = {*model.records, *model.enumerations}
    return sorted(known & set(re.findall(r"\w+", code)))
