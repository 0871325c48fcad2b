"""What every failing hook does: traffic goes back first, then people are told, then one clear line says why and who is next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sluice.core.errors import SluiceError, Superseded
from sluice.core.journal import Happened
from sluice.hooks import journal

Props = Mapping[str, Any]

# Where a bug's line is looked for: the last frame of ours says more than the library's that it ended in.
OURS = "sluice."


class Unexpected(SluiceError):
    """A hook ended in an error that nobody raised on purpose."""


@contextmanager
def reported(props: Props) -> Iterator[None]:
    """Turn whatever a hook raises into one clear error, after the `fallback` split is back and `notify` has been told."""
    try:
        yield
    except Exception as error:
        known = error if isinstance(error, SluiceError) else Unexpected(locate(error))
        raise spoken(known, story(known, props)) from None


def story(error: SluiceError, props: Props) -> str:
    """Go back, tell people, and return the whole line: why, what could not be done about it, who is next, where to look."""
    why = str(error)
    # After a takeover the split is somebody else's.
    back = [] if isinstance(error, Superseded) else _tried("AND TRAFFIC IS NOT BACK", lambda: _fallback(error, props))
    told = f"{type(error).__name__}: {'; '.join([why, *back])}"
    # Before anybody is told: that may take its time, and this call may be killed in it.
    notes = back + _written(told, props) + _tried("webhooks not told", lambda: _told(told, props))
    # Several lines stay several lines.
    between = "\n" if "\n" in why else "; "
    return between.join([why, *notes, *_tried("contacts not known", lambda: _next(props))])


def _tried(what: str, step: Callable[[], list[str]]) -> list[str]:
    """Take a step whose own failure must not hide the first one, nor stop the next step."""
    try:
        return step()
    except Exception as error:
        return [f"{what}: {error if isinstance(error, SluiceError) else locate(error)}"]


def _fallback(error: SluiceError, props: Props) -> list[str]:
    if not props.get("fallback"):
        return []
    if error.stays:
        return ["traffic stays with the new version, as the live one may not run with the database as it is now: `pulumi up` goes on"]
    from sluice.systems.splits import abort

    abort(dict(props["fallback"]), str(error))
    return ["traffic is back on the live version", *journal.note(props, Happened.ABORTED, str(error), {"weight": 0})]


def _written(text: str, props: Props) -> list[str]:
    return journal.note(props, Happened.FAILED, text, {"contacts": list(props.get("contacts") or [])})


def _told(text: str, props: Props) -> list[str]:
    if not props.get("notify"):
        return []
    from sluice.systems import webhook

    missed = webhook.tell(props["notify"], text, _fields(props), source=journal.source(props))
    return [*missed, *journal.told(props, text, missed)]


def _fields(props: Props) -> dict[str, str]:
    fields = {
        "release": props.get("release"),
        "state": "failed",
        "stack": journal.stack(props),
        "moment": props.get("moment"),
        "next": _people(props),
    }
    return {name: str(value) for name, value in fields.items() if value}


def _next(props: Props) -> list[str]:
    people, look = _people(props), props.get("look")
    return ([f"next: {people}"] if people else []) + ([f"look at {look}"] if look else [])


def _people(props: Props) -> str:
    if not props.get("contacts"):
        return ""
    from sluice.core.contact import Contact, chain

    return chain(map(Contact.read, props["contacts"]))


def spoken(error: SluiceError, text: str) -> SluiceError:
    """Return an error of the same kind that prints as `GateFailed: text`."""
    # A traceback writes the module before the name of every class but those of builtins.
    kind: type[SluiceError] = type(type(error).__name__, (type(error),), {"__module__": "builtins"})
    said: SluiceError = kind.__new__(kind, text)
    said.__dict__ |= vars(error)
    return said


def locate(error: Exception) -> str:
    """Name an unexpected error and its place, and not its text: that may hold anything, a secret too."""
    return f"{type(error).__name__} in {_place(error)}; this is a bug, please report this line"


def _place(error: Exception) -> str:
    place, at = "an unknown place", error.__traceback__
    while at is not None:
        module = at.tb_frame.f_globals.get("__name__", "")
        if module.startswith(OURS) and module != __name__:
            place = f"{module}, line {at.tb_lineno}"
        at = at.tb_next
    return place
