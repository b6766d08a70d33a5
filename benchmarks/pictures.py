"""Takes the README's picture: `python benchmarks/pictures.py` plays some steps on the page and photographs it.

It shows the seat of the user, whose ratings are those of the script: no rating of a data set is in the picture.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import tyro
import uvicorn
from playwright.sync_api import Page, sync_playwright

from personagym_benchmarks.console import mistakes_in_one_line
from personagym_benchmarks.play.app import make_app
from personagym_benchmarks.play.server import ADDRESS, listen
from personagym_benchmarks.play.stage import Stage
from personagym_env.files import write_atomically

ROOT = Path(__file__).parent.parent
SIZE = {"width": 1180, "height": 960}
"""Of the picture, in pixels."""
SEED = 11
RATED = 6
"""Items that are rated before the picture is taken."""


@dataclass(frozen=True)
class Args:
    """Where to put the picture."""

    output: Path = ROOT / "docs" / "assets" / "play.png"
    dataset: str = "ml-100k"
    agent: str = "default"


@contextmanager
def served(stage: Stage) -> Iterator[str]:
    """The address of the page while the body runs."""
    with listen(0) as own:
        server = uvicorn.Server(uvicorn.Config(make_app(stage), log_level="warning"))
        thread = Thread(target=server.run, kwargs={"sockets": [own]}, daemon=True)
        thread.start()
        yield f"http://{ADDRESS}:{own.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@contextmanager
def opened(address: str) -> Iterator[Page]:
    """A page in Debian's browser.

    Raises:
        ValueError: there is no Chromium.
    """
    program = shutil.which("chromium")
    if program is None:
        raise ValueError("pictures are taken in Chromium, and there is none: apt-get install chromium")
    with sync_playwright() as driver:
        # A container runs as root, for whom Chromium has no sandbox.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=program, args=options)
        page = browser.new_page(viewport=SIZE, reduced_motion="reduce")  # type: ignore[arg-type]
        page.add_init_script(f"Math.random = () => {SEED} / 2 ** 31;")
        page.goto(address)
        yield page
        browser.close()


def main(args: Args) -> None:
    """Play, and take the picture."""
    with served(Stage.make(args.dataset, args.agent)) as address, opened(address) as page:
        page.click("#tab-user")
        page.click("#begin-user button")
        for rated in range(1, RATED + 1):
            rating = 5 if rated % 3 else 2
            page.click(f"#u-slate .pick >> nth={rated % 2} >> .rate >> nth={rating - 1}")
            page.wait_for_selector(f"#user[data-ratings='{rated}']")
        page.evaluate("() => document.activeElement.blur()")
        page.mouse.move(0, 0)
        write_atomically(args.output, page.screenshot())
    print(args.output)


if __name__ == "__main__":
    with mistakes_in_one_line("pictures"):
        main(tyro.cli(Args, description=__doc__))
