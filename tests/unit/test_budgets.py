"""The mirror of the code's style: rules fail, figures are only told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONG = "\n".join(f"    {name} = 1" for name in map("n{}".format, range(90)))


@pytest.fixture
def judged(tmp_path, monkeypatch, capsys):
    """Return what judges modules: the exit status, and what is printed."""
    monkeypatch.syspath_prepend(str(ROOT / "contrib" / "style"))
    import budgets

    def judge(**modules: str) -> tuple[int, str]:
        package = tmp_path / "made"
        package.mkdir()
        for name, source in ({"__init__": '"""Made."""'} | modules).items():
            (package / f"{name}.py").write_text(source + "\n")
        monkeypatch.setattr(sys, "argv", ["budgets.py", str(package)])
        return budgets.main(), capsys.readouterr().out

    return judge


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        (
            {"one": '"""1"""\nimport made.two', "two": '"""2"""\nfrom made import one'},
            "import cycle",
        ),
        ({"one": "x = 1"}, "made.one: no docstring"),
        ({"one": '"""One."""\ndef f(x): ...'}, "made.one:2: f is not annotated"),
        ({"one": '"""One."""\nclass Open: ...'}, "made.one:2: Open has no docstring"),
        (
            {
                "one": '"""One."""\nimport typing\nclass Wide(typing.Protocol):\n    """W."""\n'
                + "\n".join(f"    def {name}(self) -> None: ..." for name in "abcde")
            },
            "Wide asks for 5 methods (<= 4)",
        ),
    ],
)
def test_what_breaks_a_rule_fails_and_is_named(judged, modules, told):
    status, printed = judged(**modules)
    assert status == 1
    (line,) = [one for one in printed.splitlines() if one.startswith("FAIL")]
    assert told in line


def test_a_figure_past_the_guide_is_told_and_fails_nothing(judged):
    status, printed = judged(one=f'"""One."""\n\n\ndef long() -> None:\n{LONG}')
    assert status == 0
    assert "past function length, max: 90 (guide: 40)" in printed
    assert "FAIL" not in printed
