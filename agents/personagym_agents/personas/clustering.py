"""Personas: groups of users with like behaviour or like profiles, found by KMeans++ and named for people.

Shapes: u users, f features, p personas, g genres.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from personagym_agents.memory.text_space import TextSpace
from personagym_agents.personas.names import name_personas
from personagym_agents.personas.prediction import Prediction, find_groups
from personagym_agents.personas.settings import Features, Groups, PersonaSettings
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.data.traits import Traits, profile_features, user_traits

SILHOUETTE_SAMPLE = 2_000
"""Users that a silhouette is computed on at most; its cost grows with their square."""
EXAMPLES = 5
"""Users that stand for a persona: the nearest to its centre."""


class Criterion(NamedTuple):
    """One row of the table that the number of personas is chosen by."""

    n_personas: int
    silhouette: float
    """Mean over seeds; -1..1, more is better separated."""
    stability: float
    """Mean adjusted Rand index over pairs of seeds; 1 where all seeds find the same groups, 0 as by chance."""
    smallest: int
    """Users of the smallest group, over all seeds."""


@dataclass(frozen=True, eq=False, repr=False)
class Personas:
    """Groups of users."""

    names: tuple[str, ...]
    """(p,) distinct."""
    centroids: FloatArray
    """(p, f) in standardised feature space."""
    mean: FloatArray
    """(f,) of the features over the users that were grouped."""
    scale: FloatArray
    """(f,) that features are divided by."""
    assignment: IntArray
    """(u,) persona of each user."""
    examples: tuple[tuple[int, ...], ...]
    """(p, at most `EXAMPLES`) internal ids of the users nearest to each centre, nearest first."""
    criterion: tuple[Criterion, ...] = field(default=())
    """What the number of personas was chosen by; empty if it was given."""
    space: TextSpace | None = None
    """Where profile texts lie; None if none were looked at."""
    prediction: Prediction | None = None
    """What predicts, where users were grouped by that (`fit_learned_personas`); centres are those of their traits."""

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Personas({', '.join(f'{name}: {size}' for name, size in zip(self.names, self.sizes, strict=True))})"

    @property
    def sizes(self) -> IntArray:
        """(p,) users of each persona."""
        return np.asarray(np.bincount(self.assignment, minlength=len(self)))

    @property
    def features(self) -> Features:
        """What users were grouped by."""
        if self.prediction is not None:
            return "prediction"
        if self.space is None:
            return "behaviour"
        return "profile" if len(self.mean) == len(self.space.directions) else "both"

    def assign(self, traits: Traits, texts: Sequence[str] | None = None) -> IntArray:
        """(n,) nearest persona of each of n users, grouped before or not; see `distances`."""
        return np.asarray(self.distances(traits, texts).argmin(axis=1))

    def distances(self, traits: Traits, texts: Sequence[str] | None = None) -> FloatArray:
        """(n, p) how far each of n users lies from each persona's centre, in standardised feature space.

        Args:
            traits: of the users; not looked at by personas of profiles alone.
            texts: (n,) profiles by the writer whose texts the personas were made of; needed unless they were made of
                behaviour alone.

        Raises:
            ValueError: the traits have other features than those the personas were made of, or texts are missing.
        """
        kind = "behaviour" if self.prediction is not None else self.features
        features = _features(kind, traits, self.space, texts)
        if features.shape[1] != len(self.mean):
            raise ValueError(f"personas of {len(self.mean)} features cannot place users of {features.shape[1]}")
        return _distances((features - self.mean) / self.scale, self.centroids)

    def groups(self, kind: Groups, seed: int = 0) -> IntArray:
        """(u,) number of each user's adapter among those of its `kind`, from 0; empty where there are none.

        Random groups of one seed are the same at every call, so that a bundle need not store them.
        """
        users = len(self.assignment)
        match kind:
            case "none":
                return np.zeros(0, np.int64)
            case "single":
                return np.zeros(users, np.int64)
            case "random":
                return np.random.default_rng([users, seed]).permutation(self.assignment)
            case "persona":
                return self.assignment
            case "individual":
                return np.arange(users)

    def table(self) -> str:
        """The criterion and the personas as text for the terminal."""
        lines = [f"{'personas':>8}  {'silhouette':>10}  {'stability':>9}  {'smallest':>8}"] if self.criterion else []
        for row in self.criterion:
            chosen = "  <- chosen" if row.n_personas == len(self) else ""
            lines.append(
                f"{row.n_personas:>8}  {row.silhouette:>10.3f}  {row.stability:>9.2f}  {row.smallest:>8}{chosen}"
            )
        if self.prediction is not None:
            lines += self.prediction.table()
        for name, size, people in zip(self.names, self.sizes, self.examples, strict=True):
            lines.append(f"{size:>6} {name} (such as users {', '.join(map(str, people))})")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Everything as JSON; arrays become lists. A space of texts, and what predicts, only where there are any."""
        content = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(self).items()}
        content["criterion"] = [row._asdict() for row in self.criterion]
        del content["space"], content["prediction"]
        if self.prediction is not None:
            content["prediction"] = self.prediction.to_lists()
        if self.space is not None:
            content["space"] = self.space.to_lists()
        return json.dumps(content, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Personas":
        """Inverse of `to_json`.

        Raises:
            ValueError: the text is no JSON or lacks a field.
        """
        content = json.loads(text)
        missing = sorted(set(cls.__dataclass_fields__) - {"space", "prediction"} - set(content))
        if missing:
            raise ValueError(f"personas need {', '.join(missing)}, which the JSON lacks")
        return cls(
            names=tuple(content["names"]),
            centroids=np.asarray(content["centroids"], np.float64),
            mean=np.asarray(content["mean"], np.float64),
            scale=np.asarray(content["scale"], np.float64),
            assignment=np.asarray(content["assignment"], np.int64),
            examples=tuple(tuple(people) for people in content["examples"]),
            criterion=tuple(Criterion(**row) for row in content["criterion"]),
            space=TextSpace.from_lists(content["space"]) if "space" in content else None,
            prediction=Prediction.from_lists(content["prediction"]) if "prediction" in content else None,
        )


def fit_personas(
    traits: Traits,
    genre_names: Sequence[str],
    settings: PersonaSettings | None = None,
    *,
    rng: np.random.Generator,
    texts: Sequence[str] | None = None,
) -> Personas:
    """Group users by their traits, by their profiles, or by both, as `settings.features` says.

    The features of `profile_features` are standardised, and each of the three blocks (behaviour, genre shares, genre
    lifts) gets the same total variance, so that many genres do not outweigh six habits. The block of the profiles
    (`TextSpace`) gets as much, its directions keeping their proportions.

    Of the numbers of personas that seeds agree on (stability of at least `settings.stable`, all numbers if none has
    it), the largest wins whose silhouette is within `settings.tie` of the best: users are mostly a continuum, where
    silhouettes hardly differ and more personas say more.

    Args:
        traits: of u users, computed from training rows.
        genre_names: (g,) for the personas' names.
        settings: how to look; by behaviour, and the defaults else, if None.
        rng: draws the seeds of the runs.
        texts: (u,) profile of each user, needed if users are grouped by profiles.

    Raises:
        ValueError: there are fewer users than personas, `genre_names` does not fit the traits, or texts are missing.
    """
    settings = PersonaSettings(features="behaviour") if settings is None else settings
    space = None if settings.features == "behaviour" or texts is None else TextSpace.fit(texts)
    features = _features(settings.features, traits, space, texts)
    if traits.genre_share.shape[1] != len(genre_names):
        raise ValueError(f"traits know {traits.genre_share.shape[1]} genres, got {len(genre_names)} genre_names")
    directions = 0 if space is None else len(space.directions)
    of_traits, of_texts = np.split(features, [features.shape[1] - directions], axis=1)
    scale = np.concatenate([_trait_scale(of_traits, len(genre_names)), _text_scale(of_texts)])
    mean = features.mean(axis=0)
    points = (features - mean) / scale
    distinct = len(np.unique(points, axis=0))
    if settings.n_personas is not None and settings.n_personas > distinct:
        raise ValueError(f"{settings.n_personas} personas need as many different users, got {distinct}")
    seeds = [int(seed) for seed in rng.integers(0, 2**31 - 1, settings.seeds)]
    criterion: list[Criterion] = []
    number = settings.n_personas
    if number is None:
        most = min(settings.most, distinct - 1)
        criterion = [_judge(points, k, seeds, settings.restarts) for k in range(settings.least, most + 1)]
        number = _choose(criterion, settings)
    centroids, assignment = _by_size(*_cluster(points, number, seeds[0], settings.restarts))
    names = name_personas(traits, assignment, genre_names)
    examples = _examples(points, centroids, assignment)
    return Personas(names, centroids, mean, scale, assignment, examples, tuple(criterion), space)


def fit_learned_personas(
    train: Interactions, catalogue: Catalogue, settings: PersonaSettings, *, rng: np.random.Generator
) -> Personas:
    """Group users by what predicts their ratings (`find_groups`); traits only name the groups.

    Args:
        train: training rows of u users.
        catalogue: of their items.
        settings: number of personas, None for that which predicts the inner tail best; and how often a search starts.
        rng: deals folds and draws where searches start.

    Raises:
        ValueError: there are fewer users than personas.
    """
    traits = user_traits(train, catalogue)
    number, among = settings.n_personas, (settings.least, settings.most)
    found, prediction = find_groups(train, catalogue, rng, count=number, among=among, starts=settings.seeds)
    features = profile_features(traits).astype(np.float64)
    mean, scale = features.mean(axis=0), _trait_scale(features, len(catalogue.genre_names))
    points = (features - mean) / scale
    # A group that all users have left is none.
    left, groups = np.unique(found, return_inverse=True)
    order = np.argsort(-np.bincount(groups), kind="stable")
    assignment = np.argsort(order)[groups]
    centroids = np.stack([points[assignment == persona].mean(axis=0) for persona in range(len(left))])
    return Personas(
        name_personas(traits, assignment, catalogue.genre_names),
        centroids,
        mean,
        scale,
        assignment,
        _examples(points, centroids, assignment),
        prediction=replace(prediction, corrections=prediction.corrections[left[order]]),
    )


def _examples(points: FloatArray, centroids: FloatArray, assignment: IntArray) -> tuple[tuple[int, ...], ...]:
    order = np.argsort(_distances(points, centroids), axis=0, kind="stable")
    return tuple(
        tuple(int(user) for user in column if assignment[user] == persona)[:EXAMPLES]
        for persona, column in enumerate(order.T)
    )


def _features(
    kind: Features, traits: Traits, space: TextSpace | None, texts: Sequence[str] | None
) -> npt.NDArray[np.float64]:
    """(n, f) traits, then the places of the texts, as far as users are grouped by them."""
    blocks: list[FloatArray] = [] if kind == "profile" else [profile_features(traits).astype(np.float64)]
    if kind != "behaviour":
        if texts is None or space is None:
            raise ValueError(f"personas by {kind!r} need the profile text of every user, got none")
        if len(texts) != len(traits.activity):
            raise ValueError(f"personas by {kind!r} need {len(traits.activity)} profile texts, got {len(texts)}")
        blocks.append(space.place(texts))
    return np.concatenate(blocks, axis=1, dtype=np.float64)


def _trait_scale(features: FloatArray, n_genres: int) -> FloatArray:
    """(f,) standard deviation times the root of the block's size, 1 where a feature is constant; f may be 0."""
    genres = n_genres if features.shape[1] else 0
    behaviour = features.shape[1] - 2 * genres
    size = np.repeat([behaviour, genres, genres], [behaviour, genres, genres])
    deviation = features.std(axis=0)
    return np.asarray(np.where(deviation > 1e-9, deviation * np.sqrt(size), 1.0))


def _text_scale(places: FloatArray) -> FloatArray:
    """(d,) standard deviation of the whole block, 1 where all texts are alike; d may be 0."""
    deviation = np.sqrt(places.var(axis=0).sum())
    return np.full(places.shape[1], deviation if deviation > 1e-9 else 1.0)


def _distances(points: FloatArray, centroids: FloatArray) -> FloatArray:
    """(n, p) Euclidean distances."""
    return np.asarray(np.linalg.norm(points[:, None] - centroids, axis=-1))


def _cluster(points: FloatArray, n_personas: int, seed: int, restarts: int) -> tuple[FloatArray, IntArray]:
    from sklearn.cluster import KMeans  # here, because it takes long to import, and a trained bundle does without

    model = KMeans(n_personas, init="k-means++", n_init=restarts, random_state=seed)  # type: ignore[no-untyped-call]
    model.fit(points)
    return np.asarray(model.cluster_centers_), np.asarray(model.labels_, np.int64)


def _by_size(centroids: FloatArray, assignment: IntArray) -> tuple[FloatArray, IntArray]:
    """Renumber personas, the largest first."""
    order = np.argsort(-np.bincount(assignment, minlength=len(centroids)), kind="stable")
    return centroids[order], np.argsort(order)[assignment]


def _judge(points: FloatArray, n_personas: int, seeds: Sequence[int], restarts: int) -> Criterion:
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    labels = [_cluster(points, n_personas, seed, restarts)[1] for seed in seeds]
    sample = min(len(points), SILHOUETTE_SAMPLE)
    silhouettes = [
        silhouette_score(points, label, sample_size=sample, random_state=seed)
        for label, seed in zip(labels, seeds, strict=True)
    ]
    agreements = [adjusted_rand_score(a, b) for i, a in enumerate(labels) for b in labels[:i]]
    smallest = min(int(np.bincount(label).min()) for label in labels)
    return Criterion(n_personas, float(np.mean(silhouettes)), float(np.mean(agreements)), smallest)


def _choose(criterion: Sequence[Criterion], settings: PersonaSettings) -> int:
    if not criterion:
        return 1
    agreed = [row for row in criterion if row.stability >= settings.stable] or criterion
    best = max(row.silhouette for row in agreed)
    return max(row.n_personas for row in agreed if row.silhouette >= best - settings.tie)
