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
from personagym_recommenders.memory import fits, require_memory, size_of

_BYTES_EACH = 21
"""Peak memory of EASE per entry of its square matrix, measured on 3,000 items that all occur together: the Gram matrix
as it comes, sparse (8 bytes), and dense in single and double precision."""


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

    Time grows with m^3 and memory with m^2. Where B would not fit into memory but a matrix of users does, the same
    solution is kept in its dual form: by the Woodbury identity lambda P = I - X^T (X X^T + lambda I)^-1 X, so a row's
    scores need X, the inverse over users and the diagonal of P. Where neither fits, fitting is refused.

    Args:
        regularisation: lambda, above 0; grows with the number of users.
        min_rating: only rows with at least this rating count; None counts every row.
    """

    weights_: npt.NDArray[np.float32]
    """(m, m) B; not there in the dual form."""
    inverse_: npt.NDArray[np.float64]
    """(u, u) (X X^T + lambda I)^-1; there in the dual form alone, like `diagonal_`."""
    diagonal_: FloatArray
    """(m,) of lambda P."""

    def __init__(self, regularisation: float = 250.0, min_rating: float | None = None) -> None:
        super().__init__(min_rating)
        if regularisation <= 0:
            raise ValueError(f"regularisation must be above 0, got {regularisation}")
        self.regularisation = regularisation

    def learn(self, log: Interactions, catalogue: Catalogue) -> None:
        """Solve for B.

        Raises:
            ValueError: there are too many items and too many users for the memory that may be taken.
        """
        by_items, by_users = (size_of((size, size), _BYTES_EACH) for size in (log.n_items, log.n_users))
        if not fits(by_items):
            require_memory(
                f"EASE on {log.n_items:,} items and {log.n_users:,} users",
                min(by_items, by_users),
                "leave rare items out, or take item-knn, whose weights are sparse",
            )
        super().learn(log, catalogue)
        for dual in ("weights_", "inverse_", "diagonal_"):
            self.__dict__.pop(dual, None)
        if fits(by_items):
            self.weights_ = self._solve()
        else:
            self.inverse_, self.diagonal_ = self._solve_dual()

    def score(self, observation: Observation) -> FloatArray:
        """(n, m) x B."""
        liked = self.liked(observation)
        if hasattr(self, "weights_"):
            return np.asarray(liked @ self.weights_)
        explained = ((liked @ self.liked_.T).toarray() @ self.inverse_) @ self.liked_  # (n, m) x (I - lambda P)
        rows, items = liked.nonzero()
        scores = explained / self.diagonal_
        # x B = x - x P / diag(P): the item's own part, which B does not have, is taken off.
        scores[rows, items] += 1 - 1 / self.diagonal_[items]
        return np.asarray(scores)

    def _solve(self) -> npt.NDArray[np.float32]:
        """(m, m) B."""
        gram = (self.liked_.T @ self.liked_).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += self.regularisation
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False, assume_a="pos")
        inverse /= -inverse.diagonal()
        np.fill_diagonal(inverse, 0)
        # Sparse products read rows, and would copy an array by columns each time.
        return np.asarray(inverse.astype(np.float32, order="C"))

    def _solve_dual(self) -> tuple[npt.NDArray[np.float64], FloatArray]:
        """(u, u) and (m,), see `inverse_` and `diagonal_`."""
        kernel = (self.liked_ @ self.liked_.T).toarray().astype(np.float64)
        kernel[np.diag_indices_from(kernel)] += self.regularisation
        inverse = linalg.inv(kernel, overwrite_a=True, check_finite=False, assume_a="pos")
        diagonal = np.ones(self.liked_.shape[1])
        columns = sparse.csc_array(self.liked_)
        for item in np.flatnonzero(np.diff(columns.indptr)):
            users = columns.indices[columns.indptr[item] : columns.indptr[item + 1]]
            diagonal[item] -= inverse[np.ix_(users, users)].sum()
        return inverse, diagonal
