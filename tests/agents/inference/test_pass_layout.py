"""Where tokens of a packed pass stand: known answers, and rectangles that lead back to every token."""

import numpy as np
import torch

from personagym_agents.inference.pass_layout import Layout, Runs, arrange, lay_out
from personagym_agents.model.packing import Segments

PIECES = Segments.of([[1, 2], [3], [4, 5, 6], [7]])


def arranged(runs: Runs) -> Layout:
    return arrange(runs, torch.device("cpu"), torch.float32)


def test_runs_stand_one_after_the_other_and_candidates_restart_at_the_end_of_the_prefix() -> None:
    runs = lay_out(PIECES, np.array([10, 20]), np.array([[1], [-1]]), np.array([[[0, 3], [2, -1]], [[3, -1], [3, 1]]]))
    assert runs.tokens.tolist() == [3, 1, 2, 7, 4, 5, 6, 7, 7, 3]
    assert runs.positions.tolist() == [10, 11, 12, 13, 11, 12, 13, 20, 20, 21]
    assert runs.lengths.tolist() == [[1, 3, 3], [0, 1, 2]]
    assert runs.begins.tolist() == [[0, 1, 4], [7, 7, 8]]
    assert runs.per_row.tolist() == [7, 3]
    assert runs.candidate_ends.tolist() == [3, 6, 7, 9]


def test_rectangles_lead_back_to_every_token() -> None:
    rng = np.random.default_rng(0)
    lengths = np.column_stack([rng.integers(0, 2, 5), rng.choice([3, 4, 20], (5, 6))])
    ends = np.cumsum(lengths.ravel())
    total = int(ends[-1])
    runs = Runs(
        np.zeros(total, np.int64), np.zeros(total, np.int64), (ends - lengths.ravel()).reshape(lengths.shape), lengths
    )
    layout = arranged(runs)
    everything, answers = layout.everything, layout.answers
    assert everything.grid.flatten()[everything.place].tolist() == list(range(total))
    nowhere = -1
    own = torch.cat([everything.own_grid.flatten(), torch.tensor([nowhere])])[everything.own_place]
    pending = runs.begins[lengths[:, 0] == 1, 0]
    expected = np.where(np.isin(np.arange(total), pending), nowhere, np.arange(total))
    assert own.tolist() == expected.tolist()
    assert answers is not None
    assert answers.grid.tolist() == np.arange(30).reshape(5, 6).tolist()
    assert answers.own_grid.flatten()[answers.own_place].tolist() == list(range(30))
    for questions, tokens in ((everything, np.setdiff1d(np.arange(total), pending)), (answers, runs.candidate_ends)):
        hidden = questions.own_mask[:, 0]
        places = questions.own_place[torch.from_numpy(tokens)] if questions is everything else questions.own_place
        for token, place in zip(tokens.tolist(), places.tolist(), strict=True):
            one, row = divmod(place, hidden.shape[1])
            begin = runs.begins.ravel()[np.searchsorted(ends, token, side="right")]
            assert layout.own_keys[one][hidden[one, row] == 0].tolist() == list(range(begin, token + 1))


def test_bins_hold_neighbours_and_a_long_run_stands_alone() -> None:
    lengths = np.array([[0, 10, 12, 10, 1, 40], [1, 30, 1, 1, 3, 3]])
    ends = np.cumsum(lengths.ravel())
    zeros = np.zeros(int(ends[-1]), np.int64)
    keys = arranged(Runs(zeros, zeros, (ends - lengths.ravel()).reshape(lengths.shape), lengths)).own_keys
    assert keys[:, 0].tolist() == [0, 32, 33, 73, 105]
    assert (keys[:, -1] + 1).tolist() == [32, 33, 73, 105, 112]


def test_without_candidates_pending_tokens_look_at_their_own_run() -> None:
    runs = lay_out(PIECES, np.zeros(2, np.int64), np.array([[0, 1], [2, -1]]), np.zeros((2, 0, 1), np.int64))
    layout = arranged(runs)
    assert runs.candidates == 0
    assert layout.answers is None
    assert layout.own_keys.tolist() == [list(range(6))]
    sees = layout.everything.own_mask[0, 0] == 0
    assert sees.sum(dim=1).tolist() == [1, 2, 3, 1, 2, 3]
    assert layout.everything.own_place.tolist() == list(range(6))
