"""Suites by which others prove what they have built: they run in pytest, against real parts."""

import pytest

pytest.register_assert_rewrite("gateway.testing.queue_contract")
