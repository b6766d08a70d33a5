"""Linear models of which item goes with which: item-kNN and EASE. A row's score is its history times a weight matrix.

Shapes: n rows, u users, m items. What the user consumed in the session counts like what is in the training log.
"""

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from personagym_env.collaborative.similarity import nearest
from personagym_env.data.tables import Catalogue, FloatArray, IntArray, Interactions
from personagym_env.protocols import NO_ITEM, Observation
from personagym_recommenders.base import ScoringRecommender, binary_matrix, top_k


class _LikedItems(ScoringRecommender):
    """Shared: which part of the history is taken as a sign of liking."""

    liked_: sparse.csr_array
    """(u, m) 1 where the training log has the pair with a rating of at least `min_rating`."""

    def __init__(self, min_rating: float | None) -> None:
        self.min_rating = min_rating

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Keep the liked pairs."""
        liked = log if self.min_rating is None else log.take(log.ratings >= self.min_rating)
        self.liked_ = binary_matrix(liked.users, liked.items, (log.n_users, log.n_items))

    def liked(self, observation: Observation) -> sparse.csr_array:
        """(n, m) 1 for what each row's user liked in the training log or in this session."""
        chosen = observation["history_items"] != NO_ITEM
        if self.min_rating is not None:
            chosen = chosen & (observation["history_ratings"] >= self.min_rating)
        rows, columns = np.nonzero(chosen)
        before = self.liked_[observation["user"]]
        both = before + binary_matrix(rows, observation["history_items"][rows, columns], before.shape)
        both.data[:] = 1
        return sparse.csr_array(both)


class ItemKNN(_LikedItems):
    """Every item of the user's history votes, with its cosine, for the items most similar to it.

    Item-based top-N recommendation of Deshpande and Karypis (ACM TOIS 2004): the cosine of two items is taken over
    their 0/1 columns of the user-item matrix, |users of both| / sqrt(|users of one| * |users of the other|). Limiting
    case: with as many neighbours as there are items, the score is the sum of all cosines with the history.

    Args:
        neighbours: how many items each item votes for, at least 1.
        min_rating: only rows with at least this rating count; None counts every row.
    """

    weights_: sparse.csr_array
    """(m, m) row j: what j votes for."""

    def __init__(self, neighbours: int = 50, min_rating: float | None = None) -> None:
        super().__init__(min_rating)
        if neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, got {neighbours}")
        self.neighbours = neighbours

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Take the cosines of all pairs and keep each item's largest."""
        super().learn(log, catalogue)
        count = np.asarray(self.liked_.sum(axis=0))
        unit = sparse.csr_array(self.liked_ / np.sqrt(np.maximum(count, 1)))  # (u, m) columns of length 1

        def cosine(rows: slice) -> FloatArray:
            return np.asarray((unit[:, rows].T @ unit).toarray())

        self.weights_ = nearest(cosine, log.n_items, self.neighbours, select=_lowest_of_equals)

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) sum of the votes."""
        return np.asarray((self.liked(observation) @ self.weights_).toarray())


def _lowest_of_equals(values: FloatArray, k: int) -> IntArray:
    """The k largest of each row, of equals those of the lower item ids."""
    return top_k(values, np.ones(values.shape, np.bool_), k)


class EASE(_LikedItems):
    """The full-rank linear autoencoder with zero diagonal, in closed form.

    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (WWW 2019), equation 8: with the 0/1 matrix X,
    P = (X^T X + lambda I)^-1 and B = I - P diagMat(1 / diag(P)); a row's scores are x B. Limiting case: for a large
    lambda, lambda B tends to X^T X without its diagonal, the plain co-occurrence.

    Args:
        regularisation: lambda, above 0; grows with the number of users.
        min_rating: only rows with at least this rating count; None counts every row.
    """

    weights_: npt.NDArray[np.float32]
    """(m, m) B."""

    def __init__(self, regularisation: float = 250.0, min_rating: float | None = None) -> None:
        super().__init__(min_rating)
        if regularisation <= 0:
            raise ValueError(f"regularisation must be above 0, got {regularisation}")
        self.regularisation = regularisation

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Solve for B; time grows with m^3, memory with m^2."""
        super().learn(log, catalogue)
        gram = (self.liked_.T @ self.liked_).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += self.regularisation
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False, assume_a="pos")
        weights = -inverse / inverse.diagonal()
        np.fill_diagonal(weights, 0)
        # Sparse products read rows, and would copy an array by columns each time.
        self.weights_ = weights.astype(np.float32, order="C")

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) x B."""
        return np.asarray(self.liked(observation) @ self.weights_)
