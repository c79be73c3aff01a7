"""What was meant by a wrong name, and pydantic's sentences in plain words."""

from __future__ import annotations

import pytest

from gateway.settings.suggestions import meant, plainly


@pytest.mark.parametrize("wrong", ["GetOrdr", "getorder", "GETORDER", "GetOrders"])
def test_a_name_that_is_nearly_right_is_asked_about(wrong):
    assert meant(wrong, ["GetLabel", "GetOrder", "PlaceOrder"]) == "did you mean GetOrder?"


def test_a_name_that_is_like_none_is_answered_with_those_that_there_are():
    assert meant("x", ["b", "a"]) == "there is a, b."
    assert meant("x", []) == "there is none."


def test_of_a_thousand_names_twenty_are_told():
    told = meant("x", [f"operation{number:04}" for number in range(1000)])
    assert told.endswith("operation0019 and 980 more.")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Input should be a valid string", "must be a text, in quotes"),
        ("Input should be greater than or equal to 1", "must be 1 or more"),
        ("Input should be less than or equal to 64", "must be 64 or less"),
        (
            "Input should be a valid integer, unable to parse string as an integer",
            "must be a whole number",
        ),
        ("Value error, 'x' is not one of 'a', 'b'.", "'x' is not one of 'a', 'b'."),
    ],
)
def test_pydantics_sentences_are_told_in_plain_words(theirs, ours):
    assert plainly(theirs) == ours
