"""All methods on all cases: what is stored already is taken from there."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path

from ..errors import RequestError
from ..runtime.device import Computing
from .case import Case
from .score import Score, attempt
from .score_cache import Store


def compare(
    cases: Sequence[Case],
    methods: Sequence[str],
    folder: Path,
    computing: Computing,
    everywhere: bool = False,
    jobs: int = 1,
) -> Iterator[Score]:
    """The score of every method on every case, as they come: first what ``folder`` holds, then the others.

    ``jobs`` processes compute; each score is stored before it is told. Raises what ``upscale`` raises.
    """
    store = Store(folder, computing, everywhere)
    left: list[tuple[str, Case]] = []
    for case, method in product(cases, methods):
        score = store.find(method, case)
        if score is None:
            left.append((method, case))
        else:
            yield score
    if jobs == 1:
        yield from (_make(store, method, case, computing, everywhere) for method, case in left)
        return
    # forked processes would inherit torch's threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context) as pool:
        under_way = [pool.submit(_make, store, method, case, computing, everywhere) for method, case in left]
        try:
            yield from (future.result() for future in as_completed(under_way))
        finally:
            pool.shutdown(cancel_futures=True)


def _make(store: Store, method: str, case: Case, computing: Computing, everywhere: bool) -> Score:
    try:
        score = attempt(method, case, computing, everywhere)
    except RequestError as error:
        truth = case.truth
        raise RequestError(f"{truth.subject} {truth.contrast}, {case.label}, {method}: {error}") from error
    store.keep(score, case)
    return score
