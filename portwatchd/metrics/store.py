"""The samples of every school, rendered when its report comes; a scrape joins them in pieces, and scrapers share it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Protocol

from portwatchd.metrics.negotiation import Wish, negotiate
from portwatchd.metrics.render import STORED, Block, Labels, render, renew
from portwatchd.model import Report

PIECE_PARTS = 12_000
"""Byte strings joined at one go: 4,000 samples, 0.7 MB, half a millisecond. More would hold the loop for longer."""
SMALL = 64 * 1024
"""Bytes that are compressed where they are; more are given to a thread, whose start costs as much as these."""
SHARED_SCHOOLS = 500
"""Schools whose plain answer scrapers share, some 14 MB. A larger one is not kept whole in memory but made for each of
them; a compressed one is a twentieth of its size and always shared."""
LEVEL = 1
"""Of gzip: samples are so alike that higher levels cost twice the time and save a tenth."""


class Source(Protocol):
    """Someone else with samples: the daemon's own figures."""

    def pieces(self, wish: Wish) -> Iterator[bytes]:
        """Yield whole families in the wished format, each piece made within a few milliseconds."""
        ...


class MetricStore:
    """What is exported of every school. A put costs the school's own samples, a scrape no rendering at all."""

    def __init__(self, sources: Sequence[Source] = (), *, shared_schools: int = SHARED_SCHOOLS) -> None:
        """Export the samples of `sources` too, after the schools'."""
        self._sources = tuple(sources)
        self._shared_schools = shared_schools
        self._labels: dict[str, Labels] = {}
        self._blocks: dict[str, tuple[Block, ...]] = {}
        self._answers: dict[Wish, _Answer] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def put(self, report: Report) -> None:
        """Let the report's samples take the place of the school's former ones."""
        name = report.school.name
        labels = self._labels.get(name)
        if labels is None or (labels.school is not report.school and labels.school != report.school):
            labels = self._labels[name] = Labels(report.school)
            self._blocks.pop(name, None)
        former = self._blocks.get(name) if report.calm else None
        self._blocks[name] = render(report, labels) if former is None else renew(report, labels, former)

    def remove(self, school: str) -> None:
        """Export nothing more of the school; an unknown one is no error."""
        self._labels.pop(school, None)
        self._blocks.pop(school, None)

    def answer(
        self, accept: str, accept_encoding: str, names: Iterable[str]
    ) -> tuple[dict[str, str], AsyncIterator[bytes]]:
        """Return the headers of the answer to a scrape, and its pieces."""
        wish = negotiate(accept, accept_encoding, names)
        headers = {"Content-Type": wish.content_type, "Vary": "Accept, Accept-Encoding"}
        if wish.gzip:
            headers["Content-Encoding"] = "gzip"
        return headers, self.scrape(wish)

    async def scrape(self, wish: Wish) -> AsyncIterator[bytes]:
        """Yield the answer piece by piece, as it was when the scrape came, and let the event loop run between them."""
        answer = self._answers.get(wish)
        if answer is None:
            blocks = list(self._blocks.values())
            made = _compressed(self._pieces(wish, blocks)) if wish.gzip else _yielding(self._pieces(wish, blocks))
            if not wish.gzip and len(blocks) > self._shared_schools:
                async for piece in made:
                    yield piece
                return
            answer = self._answers[wish] = _Answer(made)
            answer.task.add_done_callback(lambda _: self._answers.pop(wish, None))
        async for piece in answer.follow():
            yield piece

    def _pieces(self, wish: Wish, blocks: list[tuple[Block, ...]]) -> Iterator[bytes]:
        """Yield the whole answer, uncompressed: family by family, all samples of one together."""
        parts: list[bytes] = []
        for index, family in enumerate(STORED):
            if not family.wanted(wish.names):
                continue
            parts.append(family.header(openmetrics=wish.openmetrics))
            for block in blocks:
                parts += block[index]
                if len(parts) >= PIECE_PARTS:
                    yield b"".join(parts)
                    parts.clear()
        yield b"".join(parts)
        for source in self._sources:
            yield from source.pieces(wish)
        if wish.openmetrics:
            yield b"# EOF\n"


class _Answer:
    """One answer being made, for all who ask for it meanwhile; its data is as old as its making is long."""

    def __init__(self, made: AsyncIterator[bytes]) -> None:
        self._pieces: list[bytes] = []
        self._more = asyncio.Event()
        self.task = asyncio.create_task(self._make(made), name="metrics answer")

    async def _make(self, made: AsyncIterator[bytes]) -> None:
        try:
            async for piece in made:
                self._pieces.append(piece)
                self._wake()
        finally:
            self._wake()

    def _wake(self) -> None:
        """Wake all who wait; those who come to wait later wait for the next piece."""
        self._more.set()
        self._more = asyncio.Event()

    async def follow(self) -> AsyncIterator[bytes]:
        """Yield every piece from the first on. Raises what the making raised."""
        done = 0
        while True:
            while done < len(self._pieces):
                done += 1
                yield self._pieces[done - 1]
            if self.task.done():
                self.task.result()
                return
            await self._more.wait()


async def _yielding(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if piece:
            yield piece
        await asyncio.sleep(0)


async def _compressed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Gzip; zlib lets go of the interpreter, so in a thread it holds nobody up."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    async for piece in _yielding(pieces):
        packed = packer.compress(piece) if len(piece) <= SMALL else await asyncio.to_thread(packer.compress, piece)
        if packed:
            yield packed
    yield packer.flush()
