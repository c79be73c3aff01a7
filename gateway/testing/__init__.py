"""Suites by which others prove what they have built: they run in pytest, against real parts.

Addresses come in, verdicts of pytest go out. It knows queues. The home of pytest.
"""

import pytest

pytest.register_assert_rewrite("gateway.testing.queue_contract")
