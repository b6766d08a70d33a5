"""Defaults, validation and changes of the session parameters."""

import json
from dataclasses import fields

import pytest

from personagym_env.session.parameters import Choice, Examination, Satisfaction, SessionParameters


def test_every_default_is_valid_plausible_and_sourced() -> None:
    for known, value in SessionParameters().assumptions():
        assert value == known.default
        assert known.valid[0] <= known.plausible[0] <= value <= known.plausible[1] <= known.valid[1], known.name
        assert known.unit, known.name
        assert known.source, known.name


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Examination(decay=-1), r"Examination\.decay .* got -1"),
        (lambda: Satisfaction(rate=1.5), r"Satisfaction\.rate .* got 1\.5"),
        (lambda: Choice(temperature=0), r"Choice\.temperature .* got 0"),
        (lambda: Choice(outside=float("nan")), r"Choice\.outside .* got nan"),
        (lambda: Choice(outside=float("inf")), r"Choice\.outside .* got inf"),
    ],
)
def test_a_value_out_of_range_is_an_error_that_names_it(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]


@pytest.mark.parametrize("value", ["1", None, True])
def test_a_value_that_is_no_number_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match=r"Choice\.outside must be a number"):
        Choice(outside=value)  # type: ignore[arg-type]


def test_changes_reach_their_field_alone() -> None:
    changed = SessionParameters().updated({"choice": {"outside": 1}, "reward": {"leave": -2.5}})
    before = {known.name: value for known, value in SessionParameters().assumptions()}
    after = {known.name: value for known, value in changed.assumptions()}
    assert {name: value for name, value in after.items() if value != before[name]} == {
        "choice.outside": 1.0,
        "reward.leave": -2.5,
    }


def test_the_dictionary_form_survives_json() -> None:
    changed = SessionParameters().updated({"satiation": {"decay": 0.25}})
    assert SessionParameters().updated(json.loads(json.dumps(changed.to_dict()))) == changed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chioce": {}}, r"no part 'chioce'.*'choice'"),
        ({"choice": {"outsde": 1.0}}, r"no field \['outsde'\] in 'choice'.*'outside'"),
        ({"updated": {}}, "no part 'updated'"),
    ],
)
def test_unknown_names_are_errors_that_list_the_known(changes: dict[str, dict[str, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SessionParameters().updated(changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([1], r"parameters map parts to fields, .* got \[1\]"),
        ({"instructions": 3}, r"'instructions' maps some of .* got 3"),
    ],
)
def test_what_maps_nothing_is_a_type_error_that_says_what_was_expected(changes: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        SessionParameters().updated(changes)  # type: ignore[arg-type]


def test_assumptions_list_every_field_of_every_part() -> None:
    parameters = SessionParameters()
    names = [
        f"{part.name}.{entry.name}" for part in fields(parameters) for entry in fields(getattr(parameters, part.name))
    ]
    assert [known.name for known, _ in parameters.assumptions()] == names
