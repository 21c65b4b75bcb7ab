"""A connection to Redis that is made when it is needed and made again when it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import hiredis

from pointsman.adapters.redis.address import Address
from pointsman.adapters.redis.faults import is_elsewhere, lost, refused, replaced, unreachable
from pointsman.adapters.redis.info import process_of
from pointsman.adapters.redis.packing import Argument, Command, pack
from pointsman.adapters.redis.scripts import Script
from pointsman.adapters.redis.topology import Topology
from pointsman.adapters.redis.wire import Answer, Wire, dial
from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable

PATIENCE_S: Final = 10.0
"""How long an answer may take, blocking commands aside."""
_CONNECT_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0


class Seat(NamedTuple):
    """A place in a cluster: it stays, while the node that serves it may change."""

    topology: Topology
    slot: int


class Connection:
    """Any number of tasks may share one; a blocking read wants one of its own.

    After a failure the next call waits before it tries again, longer each time, up to two seconds: a loop that simply
    repeats what failed is paced.
    """

    def __init__(self, address: Address, scripts: Sequence[Script] = (), seat: Seat | None = None) -> None:
        """To a server; with a `seat`, to whichever node of a cluster serves that: `address` is then the last it was."""
        self.address = address
        self._scripts = scripts
        self._seat = seat
        self.process = ""
        """The id of the server process that was signed on to last: another one may hold older state."""
        self.incarnation = 0
        """How often that was another one than before."""
        self._client_id = 0
        self._wire: Wire | None = None
        self._dialling = asyncio.Lock()
        self._failures = 0
        self._failed_at = 0.0
        self._closed = False

    def sibling(self) -> Connection:
        """Another connection to the same server, without scripts: for blocking reads."""
        return Connection(self.address, seat=self._seat)

    async def ask(self, *command: Argument, patience_s: float = PATIENCE_S) -> Answer:
        """The answer to one command. Raises `ServerUnavailable`, also for an error answer."""
        (answer,) = await self.exchange(pack((command,)), 1, patience_s)
        return self.checked(answer)

    async def ask_all(self, commands: Sequence[Command]) -> list[Answer]:
        """The answers to several commands, sent at once. Raises `ServerUnavailable`, also if one is an error."""
        if not commands:
            return []
        return [self.checked(answer) for answer in await self.exchange(pack(commands), len(commands))]

    async def run(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Answer:
        """The answer of one script."""
        command, met = pack([("EVALSHA", script.sha, len(keys), *keys, *args)]), self.incarnation
        (answer,) = await self.exchange(command, 1)
        if is_unknown_script(answer):
            (answer,) = await self.exchange_again(command, 1, met)
        return self.checked(answer)

    async def exchange(self, data: bytes, answers: int, patience_s: float = PATIENCE_S) -> list[Answer]:
        """The raw answers to packed commands, error answers as values.

        Raises:
            ServerUnavailable: Without an answer; then what was asked may have been done or not.
        """
        wire, met = self._wire, self.incarnation
        if wire is None or not wire.is_open:
            wire = await self._connected()
            self._must_be(met)
        return await wire.send(data, answers, patience_s)

    async def exchange_again(self, data: bytes, answers: int, met: int) -> list[Answer]:
        """The same for calls that met a server without the scripts, in the incarnation `met`: it is given them first.

        Another server process is not sent what was made for the one before.
        """
        await self.load_scripts()
        self._must_be(met)
        return await self.exchange(data, answers)

    async def meet(self) -> None:
        """Be connected. What is asked from here on is meant for whoever answers now, if that is another than before."""
        if self._wire is None or not self._wire.is_open:
            await self._connected()

    def send_now(self, data: bytes, answers: int) -> asyncio.Future[list[Answer]] | None:
        """The same without waiting for anything first; None, and nothing was sent, while there is no connection."""
        wire = self._wire
        return wire.send(data, answers, PATIENCE_S) if wire is not None and wire.is_open else None

    async def wake(self, waiting: Connection) -> None:
        """Let what another connection waits for on the same server be answered now, as if its time were over."""
        if waiting.process == self.process:
            await self.ask("CLIENT", "UNBLOCK", waiting._client_id)

    async def load_scripts(self) -> None:
        """Give the server the scripts again, after it forgot them."""
        await self.ask_all([("SCRIPT", "LOAD", script.body) for script in self._scripts])

    def checked(self, answer: Answer) -> Answer:
        """The answer, unless it is an error: then `ServerUnavailable` is raised."""
        if isinstance(answer, hiredis.ReplyError):
            wrong = refused(self.address, answer)
            if self._seat is not None and is_elsewhere(answer):
                self._leave(wrong)
            raise wrong
        return answer

    async def aclose(self) -> None:
        """Close it for good; what waits for an answer fails."""
        self._closed = True
        if self._wire is not None:
            self._wire.drop(lost(self.address, "closed by this process"))

    async def _connected(self) -> Wire:
        async with self._dialling:
            if self._closed:
                raise lost(self.address, "closed by this process")
            if self._wire is not None and self._wire.is_open:
                return self._wire
            await self._wait_turn()
            try:
                self._wire = await self._dial()
            except ServerUnavailable:
                self._failures, self._failed_at = self._failures + 1, monotonic()
                raise
            self._failures = 0
            return self._wire

    async def _wait_turn(self) -> None:
        if self._failures:
            pause = min(_FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE_S)
            await asyncio.sleep(max(0.0, pause - (monotonic() - self._failed_at)))

    def _leave(self, why: ServerUnavailable) -> None:
        """Connect to another node next time: this one does not serve what it is asked for."""
        if self._wire is not None:
            self._wire.drop(why)
        self._failures, self._failed_at = self._failures + 1, monotonic()

    async def _dial(self) -> Wire:
        if self._seat is not None:
            self.address = await self._seat.topology.node(self._seat.slot)
        try:
            async with asyncio.timeout(_CONNECT_S):
                wire = await dial(self.address)
        except (OSError, TimeoutError) as why:
            raise unreachable(self.address, why) from why
        try:
            await self._sign_on(wire)
        except BaseException:
            wire.drop(lost(self.address, "it could not be signed on to"))
            raise
        return wire

    async def _sign_on(self, wire: Wire) -> None:
        loads = [("SCRIPT", "LOAD", script.body) for script in self._scripts]
        commands: list[Command] = [*self.address.sign_on, *loads, ("CLIENT", "ID"), ("INFO", "server")]
        answers = await wire.send(pack(commands), len(commands), _CONNECT_S)
        *_, self._client_id, info = [self.checked(answer) for answer in answers]
        process = process_of(info)
        self.incarnation += self.process not in ("", process)
        self.process = process

    def _must_be(self, met: int) -> None:
        """Raise where the server is another process than when a request was made: it may hold older state."""
        if self.incarnation != met:
            raise replaced(self.address)


def is_unknown_script(answer: Answer) -> bool:
    """Whether a server does not know a script: it was told to forget it, or is another server by now."""
    return isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOSCRIPT")
