"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

THIN = "\u202f"


def count(n: float) -> str:
    """Write a whole number with thin separators, 12 345."""
    return f"{round(n):,}".replace(",", THIN)


def many(n: int, one: str, more: str = "") -> str:
    """Write a count with its noun, "1 label", "12 labels"."""
    return f"{count(n)} {one if n == 1 else (more or one + 's')}"


def percent(fraction: float | None, interval: tuple[float, float] | None = None) -> str:
    """Write a share with one decimal and its interval, 83.1 % [79.4, 86.3]."""
    if fraction is None or fraction != fraction:
        return "–"
    text = f"{100 * fraction:.1f}{THIN}%"
    if interval is not None:
        text += f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
    return text


def duration(seconds: float | None) -> str:
    """Write a time span in words, "3 s", "2 min", "1 h 20 min"."""
    if seconds is None or seconds != seconds:
        return ""
    s = max(0, round(seconds))
    if s < 90:
        return f"{s} s"
    if s < 5400:
        return f"{round(s / 60)} min"
    return f"{s // 3600} h {s % 3600 // 60} min"


def ago(moment: datetime | None) -> str:
    """Write how long ago something was, "just now", "5 min ago", or its date."""
    if moment is None:
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 86_400:
        return f"{duration(seconds)} ago"
    return moment.astimezone().strftime("%d %b %Y")
