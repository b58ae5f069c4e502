"""What the management of NVMesh 3.x says no with: numbers, texts, and the shapes they come in (nvmesh.md, 4.4). Pure."""

from __future__ import annotations

from lab.reservations import Answer

ATTACHED, DETACHED, BUSY, ATTACHING, DETACHING = 4, 2, 1, 6, 7
RESERVATION_DENIED, AFTER_SHUTDOWN = 17, 9
MODES = ("NONE", "SHARED_READ_ONLY", "SHARED_READ_WRITE", "EXCLUSIVE_READ_WRITE")
TEXTS = {
    1608: "Client not found",
    1621: "Client not found or initializing",
    1622: "Volume is not attached to the client",
    1693: "Volume not found",
    1694: "Error while getting attach volume configuration.",
    1717: "Reservation version mismatch",
    1718: "Request cannot be fulfill, the requested Reservation Mode doesn't comply with the volume Reservation Mode, "
    "please use the preempt flag to transition.",
    1719: "Failed to update the volume, reservation version mismatch, please retry",
    162222: "Volume is already detached",
    162223: "Reference ID not found",
}
OLD_TEXTS = {
    1608: "There is no such client {client} or attachment",
    1717: "The reservation version is outdated, current reservation version is: {version}",
    1718: "Request cannot be fulfill, the requested RM doesn't comply with the volume RM, please use the preempt flag to "
    "transition.",
}
REFUSED = {Answer.DENIED: 1718, Answer.OUTDATED: 1717, Answer.RETRY: 1719}
SHAPES = ("nested", "flat", "text")


def error(number: int, shape: str, **facts: object) -> object:
    """Say no: `nested` in 1694 as newest, `flat` as one object, `text` as management 2.6 did."""
    if shape == "text":
        return OLD_TEXTS.get(number, TEXTS[number]).format_map({"client": "", "version": "", **facts})
    plain: dict[str, object] = {"id": number, "message": TEXTS[number]}
    if number == REFUSED[Answer.OUTDATED]:
        plain["volumeReservation"] = facts.get("reservation")
    if shape == "nested" and number in REFUSED.values():
        return {"id": 1694, "message": TEXTS[1694], "innerMessage": plain}
    return plain
