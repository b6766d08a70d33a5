"""The simulation card names every parameter and where it comes from."""

import json
from dataclasses import fields

import pytest

from personagym_env.card import SensitivityPoint, simulation_card
from personagym_env.session.fitting.estimates import Estimate
from personagym_env.session.fitting.sessions import SessionFit
from personagym_env.session.parameters import SessionParameters

FIT = SessionFit(
    estimates={
        "satisfaction.initial": Estimate(0.64, 0.63, 0.65, 1234, "mean"),
        "leaving.intercept": Estimate(-1.1, -1.4, -0.8, 1200, "hazard"),
    },
    statistics={"sessions": 321.0},
    notes=("something: for a <reason>",),
    findings={
        "drift.scale": Estimate(0.09, 0.07, 0.11, 500, "walk"),
        "rating noise": Estimate(0.4, 0.3, 0.5, 77, "pairs"),
    },
)
PARAMETERS = FIT.apply(SessionParameters()).updated({"leaving": {"intercept": -3.0}, "choice": {"outside": 1.0}})
CARD = simulation_card("a world", PARAMETERS, FIT)


def test_card_lists_every_field_of_the_parameters_with_its_value() -> None:
    listed = {entry.assumption.name: entry.value for entry in CARD.entries}
    expected = {}
    for part in fields(PARAMETERS):
        values = getattr(PARAMETERS, part.name)
        expected |= {f"{part.name}.{entry.name}": getattr(values, entry.name) for entry in fields(values)}
    assert listed == expected


def test_origins_are_told_apart() -> None:
    origins = {entry.assumption.name: entry.origin for entry in CARD.entries}
    assert origins.pop("satisfaction.initial") == "fitted"
    assert origins.pop("leaving.intercept") == "set"
    assert origins.pop("choice.outside") == "set"
    assert set(origins.values()) == {"assumed"}


def test_table_shows_values_intervals_ranges_sources_notes_and_statistics() -> None:
    text = CARD.to_text(width=400)
    for entry in CARD.entries:
        assert entry.assumption.name in text
    for part in (
        "a world",
        "[0.63, 0.65]",
        "1,234 rows",
        "the log says -1.1",
        "Craswell",
        "for a <reason>",
        "the log says 0.09",
        "rating noise: 0.4, 95 % in [0.3, 0.5]",
        "sessions: 321",
    ):
        assert part in text, part


def test_json_holds_what_the_table_holds() -> None:
    card = json.loads(CARD.to_json())
    assert card["title"] == "a world"
    assert card["statistics"] == {"sessions": 321.0}
    assert card["parameters"]["satisfaction.initial"]["estimate"]["high"] == 0.65
    assert card["findings"] == {"rating noise": FIT.findings["rating noise"]._asdict()}
    assert card["parameters"]["drift.scale"]["value"] == 0
    assert card["parameters"]["drift.scale"]["estimate"]["value"] == 0.09
    assert card["parameters"]["choice.outside"] | {"source": ""} == {
        "value": 1.0,
        "origin": "set",
        "estimate": None,
        "sensitivity": None,
        "default": 0.0,
        "unit": "logits",
        "valid": [-1000.0, 1000.0],
        "plausible": [-2, 2],
        "source": "",
    }
    assert len(card["parameters"]) == len(CARD.entries)


POINTS: list[SensitivityPoint] = [
    {"setting": 0.5, "sessions": 1, "return": 12.3, "usual_return": 11.5, "tau": 0.71, "flips": "order"},
    {"setting": 2.0, "sessions": 3, "return": 9.9, "usual_return": 14.0, "tau": 1.0, "flips": ""},
]


def test_sensitivity_stands_at_its_parameter_in_every_form() -> None:
    card = CARD.with_sensitivity({"choice.outside": POINTS}, "users of glass")
    assert json.loads(card.to_json())["parameters"]["choice.outside"]["sensitivity"] == POINTS
    assert json.loads(card.to_json())["sensitivity_of"] == "users of glass"
    others = [entry for entry in card.entries if entry.assumption.name != "choice.outside"]
    assert others == [entry for entry in CARD.entries if entry.assumption.name != "choice.outside"]
    assert all(entry.sensitivity is None for entry in others)
    text = card.to_text(width=500)
    assert "at 0.5: return 12.3 for 11.5, tau 0.71, flips order; " in text
    assert "Sensitivity: users of glass" in text
    assert "at 2, up to 3 sessions: return 9.9 for 14, tau 1.00" in text
    assert "sensitivity" not in CARD.to_text(width=500)


def test_sensitivity_of_unknown_parameters_or_without_numbers_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no parameters \['choice.outsde'\]"):
        CARD.with_sensitivity({"choice.outsde": POINTS}, "")
    with pytest.raises(ValueError, match=r"'choice\.outside' needs"):
        CARD.with_sensitivity({"choice.outside": [{"setting": 1.0}]}, "")  # type: ignore[typeddict-item]
