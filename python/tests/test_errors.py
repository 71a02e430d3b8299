"""The exceptions, and that what they say comes from the one table."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import pytest

import nen

ROW = re.compile(r'^ {4}\w+ = (\d{4}), (\d{3}), "([A-Z_]+)",\n\s+"(.*)",\n\s+"(.*)";$', re.MULTILINE)


def test_the_table_is_that_of_the_core() -> None:
    source = (Path(__file__).parents[2] / "src" / "error.rs").read_text()
    rows = [
        (f"ISO-{code}", int(status), name, message, hint) for code, status, name, message, hint in ROW.findall(source)
    ]
    ours = [(e.code, e.http_status, e.name, e.message, e.hint) for e in nen.ERRORS.values()]
    assert ours == rows
    assert rows
    assert list(nen.ERRORS) == sorted(nen.ERRORS)


@pytest.mark.parametrize("code", nen.ERRORS)
def test_an_error_is_made_from_its_code(code: str) -> None:
    error = nen.NenError(code, "what was found")
    row = nen.ERRORS[code]
    assert type(error) in nen.NenError.__subclasses__()
    assert (error.code, error.name, error.category) == (row.code, row.name, row.category)
    assert (error.http_status, error.message, error.hint) == (row.http_status, row.message, row.hint)
    assert error.detail == "what was found"
    assert str(error) == f"{code}: {row.message} (what was found)"
    assert str(nen.NenError(code)) == f"{code}: {row.message}"
    assert error.to_json() == f'{{"error":{{"code":"{code}","message":"{row.message}"}}}}'.encode()


@pytest.mark.parametrize("code", nen.ERRORS)
def test_an_error_survives_pickling_and_copying(code: str) -> None:
    error = nen.NenError(code, "what was found")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 - our own
        assert type(twin) is type(error)
        assert (twin.code, twin.detail, str(twin)) == (error.code, error.detail, str(error))


def test_every_category_has_its_class() -> None:
    classes = {error.category: error for error in nen.NenError.__subclasses__()}
    assert set(classes) == {row.category for row in nen.ERRORS.values()}
    assert all(getattr(nen, error.__name__) is error for error in classes.values())
    assert type(nen.NenError("ISO-3002")) is nen.AuthError
    assert type(nen.AuthError("ISO-3002")) is nen.AuthError


@pytest.mark.parametrize("code", ["", "3002", "ISO-7777", "iso-3002"])
def test_an_unknown_code_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="no error code"):
        nen.NenError(code)


def test_a_code_of_another_class_is_refused() -> None:
    with pytest.raises(ValueError, match="ISO-3002 belongs to AuthError, not to WireError"):
        nen.WireError("ISO-3002")
    with pytest.raises(TypeError):
        nen.ERRORS["ISO-3002"] = nen.ERRORS["ISO-3001"]  # type: ignore[index]
