"""Units that reference answers name, each with what it measures and how many of the smallest one it is."""

import re
from fractions import Fraction

_TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "length": {
        "1": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
        "10": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
        "1000": ("m", "meter", "meters", "metre", "metres"),
        "1000000": ("km", "kilometer", "kilometers", "kilometre", "kilometres"),
        "25.4": ("inch", "inches"),
        "304.8": ("ft", "foot", "feet"),
        "914.4": ("yd", "yard", "yards"),
        "1609344": ("mile", "miles"),
    },
    "weight": {
        "1": ("mg", "milligram", "milligrams"),
        "1000": ("g", "gram", "grams"),
        "1000000": ("kg", "kilogram", "kilograms"),
        "453592.37": ("lb", "lbs"),
    },
    "time": {
        "1": ("s", "sec", "second", "seconds"),
        "60": ("min", "minute", "minutes"),
        "3600": ("h", "hr", "hrs", "hour", "hours"),
        "86400": ("day", "days"),
        "604800": ("week", "weeks"),
    },
    "volume": {
        "1": ("ml", "mL", "milliliter", "milliliters"),
        "1000": ("l", "L", "liter", "liters", "litre", "litres"),
    },
    "dollars": {"1": ("cent", "cents", "¢"), "100": ("$", "dollar", "dollars", "USD")},
    "euros": {"1": ("€", "euro", "euros", "EUR")},
    "pounds": {"1": ("£", "GBP")},
    "yen": {"1": ("¥", "yen", "JPY")},
    "rupees": {"1": ("₹", "rupee", "rupees", "INR")},
}
# name → (what it measures, how many of the smallest of its table)
UNITS = {
    name: (measure, Fraction(size))
    for measure, table in _TABLES.items()
    for size, names in table.items()
    for name in names
}
_WORD = re.compile(r" {0,2}([^\W\d_]{1,12}|[$€£¥₹¢])(?![\w^²³])")


def find_unit(text: str, position: int) -> tuple[str, int]:
    """The known unit that stands at this position, and where it ends; '' and the position where there is none."""
    match = _WORD.match(text, position)
    return (match[1], match.end()) if match and match[1] in UNITS else ("", position)


def same_measure(given: str, wanted: str) -> Fraction | None:
    """How many of the wanted unit one of the given unit is; 1 where either is not known, None where they cannot be."""
    if given == wanted or not given or not wanted:
        return Fraction(1)
    (measure, size), (wanted_measure, wanted_size) = UNITS[given], UNITS[wanted]
    return size / wanted_size if measure == wanted_measure else None
