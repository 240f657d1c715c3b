"""Numbers and durations as people read them. Pure."""

import math

MISSING = "–"
RIGHT, WRONG = "✔ right", "✘ wrong"


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` decimals, more if it would vanish: 0.034, 1.2e-05, 1,204; a dash when missing."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    magnitude = abs(value)
    if 0 < magnitude < 1e-4:
        text = f"{magnitude:.1e}"
    elif 0 < magnitude < 10**-digits:
        text = f"{magnitude:.{1 - math.floor(math.log10(magnitude))}f}"  # two significant digits
    elif magnitude >= 1000:
        text = f"{magnitude:,.0f}"
    else:
        text = f"{magnitude:.{digits}f}"
    return f"−{text}" if value < 0 else text


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign spelled out, so that colour is never the only mark."""
    if value is None or math.isnan(value):
        return MISSING
    return ("+" if value > 0 else "") + number(value, digits)


def percent(share: float | None) -> str:
    """A share of 0…1 as whole per cent; below one per cent with a decimal. 0 % and 100 % are none and all of it."""
    if share is None or math.isnan(share):
        return MISSING
    if 0 < share < 0.001:
        return "< 0.1 %"
    words = f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}"
    return "> 99 %" if words == "100%" and share < 1 else words.replace("%", " %")


def verdict(passed: float | None) -> str:
    """Whether a completion was right, 1, or wrong, 0; "" where nothing decides that: None or NaN."""
    return RIGHT if passed == 1 else WRONG if passed == 0 else ""


def duration(seconds: float | None) -> str:
    """0:41, 12:05 or 3:04:09 from seconds."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def ago(seconds: float | None) -> str:
    """How long ago something was: 'just now', '12 s ago', '5 min ago', '3 h ago', '2 days ago'."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 1:
        return "just now"
    for limit, unit, divisor in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds / divisor)} {unit} ago"
    return f"{int(seconds / 86_400)} days ago"


def size(count_bytes: int) -> str:
    """0.4 MB, 21 MB, 1.3 GB: bytes in units of 1024, as memory is sold."""
    megabytes = count_bytes / 2**20
    if megabytes >= 999.5:
        return f"{megabytes / 1024:,.1f} GB"
    return f"{megabytes:.0f} MB" if megabytes >= 9.95 else f"{megabytes:.1f} MB"


def plural(count: int, noun: str) -> str:
    """1 group, 2 groups."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
