"""spyne is importable on every Python that is supported, and leaves no traces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _run(program: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", program],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def test_the_import_warns_of_nothing_even_when_spyne_is_compiled_anew(tmp_path: Path) -> None:
    # A cache of its own, and empty: the warnings of the compiler come only once.
    program = "import gateway.backends.hosted.spyne_compat; print('imported')"
    assert _run(program, "-W", "error", "-X", f"pycache_prefix={tmp_path}") == "imported\n"


def test_warnings_of_others_are_shown_as_before() -> None:
    program = """
import warnings
before = list(warnings.filters)
import gateway.backends.hosted.spyne_compat
print(warnings.filters == before)
"""
    assert _run(program) == "True\n"


def test_a_failing_import_is_an_import_error_and_no_warning() -> None:
    program = """
import gateway.backends.hosted.spyne_compat
try:
    import no_such_module
except ImportError:
    print("not found")
"""
    assert _run(program, "-W", "error") == "not found\n"


@pytest.mark.skipif(sys.version_info < (3, 13), reason="older Pythons have a cgi of their own")
def test_the_lent_cgi_is_taken_back() -> None:
    program = """
import importlib.util, sys
import gateway.backends.hosted.spyne_compat
print("cgi" in sys.modules, importlib.util.find_spec("cgi"))
"""
    assert _run(program) == "False None\n"


@pytest.mark.skipif(sys.version_info < (3, 13), reason="older Pythons have a cgi of their own")
def test_what_spyne_has_of_cgi_splits_a_header() -> None:
    program = """
import gateway.backends.hosted.spyne_compat
from spyne.protocol.soap import soap11
print(soap11.cgi.parse_header('text/xml; charset="utf-8"; a=b'))
"""
    assert _run(program) == "('text/xml', {'charset': 'utf-8', 'a': 'b'})\n"


def test_a_service_can_use_spyne_as_it_would_under_a_web_server() -> None:
    program = """
import gateway.backends.hosted.spyne_compat
from spyne import Service, rpc
from spyne.protocol.http import HttpRpc
from spyne.server.wsgi import WsgiApplication
print("imported")
"""
    assert _run(program) == "imported\n"


def test_spyne_logs_nothing_and_collects_no_garbage() -> None:
    program = """
import logging
import gateway.backends.hosted.spyne_compat
import spyne.const
logging.basicConfig(level=logging.DEBUG)
logging.getLogger("spyne.application.server").critical("payload")
print(spyne.const.MIN_GC_INTERVAL)
"""
    assert _run(program) == "inf\n"
