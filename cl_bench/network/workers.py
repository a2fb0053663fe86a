"""The run's own threads: whole pieces of work go to them, while every kernel keeps to one.

A kernel that splits a sum among threads makes its digits depend on their number, and small products
wait longer at its barriers than they compute. Pieces that have no sum in common need no barrier
inside, and torch releases the interpreter's lock while it computes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Workers:
    """``count`` threads, the caller's own among them; with one everything runs in the caller."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._pool: ThreadPoolExecutor | None = None  # started when there is something to share

    def map(self, work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
        """``work`` of every piece, in their order; each thread takes the next that is left.

        The pieces are computed in the caller's grad or inference mode. The first error is raised
        when all threads have stopped.
        """
        pieces = list(pieces)
        helpers = min(self.count, len(pieces)) - 1
        if helpers < 1:
            return [work(piece) for piece in pieces]
        if self._pool is None:
            # the number of a kernel's threads is each thread's own
            self._pool = ThreadPoolExecutor(
                self.count - 1, "cl-bench", lambda: torch.set_num_threads(1)
            )
        results: list[Result | None] = [None] * len(pieces)
        left, lock = iter(enumerate(pieces)), threading.Lock()
        inference, grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

        def take() -> Iterator[tuple[int, Piece]]:
            while True:
                with lock:
                    found = next(left, None)
                if found is None:
                    return
                yield found

        def share() -> None:
            try:
                with torch.inference_mode(inference), torch.set_grad_enabled(grad):
                    for place, piece in take():
                        results[place] = work(piece)
            except BaseException:
                with lock:
                    for _ in left:  # nobody begins another piece
                        pass
                raise

        futures = [self._pool.submit(share) for _ in range(helpers)]
        try:
            share()
        finally:
            errors = [future.exception() for future in futures]
        for error in errors:
            if error is not None:
                raise error
        return results
