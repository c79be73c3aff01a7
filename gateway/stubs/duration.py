"""xs:duration: months and seconds, since a month has no fixed number of seconds."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal

_FORM = re.compile(
    r"(?P<sign>-)?P(?=.)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, as in ``P1Y2M3DT4H5M6.7S``; both numbers have the same sign."""

    months: int = 0
    seconds: Decimal = Decimal(0)

    @classmethod
    def of(cls, text: str) -> Duration:
        """Read the text form of XML Schema. Raises ValueError."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError("it is not a duration, as in P1DT12H")
        part = {
            name: Decimal(value or 0)
            for name, value in found.groupdict("0").items()
            if name != "sign"
        }
        sign = -1 if found["sign"] else 1
        minutes = (part["days"] * 24 + part["hours"]) * 60 + part["minutes"]
        return cls(
            months=sign * int(part["years"] * 12 + part["months"]),
            seconds=sign * (minutes * 60 + part["seconds"]),
        )

    @classmethod
    def of_timedelta(cls, value: dt.timedelta) -> Duration:
        """The duration for a timedelta."""
        microseconds = value // dt.timedelta(microseconds=1)
        return cls(seconds=Decimal(microseconds) / 1_000_000)

    def timedelta(self) -> dt.timedelta:
        """Return it as Python's own type. Raises ValueError if it has months."""
        if self.months:
            raise ValueError("a duration with months is not a fixed number of seconds")
        return dt.timedelta(microseconds=int(self.seconds * 1_000_000))

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        whole, seconds = divmod(abs(self.seconds), 60)
        hours, minutes = divmod(int(whole), 60)
        days, hours = divmod(hours, 24)
        date = _parts((years, "Y"), (months, "M"), (days, "D"))
        time = _parts((hours, "H"), (minutes, "M"), (seconds.normalize(), "S"))
        sign = "-" if self.months < 0 or self.seconds < 0 else ""
        return f"{sign}P{date}{'T' if time else ''}{time}" if date or time else "PT0S"


def _parts(*numbers: tuple[int | Decimal, str]) -> str:
    return "".join(
        f"{number:f}{unit}" if isinstance(number, Decimal) else f"{number}{unit}"
        for number, unit in numbers
        if number
    )
