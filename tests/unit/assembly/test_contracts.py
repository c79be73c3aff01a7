"""What is said of a contract that the settings do not let be read."""

from __future__ import annotations

import pytest

from gateway.assembly import load_service_contract
from gateway.errors import ContractError
from gateway.settings import from_values

FAR = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"><types>
<schema xmlns="http://www.w3.org/2001/XMLSchema">
<import namespace="urn:a" schemaLocation="http://other.example/a.xsd"/></schema></types></definitions>
"""


def test_the_setting_is_named_that_lets_a_contract_import_from_another_host(tmp_path):
    (tmp_path / "far.wsdl").write_text(FAR)
    values = {"queue": "memory:", "services": {"orders": {"wsdl": "far.wsdl"}}}
    with pytest.raises(ContractError, match=r"name the host other\.example in contract_hosts$"):
        load_service_contract(from_values(values, tmp_path, "gateway.toml"), "orders")
