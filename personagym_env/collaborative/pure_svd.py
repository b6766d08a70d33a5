"""PureSVD: the log as a matrix of 0 and 1, and its largest singular directions.

Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-n recommendation tasks" (RecSys 2010).
"""

import numpy as np
import numpy.typing as npt

from personagym_env.data.tables import Interactions
from personagym_env.fit_cache.kept import kept


@kept()
def item_directions(log: Interactions, rank: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(r,) singular values, largest first, and (m, r) right singular vectors of what users consumed; deterministic.

    The number r of directions is `rank`, or what the log has room for.
    """
    from sklearn.utils.extmath import randomized_svd  # here, because a fit that was kept does without

    consumed = log.matrix(np.ones(len(log), np.float32))
    rank = max(min(rank, min(consumed.shape) - 1), 1)
    _, values, directions = randomized_svd(consumed, rank, random_state=0)
    return values, directions.T.astype(np.float32)
