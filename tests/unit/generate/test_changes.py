"""A changed contract is told in the words of those who filled a service in."""

from __future__ import annotations

from gateway.generate.python.changes import Changes, changes, diff

OLD = '''
class Order(Record):
    def is_open(self) -> bool: ...

class OrdersBase(Service):
    def get_order(self, order_id: str) -> Order:
        """Returns an order."""
        raise NotFilledIn("GetOrder")

    def drop_order(self, order_id: str) -> None:
        raise NotFilledIn("DropOrder")
'''
NEW = OLD.replace("drop_order", "place_order").replace(
    "order_id: str) -> Order", "id: int) -> Order"
)
FILLED = """
import orders_base

class Orders(orders_base.OrdersBase):
    def get_order(self, order_id: str) -> Order: ...
    def drop_order(self, order_id: str) -> None: ...
    def helper(self) -> None: ...
"""


def test_operations_that_came_went_or_changed_are_named():
    assert changes(OLD, NEW, FILLED) == Changes(
        added=("place_order",),
        removed=("drop_order",),
        changed=("get_order",),
        orphans=("drop_order",),
    )


def test_what_was_not_filled_in_is_no_orphan():
    assert changes(OLD, NEW, "class Orders(OrdersBase): pass").orphans == ()


def test_documentation_alone_changes_no_operation():
    assert changes(OLD, OLD.replace("Returns", "Gives"), FILLED) == Changes()


def test_a_first_base_has_only_new_operations():
    assert changes("", OLD, "").added == ("get_order", "drop_order")


def test_a_file_in_the_middle_of_a_change_is_no_reason_to_fail():
    assert changes(OLD, NEW, "class Orders(").orphans == ()


def test_a_difference_is_one_that_patch_reads():
    told = diff(OLD, NEW, "orders_base.py")
    assert told.startswith("--- orders_base.py (now)\n+++ orders_base.py\n@@ ")
    assert "+    def place_order(self, order_id: str) -> None:\n" in told
    assert diff(OLD, OLD, "orders_base.py") == ""
