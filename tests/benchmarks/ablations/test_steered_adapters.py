"""Steering against adapters of single users: the same users, the same rows, and time that is counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablations import steered_adapters
from ablations.frontier import Args as FrontierArgs
from ablations.frontier import bases_of
from ablations.results import SteeredAdapters
from ablations.steered_adapters import OwnAdapters
from personagym_agents.bundle.settings import AdapterSettings
from personagym_agents.training.settings import SamplingOptions
from personagym_env.run_context import RunContext

ASKED = np.array([1, 4, 7])


@pytest.fixture(scope="module")
def own(short_bundle: Path, small_folder: Path) -> OwnAdapters:
    args = FrontierArgs(bundle=short_bundle, dataset=str(small_folder), personas=2)
    base = bases_of(args, RunContext(short_bundle.with_name("own")))["kmeans"]
    settings = AdapterSettings(rank=2, alpha=2, tail=0.2)
    training = replace(settings.training, choice_weight=0.0, teaching_weight=0.0, sampling=SamplingOptions(lines=4))
    return OwnAdapters(base, ASKED, replace(settings, training=training), 0, 4)


def test_every_lesson_shows_each_user_once(own: OwnAdapters) -> None:
    lessons = own._lessons()
    for _ in range(3):
        lesson = next(lessons)
        np.testing.assert_array_equal(np.sort(lesson.epoch.sequences.user[lesson.batch]), ASKED)


def test_training_goes_on_from_one_time_to_the_next(own: OwnAdapters, slower: float) -> None:
    times = [1e-6, 0.1 * slower]
    (early, before, few), (late, after, many) = own.train(times, 0.02)
    assert few == 1
    assert many > few
    assert after != before
    assert any((one != other).any() for one, other in zip(early, late, strict=True))
    assert {untrained for _, untrained, _ in own.train(times, 0.0)} != {before, after}
    assert len({untrained for _, untrained, _ in own.train(times, 0.0)}) == 1


def test_the_report_names_times_and_steps(short_bundle: Path, small_folder: Path, tmp_path: Path) -> None:
    args = steered_adapters.Args(
        bundle=short_bundle,
        dataset=str(small_folder),
        users=4,
        times=(1.0, 2.0),
        rates=(1e-3, 1e-2),
        resamples=20,
        run=tmp_path / "run",
        output=tmp_path / "steered_adapters.json",
    )
    found = steered_adapters.study(args, RunContext(args.run))
    assert found.users == 4
    settings = list(dict.fromkeys(one.setting for one in found.measurements))
    assert settings[0] == "steered"
    assert [setting.partition(" (")[0] for setting in settings[2:]] == [
        f"{words}individual, {times:g} times the time" for times in args.times for words in ("", "steered less ")
    ]
    assert all(np.isfinite(one.interval.value) for one in found.measurements)
    found.save(args.output)
    assert SteeredAdapters.load(args.output).rows == found.rows == 20
