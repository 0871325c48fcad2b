"""A secret is a type."""

from __future__ import annotations

import json
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.core.secret import Secret, named, redact, unlocked

PLANTED = "p@ss \"w'ord/ü+1"


@pytest.mark.parametrize("shown", [str(Secret("hunter2")), repr(Secret("hunter2")), f"{Secret('hunter2')}", f"{Secret('hunter2'):>20}"])
def test_masked(shown: str):
    """However it is printed, a secret shows nothing of itself, its length neither."""
    assert shown in ("***", "Secret('***')")


def test_reveal():
    """Only `reveal` shows it."""
    assert Secret("hunter2").reveal() == "hunter2"


def test_equal():
    """Secrets with the same text are the same; a text is not its secret."""
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"


def test_stays():
    """A secret is not pickled into state."""
    with pytest.raises(TypeError) as caught:
        pickle.dumps(Secret("hunter2"))
    assert str(caught.value) == "a secret is not pickled: pass its reference ('env:NAME' or 'file:/path') and resolve it where it is used"


def test_not_json():
    """Nor does it become JSON by accident."""
    with pytest.raises(TypeError):
        json.dumps({"password": Secret("hunter2")})


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("env:HOOK_URL", ("env", "HOOK_URL")), ("file:/run/secrets/a b", ("file", "/run/secrets/a b")),
        ("env:", None), ("env:1X", None), ("env:A B", None), ("file:relative", None), ("https://example.org", None), ("", None),
        ("env:A\n", None),
    ],
)  # fmt: skip
def test_named(reference: str, wanted: tuple[str, str] | None):
    """A reference names a variable or an absolute path; nothing else is one."""
    assert named(reference) == wanted


@pytest.mark.parametrize(
    "form", [PLANTED, quote(PLANTED), quote(PLANTED, safe=""), json.dumps(PLANTED), json.dumps(PLANTED, ensure_ascii=False)]
)
def test_redact(form: str):
    """A text is cleaned of a secret in every form that URLs and JSON write it in."""
    text = redact(f"postgres://app:{form}@db/x", [Secret(PLANTED)])
    assert text.replace('"', "") == "postgres://app:***@db/x"


def test_redact_lines():
    """A key of several lines is gone when a log shows one of them; short lines stay, they say nothing."""
    key = "-----BEGIN-----\nMIIEvQIBADANBgkq\nabc\n-----END-----\n"
    assert redact(f"{key}x MIIEvQIBADANBgkq abc", [key]) == "***x *** abc"


def test_redact_overlap():
    """A secret that holds another one goes as a whole."""
    assert redact("a hunter2hunter b hunter", ["hunter", Secret("hunter2hunter")]) == "a *** b ***"


def test_redact_nothing():
    """Without secrets, or with an empty one, a text stays as it is."""
    assert [redact("text ***", []), redact("text", [Secret("")]), redact("t t", ["  "])] == ["text ***", "text", "t t"]


@given(st.text(min_size=1).filter(lambda text: text.strip() and "*" not in text), st.text(), st.text())
def test_redact_any(secret: str, before: str, after: str):
    """Whatever the secret and the text around it, the secret is gone."""
    assert secret not in redact(f"{before}{secret}{after}", [Secret(secret)])


def test_unlocked():
    """Of an address the password goes, whatever is around it; an address without one stays as it is."""
    text = 'at "postgresql://ada:hunter2@db/shop", redis://:x/y@h:1 and https://ci.example.org:8080/a'
    assert unlocked(text) == 'at "postgresql://ada:***@db/shop", redis://:***@h:1 and https://ci.example.org:8080/a'
