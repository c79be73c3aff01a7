"""The names of the files that stubs are written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.generate.python.files import check_module


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a-b.py", "a-b.py is not the name of a Python module: name a file like orders.py"),
        ("a4.txt", "a4.txt is not the name of a Python module"),
        ("4a.py", "4a.py is not the name of a Python module"),
        ("class.py", "class.py is not the name of a Python module"),
        ("client", "client is not the name of a Python module"),
        ("gateway.py", "would hide the module gateway of the gateway from what is started"),
        ("in/queue.py", "would hide the module queue of Python's own library"),
    ],
)
def test_a_file_that_python_cannot_import_or_takes_for_another_is_refused(path, told):
    with pytest.raises(ConfigurationError, match=told):
        check_module(Path(path))


@pytest.mark.parametrize("path", ["client.py", "in a-folder/orders_client.py", "Lager\u00f6.py"])
def test_any_other_is_not(path):
    check_module(Path(path))
