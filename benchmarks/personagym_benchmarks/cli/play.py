"""`personagym play`: take a seat in the simulation."""

import sys
from dataclasses import dataclass

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import print_plain


@dataclass(frozen=True)
class PlayCommand:
    """Be the recommender of one user in the terminal; with --web a page to recommend, to be the user, or to watch.

    With --watch random slates are shown, step by step.
    """

    dataset: str = "ml-100k"
    agent: str = "default"
    device: str | None = None
    """Where a language model runs, as `torch` names it; None takes a GPU if there is one."""
    user: int | None = None
    """Internal user id; None draws one."""
    slate_size: int = 5
    """Places of a slate in the terminal."""
    steps: int = 8
    """Longest session that is watched."""
    seed: int = 0
    """Of the session's luck."""
    watch: bool = False
    """Look on while random slates are shown."""
    web: bool = False
    """Serve a page on the loopback, until Ctrl-C."""
    port: int = 8000
    """Of the page; 0 takes any that is free."""

    def main(self) -> None:
        """Run the command."""
        if self.web:
            self._serve()
        elif self.watch:
            self._watch()
        else:
            self._play()

    def _serve(self) -> None:
        from personagym_benchmarks.play.server import ADDRESS, listen, require_app, serve
        from personagym_benchmarks.play.stage import Stage

        require_app()
        console, own = make_console(), listen(self.port)
        with own:
            stage = Stage.make(self.dataset, self.agent, device=self.device)
            print_plain(console, f"http://{ADDRESS}:{own.getsockname()[1]}/  (Ctrl-C ends it)")
            serve(stage, own)

    def _play(self) -> None:
        from personagym_benchmarks.play.recommender_seat import RecommenderSeat
        from personagym_benchmarks.play.stage import Stage
        from personagym_benchmarks.play.terminal import TerminalSeat

        console = make_console()
        stage = Stage.make(self.dataset, self.agent, device=self.device)
        user = self.seed % stage.world.train.n_users if self.user is None else self.user
        seat = RecommenderSeat(stage, user, self.seed, self.slate_size)
        terminal = TerminalSeat(seat, lambda line: print_plain(console, line))
        terminal.begin()
        while True:
            if sys.stdin.isatty():
                print("slate> ", end="", flush=True)
            line = sys.stdin.readline()
            if not line or not terminal.answer(line):
                return

    def _watch(self) -> None:
        from personagym_env.env import PersonaRecEnv
        from personagym_env.world import make_world

        console = make_console()
        world = make_world(self.dataset, self.agent, device=self.device)
        env = PersonaRecEnv(world, self.slate_size, max_episode_steps=self.steps, render_mode="ansi")
        env.action_space.seed(self.seed)
        env.reset(seed=self.seed, options=None if self.user is None else {"user": self.user})
        done = False
        while not done:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            print_plain(console, env.render())
            done = terminated or truncated
