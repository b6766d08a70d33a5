"""`personagym play`: a session, step by step."""

from dataclasses import dataclass

from personagym_benchmarks.console import make_console
from personagym_benchmarks.display import print_plain


@dataclass(frozen=True)
class PlayCommand:
    """Watch one session: random slates, shown step by step."""

    dataset: str = "ml-100k"
    agent: str = "default"
    device: str | None = None
    """Where a language model runs, as `torch` names it; None takes a GPU if there is one."""
    user: int | None = None
    """Internal user id; None draws one."""
    slate_size: int = 5
    steps: int = 8
    seed: int = 0

    def main(self) -> None:
        """Run the command."""
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
