"""Results come back from JSON as they were, and a file that is none says why in one line."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from personagym_env.evaluation.core.result_file import Result
from personagym_env.evaluation.core.statistics import Interval


@dataclass(frozen=True)
class Part:
    """A part of a result."""

    name: str
    kind: Literal["one", "other"]
    figures: Mapping[str, Interval]
    curve: tuple[float, ...]
    lead: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Study(Result):
    """A small result."""

    KIND = "small study"
    FORMAT = 3
    COMMAND = "personagym small"

    users: int
    parts: tuple[Part, ...]


NAN = math.nan
PART = Part("ä", "one", {"rmse": Interval(1.0, NAN, NAN)}, (0.5, NAN), Interval(0.25, 0.0, 1.0))
STUDY = Study(users=3, parts=(PART, replace(PART, lead=None)), setting={"seeds": [1, NAN]}, environment={})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    STUDY.save(tmp_path / "study.json")
    return tmp_path / "study.json"


def test_a_result_survives_the_disk(path: Path) -> None:
    found = Study.load(path)
    assert repr(found.parts) == repr(STUDY.parts)  # NaN equals nothing, so texts are compared
    assert found.setting == {"seeds": [1, None]}
    found.save(path.with_name("again.json"))
    assert path.with_name("again.json").read_bytes() == path.read_bytes()


def test_the_file_says_what_it_is_and_has_null_for_nan(path: Path) -> None:
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert (raw["kind"], raw["format"]) == ("small study", 3)
    assert raw["parts"][0]["figures"]["rmse"] == [1.0, None, None]
    assert "ä" in path.read_text(encoding="utf-8")


def test_infinity_is_not_written(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(STUDY, setting={"limit": math.inf}).save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", "null", '{"format": null}', '{"kind": "other", "format": 3}'])
def test_what_is_no_such_result_is_refused_by_name(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ValueError, match=r"study\.json is no small study: [^\n]*$"):
        Study.load(path)


@pytest.mark.parametrize("kind", [{}, {"kind": "small study"}])
def test_another_format_is_refused_with_the_remedy(path: Path, kind: dict[str, str]) -> None:
    path.write_text(json.dumps(kind | {"format": 2}))
    told = "study.json has format 2, and a small study of format 3 is expected: make it again with `personagym small`"
    with pytest.raises(ValueError, match=re.escape(told)):
        Study.load(path)


def _set(*keys: str | int, to: Any) -> Callable[[Any], None]:
    def edit(raw: Any) -> None:
        for key in keys[:-1]:
            raw = raw[key]
        raw[keys[-1]] = to

    return edit


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (_set("users", to="3"), r"expected int, got '3' @ \$\.users"),
        (_set("users", to=True), r"expected int, got True @ \$\.users"),
        (_set("parts", 1, "name", to=7), r"expected str, got 7 @ \$\.parts\[1\]\.name"),
        (_set("parts", 0, "kind", to="two"), r"two not in literal .* @ \$\.parts\[0\]\.kind"),
        (_set("parts", 0, "curve", 0, to="x"), r"expected a number, got 'x' @ \$\.parts\[0\]\.curve\[0\]"),
        (_set("parts", 0, "lead", to=[1.0, 2.0]), r"Not enough values .* @ \$\.parts\[0\]\.lead"),
        (_set("parts", 0, "luck", to=1), r"extra fields found \(luck\) @ \$\.parts\[0\]"),
        (lambda raw: raw.pop("users"), r"required field missing @ \$\.users"),
        (lambda raw: raw.pop("environment"), r"required field missing @ \$\.environment"),
    ],
)
def test_a_fault_inside_is_told_with_its_place(path: Path, edit: Callable[[Any], None], told: str) -> None:
    raw = json.loads(path.read_text(encoding="utf-8"))
    edit(raw)
    path.write_text(json.dumps(raw))
    with pytest.raises(ValueError, match=rf"study\.json is no small study: {told}$"):
        Study.load(path)


def test_further_faults_are_counted(path: Path) -> None:
    raw = json.loads(path.read_text(encoding="utf-8")) | {"users": None, "setting": 3}
    raw["parts"][1]["name"] = None
    path.write_text(json.dumps(raw))
    with pytest.raises(ValueError, match=r"\(and 2 faults more\)$"):
        Study.load(path)
