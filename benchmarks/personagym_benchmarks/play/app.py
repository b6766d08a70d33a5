"""The page as a web application: a thin shell over the seats, for the loopback, without anything from elsewhere."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from importlib.resources import files
from itertools import count
from threading import Lock
from typing import Any, Generic, TypeVar

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from personagym_benchmarks.play.recommender_seat import RecommenderSeat
from personagym_benchmarks.play.stage import Stage
from personagym_benchmarks.play.user_seat import UserSeat
from personagym_benchmarks.play.watching import MOST_STEPS, MOST_USERS, race, said_and_done
from personagym_env.text import one_line

HOSTS = ["127.0.0.1", "localhost"]
"""Names that the page is asked for by; others may be another page that was given this machine's address."""
MOST_SEATS = 50
"""Sessions that are kept; the oldest one makes room."""
FOUND = 30
"""Items that a search shows."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STATIC = {"play.js": "text/javascript", "play.css": "text/css"}
Seat = TypeVar("Seat")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Begin(_Body):
    """A session of a user; a random one if None."""

    user: int | None = None
    seed: int = Field(0, ge=0, lt=2**32)


class Slate(_Body):
    """A slate to be shown."""

    items: list[int] = Field(max_length=100)


class Taken(_Body):
    """What was taken of a slate, if anything."""

    item: int | None = None
    rating: float | None = None


class Race(_Body):
    """How long a race is."""

    users: int = Field(20, ge=1, le=MOST_USERS)
    steps: int = Field(20, ge=1, le=MOST_STEPS)
    seed: int = Field(0, ge=0, lt=2**32)


class Seats(Generic[Seat]):
    """Sessions by number, the latest `MOST_SEATS` of them."""

    def __init__(self) -> None:
        self._seats: OrderedDict[int, Seat] = OrderedDict()
        self._numbers = count(1)

    def add(self, seat: Seat) -> int:
        """Keep a session, and give its number."""
        number = next(self._numbers)
        self._seats[number] = seat
        while len(self._seats) > MOST_SEATS:
            self._seats.popitem(last=False)
        return number

    def __getitem__(self, number: int) -> Seat:
        if number not in self._seats:
            raise HTTPException(404, f"there is no session {number} any more: begin another one")
        return self._seats[number]


def make_app(stage: Stage) -> FastAPI:
    """The application; its sessions are `app.state.recommenders` and `app.state.users`.

    Users are asked by one request at a time, whatever the number of browsers.
    """
    app = FastAPI(title="PersonaGym", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.recommenders, app.state.users = Seats[RecommenderSeat](), Seats[UserSeat]()
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    lock = Lock()
    _guard(app)
    _pages(app, stage)
    _recommender(app, stage, lock)
    _user(app, stage, lock)

    @app.post("/api/race")
    def run_race(body: Race) -> dict[str, Any]:
        with lock:
            return race(stage, body.users, body.steps, body.seed)

    @app.get("/api/said-and-done/{user}")
    def compare(user: int) -> dict[str, Any]:
        with lock:
            return said_and_done(stage, user)

    return app


def _guard(app: FastAPI) -> None:
    """Headers for every answer, JSON for every order, and mistakes in one line."""

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if request.method == "POST" and kind != "application/json":
            # A form of another page can post anything but this without asking first.
            response: Response = JSONResponse({"detail": f"expected application/json, got {kind or 'nothing'}"}, 415)
        else:
            response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(ValueError)
    async def mistake(_: Request, error: ValueError) -> JSONResponse:
        return JSONResponse({"detail": one_line(str(error))}, 400)


def _pages(app: FastAPI, stage: Stage) -> None:
    loader = PackageLoader("personagym_benchmarks.play", "templates")
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("play.html.j2")
    page = template.render(
        dataset=one_line(stage.world.dataset.name),
        agent=one_line(stage.world.agent.name),
        users=stage.world.train.n_users,
        recommenders=list(stage.recommenders),
        most_users=MOST_USERS,
        most_steps=MOST_STEPS,
    )

    @app.get("/", response_class=HTMLResponse)
    def home() -> str:
        return page

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in _STATIC:
            raise HTTPException(404, "no such file")
        text = files("personagym_benchmarks.play").joinpath("static", name).read_text(encoding="utf-8")
        return Response(text, media_type=_STATIC[name])


def _recommender(app: FastAPI, stage: Stage, lock: Lock) -> None:
    seats: Seats[RecommenderSeat] = app.state.recommenders

    def told(number: int) -> dict[str, Any]:
        return {"seat": number, **seats[number].told()}

    @app.post("/api/recommender")
    def begin(body: Begin) -> dict[str, Any]:
        user = body.seed % stage.world.train.n_users if body.user is None else body.user
        with lock:
            return told(seats.add(RecommenderSeat(stage, user, body.seed)))

    @app.post("/api/recommender/{number}/show")
    def show(number: int, body: Slate) -> dict[str, Any]:
        with lock:
            seats[number].step(body.items)
            return told(number)

    @app.get("/api/recommender/{number}/suggest/{name}")
    def suggest(number: int, name: str) -> list[dict[str, Any]]:
        with lock:
            return [stage.told(item) for item in seats[number].suggest(name)]

    @app.get("/api/recommender/{number}/find")
    def find(number: int, words: str = "") -> list[dict[str, Any]]:
        return stage.search(words, seats[number].user, FOUND)

    @app.get("/api/recommender/{number}/why/{item}")
    def why(number: int, item: int) -> dict[str, Any]:
        with lock:
            return seats[number].why(item)


def _user(app: FastAPI, stage: Stage, lock: Lock) -> None:
    seats: Seats[UserSeat] = app.state.users

    def told(number: int) -> dict[str, Any]:
        return {"seat": number, **seats[number].told()}

    @app.post("/api/user")
    def begin(body: Begin) -> dict[str, Any]:
        with lock:
            return told(seats.add(UserSeat(stage, body.seed)))

    @app.post("/api/user/{number}/rate")
    def rate(number: int, body: Taken) -> dict[str, Any]:
        with lock:
            seats[number].rate(body.item, body.rating)
            return told(number)
