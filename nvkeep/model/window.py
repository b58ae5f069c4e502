"""A window of hours such as 02:00-05:00, or 22:00-02:00 over midnight. Pure."""


def inside(window: str, minute: int) -> bool:
    """Tell whether a minute of the day (0 to 1439, local time) is in a window; its end is not. The same hour twice: always."""
    first, last = (_minute(one) for one in window.split("-"))
    if first < last:
        return first <= minute < last
    return minute >= first or minute < last


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)
