"""The page in Debian's browser: ten steps in each role, and what it shows is what the kernel has; axe finds nothing.

Without Chromium these tests fail; `.ci/run` installs it.
"""

import os
import shutil
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from fixtures.hostile import MARKUP
from personagym_benchmarks.play.app import make_app
from personagym_benchmarks.play.recommender_seat import RecommenderSeat
from personagym_benchmarks.play.server import ADDRESS, listen
from personagym_benchmarks.play.stage import Stage
from personagym_benchmarks.play.watching import race, said_and_done
from personagym_env.protocols import NO_ITEM

pytestmark = pytest.mark.slow
STEPS = 10


@pytest.fixture(scope="module")
def app(stage: Stage) -> Any:
    return make_app(stage)


@pytest.fixture(scope="module")
def address(app: Any) -> Iterator[str]:
    with listen(0) as own:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = Thread(target=server.run, kwargs={"sockets": [own]}, daemon=True)
        thread.start()
        yield f"http://{ADDRESS}:{own.getsockname()[1]}/"
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """A page that complains of nothing, asks nobody else and opens no dialog."""
    program = shutil.which("chromium")
    assert program, "the page is tested in Chromium: apt-get install chromium"
    heard: list[str] = []
    with sync_playwright() as driver:
        # A container runs as root, for whom Chromium has no sandbox.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=program, args=options)
        shown = browser.new_page(reduced_motion="reduce")
        shown.on("pageerror", lambda error: heard.append(str(error)))
        shown.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
        shown.on("dialog", lambda dialog: heard.append(f"dialog {dialog.message}"))
        shown.on("request", lambda request: request.url.startswith(address) or heard.append(request.url))
        shown.goto(address)
        yield shown
        browser.close()
    assert [one for one in heard if not one.startswith("data:")] == []


def check_access(page: Page) -> None:
    """No violation of the rules that axe knows."""
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def number(page: Page, selector: str) -> float:
    return float(page.locator(selector).evaluate("element => element.value"))


def check_recommender(page: Page, seat: RecommenderSeat) -> None:
    """The page shows the kernel's state."""
    state = seat.sessions.state
    assert page.locator("#r-step").text_content() == str(int(state.step[0]))
    assert number(page, "#r-satisfaction") == pytest.approx(float(state.satisfaction[0]), abs=1e-6)
    assert page.locator("#r-return").text_content() == f"{seat.total:.2f}"
    assert page.locator("#r-document").text_content() == seat.stage.document(seat.user)
    shown = page.locator("#r-boredom .number").all_text_contents()
    assert shown == [f"{level:.2f}" for level in sorted(state.satiation[0].tolist(), reverse=True) if level > 0][:5]
    if seat.last is None:
        return
    outcome = seat.last.outcome
    assert number(page, "#r-hazard") == pytest.approx(float(outcome.hazard[0]), abs=1e-6)
    places = page.locator("#r-places li")
    items = [int(item or -1) for item in places.evaluate_all("all => all.map((one) => one.dataset.item)")]
    assert items == outcome.slate[0].tolist()
    titles = places.locator("strong").all_text_contents()
    assert titles == [seat.stage.title(item) for item in items]
    taken = places.evaluate_all(
        "all => all.filter((one) => one.dataset.taken === 'true').map((one) => one.dataset.item)"
    )
    assert [int(item) for item in taken] == [item for item in outcome.item.tolist() if item != NO_ITEM]


def test_ten_steps_as_the_recommender(page: Page, app: Any) -> None:
    page.fill("#begin-recommender [name=user]", "3")
    page.press("#begin-recommender [name=user]", "Enter")
    page.wait_for_selector("#recommender[data-step='0']")
    seat = app.state.recommenders[int(page.get_attribute("#recommender", "data-seat") or 0)]
    check_recommender(page, seat)
    for step in range(1, STEPS + 1):
        if step == 1:  # by hand: the item whose title gives orders, then the first that are found
            page.fill("#r-find", "onerror")
            page.wait_for_function("() => document.querySelectorAll('#r-found li').length === 1")
            page.locator("#r-found button").press("Enter")
            page.fill("#r-find", "")
            page.wait_for_function("() => document.querySelectorAll('#r-found li').length > 5")
            for _ in range(4):
                page.locator("#r-found button:enabled").first.press("Enter")
        else:
            page.click(f".fill >> nth={step % 4}")
        page.wait_for_selector("#r-show:enabled")
        page.press("#r-show", "Enter")
        page.wait_for_selector(f"#recommender[data-step='{step}']")
        check_recommender(page, seat)
        if step == 1:
            assert page.locator("#r-places strong").first.text_content() == seat.stage.title(
                seat.last.outcome.slate[0, 0]
            )
            assert MARKUP in (page.locator("#r-places strong").first.text_content() or "")
            assert page.locator("img, main script").count() == 0
    page.locator("#r-places button").first.click()
    page.wait_for_selector("#r-why:visible")
    item = int(page.locator("#r-places li").first.get_attribute("data-item") or -1)
    assert page.locator("#r-why-words").text_content() == seat.why(item)["words"]
    check_access(page)


def test_ten_steps_as_the_user(page: Page, app: Any) -> None:
    page.focus("#tab-recommender")
    page.keyboard.press("ArrowRight")
    assert page.locator("#tab-user").get_attribute("aria-selected") == "true"
    page.press("#begin-user button", "Enter")
    page.wait_for_selector("#user[data-ratings='0']")
    seat = app.state.users[int(page.get_attribute("#user", "data-seat") or 0)]
    for step in range(1, STEPS + 1):
        items = page.locator("#u-slate .pick").evaluate_all("all => all.map((one) => Number(one.dataset.item))")
        assert items == list(seat.slate)
        page.locator(f"#u-slate .pick >> nth={step % len(items)} >> .rate >> nth={step % 5}").press("Enter")
        page.wait_for_selector(f"#user[data-ratings='{step}']")
        assert seat.rated[-1] == (items[step % len(items)], float(1 + step % 5))
        assert page.locator("#u-document").text_content() == seat.document()
        rows = page.locator("#u-scores tr").all_text_contents()
        assert sorted(rows) == sorted(
            f"{name}{one['taken']} of {one['shown']}" + (f"{one['sum'] / one['taken']:.2f}" if one["taken"] else "–")
            for name, one in seat.scores.items()
        )
    check_access(page)


def test_a_race_and_a_comparison_are_shown_as_they_are_told(page: Page, app: Any, stage: Stage) -> None:
    page.click("#tab-race")
    page.fill("#begin-race [name=steps]", "4")
    page.click("#begin-race button")
    page.wait_for_selector("#race[data-step='4']")
    page.wait_for_function("() => document.getElementById('c-status').textContent.includes('leads')")
    found = race(stage, 20, 4, 0)
    assert page.locator("#c-rows tr").all_text_contents() == [
        f"{one['name']}{one['reward'][-1]:.2f}{round(100 * one['alive'][-1])} %" for one in found["runs"]
    ]
    check_access(page)
    page.click("#tab-said")
    page.fill("#begin-said [name=user]", "3")
    page.click("#begin-said button")
    page.wait_for_selector("#s-rows tr")
    shown = page.locator("#s-rows tr td:nth-child(3)").all_text_contents()
    assert shown == [f"{row['expected']:.2f}" for row in said_and_done(stage, 3)["rows"]]
    check_access(page)


def test_it_fits_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.click("#begin-recommender button")
    page.wait_for_selector("#r-found button")
    for tab in page.locator("[role=tab]").all():
        tab.click()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    page.emulate_media(color_scheme="dark")
    page.click("#tab-recommender")
    check_access(page)
