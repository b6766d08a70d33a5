"""PPO (Schulman et al., arXiv 1707.06347) on simulated users, with the settings that policies are trained by here."""

try:
    from stable_baselines3 import PPO
except ImportError as error:
    raise ImportError("policies need Stable-Baselines3: pip install 'personagym[rl]'") from error

from personagym_env.env import SLATE_SIZE
from personagym_env.vector_env import PersonaRecVectorEnv
from personagym_env.world import World
from personagym_recommenders.rl.action_decoders import ActionDecoder
from personagym_recommenders.rl.action_wrappers import VectorDecodeAction
from personagym_recommenders.rl.sb3_features import NEEDED, SessionFeatures
from personagym_recommenders.rl.sb3_vec_env import SB3VecEnv


def make_ppo(
    world: World,
    decoder: ActionDecoder,
    *,
    envs: int,
    slate_size: int = SLATE_SIZE,
    rollout: int = 64,
    largest_batch: int = 1024,
    seed: int = 0,
) -> PPO:
    """An untrained policy with its users.

    The policy sees `SessionFeatures`. Sessions are short, so what lies twenty steps ahead hardly counts (gamma 0.97),
    and exploration begins narrow, since actions weigh opinions that are good already (a standard deviation of 0.4).

    Args:
        world: data and users.
        decoder: makes slates of actions; fitted on the world's rows.
        envs: users side by side.
        slate_size: places of a slate.
        rollout: steps of each user between two updates.
        largest_batch: steps of a gradient step, at most.
        seed: of policy and sessions.
    """
    users = PersonaRecVectorEnv(world, envs, slate_size, autoreset_mode="SameStep")
    return PPO(
        "MultiInputPolicy",
        SB3VecEnv(VectorDecodeAction(users, decoder), parts=NEEDED),
        n_steps=rollout,
        batch_size=min(largest_batch, rollout * envs),
        n_epochs=6,
        learning_rate=lambda left: 2e-3 * left,
        gamma=0.97,
        gae_lambda=0.95,
        seed=seed,
        device="cpu",
        policy_kwargs={
            "features_extractor_class": SessionFeatures,
            "features_extractor_kwargs": {"item_genres": world.dataset.catalogue.genre_shares},
            "net_arch": [64, 64],
            "log_std_init": -1.0,
        },
    )
