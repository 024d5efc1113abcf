"""Out of memory: the work is halved and goes on; what is no such error, and what cannot be halved, is raised."""

import pytest
import torch

from ft_assets.device_memory import Fitting, is_out_of_memory


def halves(work: list[int]) -> tuple[list[int], ...]:
    middle = len(work) // 2
    return (work[:middle], work[middle:]) if middle else (work,)


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_the_parts_of_what_does_not_fit_come_in_order_and_nothing_is_done_twice(limit: int) -> None:
    tried: list[int] = []

    def double(work: list[int]) -> list[int]:
        tried.append(len(work))
        if len(work) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [2 * one for one in work]

    fitting = Fitting()
    for _ in range(3):
        parts = fitting.run(double, list(range(20)), len, halves)
        assert [one for part in parts for one in part] == [2 * one for one in range(20)]
    failed = [size for size in tried if size > limit]
    assert len(failed) == fitting.halvings <= 5
    # Once it is known what does not fit, it is not tried again: each size fails once.
    assert len(set(failed)) == len(failed)


def test_other_errors_and_work_of_one_piece_are_raised() -> None:
    def fails(error: Exception, work: list[int]) -> list[int]:
        raise error

    with pytest.raises(torch.OutOfMemoryError):
        Fitting().run(lambda work: fails(torch.OutOfMemoryError("no memory"), work), [1], len, halves)
    with pytest.raises(RuntimeError, match="shapes"):
        Fitting().run(lambda work: fails(RuntimeError("shapes do not fit"), work), [1, 2], len, halves)
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert not is_out_of_memory(MemoryError("out of memory"))
