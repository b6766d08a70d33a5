"""The application behind the page: the seats are the kernel's, and nobody from elsewhere gives orders."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from personagym_benchmarks import cli
from personagym_benchmarks.play.app import MOST_SEATS, make_app
from personagym_benchmarks.play.recommender_seat import RecommenderSeat
from personagym_benchmarks.play.server import listen
from personagym_benchmarks.play.stage import Stage
from personagym_benchmarks.play.terminal import TerminalSeat
from personagym_benchmarks.play.user_seat import UserSeat
from personagym_benchmarks.play.watching import race, said_and_done
from personagym_env import PersonaRecEnv
from personagym_env.evaluation.core.simulate import SessionPlan, simulate


@pytest.fixture(scope="module")
def client(stage: Stage) -> Iterator[TestClient]:
    with TestClient(make_app(stage), base_url="http://127.0.0.1") as client:
        yield client


def test_a_seat_plays_what_the_environment_plays(stage: Stage) -> None:
    seat, env = RecommenderSeat(stage, 3, seed=5), PersonaRecEnv(stage.world, 5)
    env.reset(seed=5, options={"user": 3})
    total = 0.0
    for step in range(8):
        slate = np.random.default_rng(step).permutation(60)[:5]
        seat.step(slate.tolist())
        *_, reward, _, _, info = env.step(slate)
        total += reward
        told = seat.told()
        assert told["return"] == pytest.approx(total)
        assert told["satisfaction"] == info["latent"]["satisfaction"]
        assert told["hazard"] == info["latent"]["hazard"]
        assert [place["taken"] for place in told["places"]] == [info["clicked_place"] == j for j in range(5)]
        assert told["wish"] == info["instruction"]
    assert len(seat.consumed) > 3
    taken = next(place for place in told["places"] if not place["empty"])
    assert taken["title"] in seat.why(taken["item"])["words"] or taken["title"].startswith('">')


def test_the_seat_of_the_user_credits_whoever_showed_what_was_taken(stage: Stage) -> None:
    seat = UserSeat(stage, seed=1)
    for step in range(12):
        item = next(iter(seat.slate))
        by = seat.slate[item]
        before = seat.scores[by]["taken"]
        seat.rate(item if step % 3 else None, 4.0 if step % 3 else None)
        assert seat.scores[by]["taken"] - before == bool(step % 3)
        assert item not in seat.slate
    told = seat.told()
    assert told["ratings"] == 8
    assert sum(one["taken"] for one in told["scores"]) == 8
    assert told["document"].count("\n") == 8
    seat.rate(next(iter(seat.slate)), 2.0)
    assert seat.document().startswith("somebody; 1 earlier ratings")
    with pytest.raises(ValueError, match="take an item of the slate"):
        seat.rate(-1, 3.0)
    with pytest.raises(ValueError, match="rating must be one of 1, 2, 3, 4, 5, got 9"):
        seat.rate(next(iter(seat.slate)), 9)


def test_a_race_is_run_as_sessions_are_simulated(stage: Stage) -> None:
    found = race(stage, users=6, steps=4, seed=2)
    plan = SessionPlan.draw(stage.world.train.n_users, users=6, seed=2)
    for one in found["runs"]:
        sessions = simulate(stage.recommenders[one["name"]], stage.world, plan, slate_size=5, max_episode_steps=4)
        assert one["reward"][-1] == pytest.approx(sessions.returns.mean(), abs=1e-5)
    assert [one["reward"][-1] for one in found["runs"]] == sorted(one["reward"][-1] for one in found["runs"])[::-1]


def test_answers_stand_beside_held_out_ratings(stage: Stage) -> None:
    found = said_and_done(stage, 3)
    log = stage.held_out
    rows = slice(int(log.indptr[3]), int(log.indptr[4]))
    assert [row["real"] for row in found["rows"]] == log.ratings[rows].tolist()
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean([(r["real"] - r["expected"]) ** 2 for r in found["rows"]])))


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("/api/recommender", {"user": 99}, 400, "user"),
        ("/api/recommender", {"user": "7; DROP"}, 422, "integer"),
        ("/api/recommender", {"user": 1, "more": 2}, 422, "Extra"),
        ("/api/recommender/1/show", {"items": [0, 1]}, 400, "shape"),
        ("/api/recommender/1/show", {"items": [0, 1, 2, 3, 999]}, 400, "999"),
        ("/api/recommender/77/show", {"items": [0]}, 404, "no session 77"),
        ("/api/race", {"users": 0}, 422, "greater"),
        ("/api/user/1/rate", {"item": 3, "rating": 77}, 400, ""),
    ],
)
def test_mistakes_are_told_in_a_line(client: TestClient, path: str, body: Any, status: int, told: str) -> None:
    client.post("/api/recommender", json={"user": 1})
    client.post("/api/user", json={})
    answer = client.post(path, json=body)
    assert answer.status_code == status
    assert told in answer.text
    assert "Traceback" not in answer.text


def test_nobody_from_elsewhere_is_served(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.post("/api/user", content="{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert client.post("/api/user", data={"seed": "1"}).status_code == 415
    page = client.get("/")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "://" not in page.text.replace("http://www.w3.org", "")
    for name in ("play.js", "play.css"):
        assert "http" not in client.get(f"/static/{name}").text.replace("http://www.w3.org", "")
    assert client.get("/static/..%2fapp.py").status_code == 404
    with listen(0) as own:
        assert own.getsockname()[0] == "127.0.0.1"
        with pytest.raises(ValueError, match="cannot be had"):
            listen(own.getsockname()[1])


def test_old_sessions_make_room(client: TestClient) -> None:
    first = client.post("/api/user", json={}).json()["seat"]
    for _ in range(MOST_SEATS):
        last = client.post("/api/user", json={}).json()["seat"]
    assert client.post(f"/api/user/{first}/rate", json={}).status_code == 404
    assert client.post(f"/api/user/{last}/rate", json={}).status_code == httpx.codes.OK


def test_the_terminal_takes_numbers_names_and_words(stage: Stage) -> None:
    lines: list[str] = []
    seat = RecommenderSeat(stage, 3, seed=5)
    terminal = TerminalSeat(seat, lines.append)
    terminal.begin()
    assert any(line.startswith("   1  ") for line in lines)
    for line, steps in (("2 1", 1), ("ease", 2), ("", 3), ("99", 3), ("Film 3", 3), ("why 1", 3), ("why 99", 3)):
        assert terminal.answer(line)
        assert int(seat.sessions.state.step[0]) == steps
    assert any("choose at most 5 of the numbers" in line for line in lines)
    assert any("I would give it about" in line for line in lines)
    assert not terminal.answer("q")
    assert all("\u202e" not in line for line in lines)


def test_play_reads_a_pipe(
    small_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dataset: Callable[..., Any]
) -> None:
    words = ["personagym", "play", "--dataset", str(small_folder), "--agent", "bias", "--user", "2"]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "stdin", io.StringIO("1 2\npopular\nq\n"))
    cli.main()
    assert capsys.readouterr().out.count("satisfaction") >= 2
    monkeypatch.setattr(sys, "argv", [*words, "--watch", "--steps", "2"])
    cli.main()
    assert "want" in capsys.readouterr().out
