"""The connection: shared, cancelled, lost, refused, made again."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.address import read_address
from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.packing import pack
from pointsman.adapters.redis.scripts import script
from pointsman.base.errors import ServerUnavailable
from pointsman.embedded.redis import EmbeddedRedis
from tests.adapters.impostors import serving
from tests.support.waiting import eventually

CLOSED_PORT = "redis://127.0.0.1:1/0"


async def connected(url: str, *names: str) -> Connection:
    connection = Connection(read_address(url), [script(name) for name in names])
    await connection.ask("PING")
    return connection


def code_of(caught: pytest.ExceptionInfo[ServerUnavailable]) -> tuple[str, bool]:
    return caught.value.code, caught.value.retryable


async def test_many_tasks_share_a_connection_and_each_has_its_own_answer(redis_db: str) -> None:
    # Given one connection
    connection = await connected(redis_db)
    # When many tasks ask at once, one command each or several
    echoes = [connection.ask("ECHO", str(number)) for number in range(100)]
    batches = [connection.ask_all([("ECHO", f"{number}a"), ("ECHO", f"{number}b")]) for number in range(100)]
    answers, pairs = await asyncio.gather(asyncio.gather(*echoes), asyncio.gather(*batches))
    # Then nobody has another's answer
    assert answers == [b"%d" % number for number in range(100)]
    assert pairs == [[b"%da" % number, b"%db" % number] for number in range(100)]
    assert await connection.ask_all([]) == []
    await connection.aclose()


async def test_a_cancelled_caller_leaves_no_answer_for_the_next(redis_db: str, operator: Redis) -> None:
    # Given a caller that is cancelled while Redis makes it wait
    connection = await connected(redis_db)
    waiting = asyncio.create_task(connection.ask("BLPOP", "nothing", "0.05"))
    await eventually(lambda: _is_waiting(operator))
    waiting.cancel()
    # When others ask
    answers = [await connection.ask("ECHO", "mine"), await connection.ask("ECHO", "mine too")]
    # Then they have their own answers, on the same connection
    assert answers == [b"mine", b"mine too"]
    await connection.aclose()


async def _is_waiting(operator: Redis) -> bool:
    return bool((await operator.info("clients"))["blocked_clients"])


async def test_an_error_answer_fails_its_caller_only(redis_db: str) -> None:
    # Given a connection on which one caller makes a mistake
    connection = await connected(redis_db)
    mistake = asyncio.create_task(connection.ask("NO-SUCH-COMMAND"))
    fine = asyncio.create_task(connection.ask("ECHO", "fine"))
    # Then only that one hears of it
    with pytest.raises(ServerUnavailable, match=r"SRV011 Redis at .* an error nobody expects: ERR unknown command"):
        await mistake
    assert await fine == b"fine"
    await connection.aclose()


async def test_a_server_that_forgot_the_scripts_is_given_them_again(redis_db: str, operator: Redis) -> None:
    # Given a server whose scripts were flushed
    connection = await connected(redis_db, "load_run")
    await operator.script_flush()
    # When a script is run
    answer = await connection.run(script("load_run"), ["run:x", "tokens:x", "joins:x", "context:x", "frames:x"], [])
    # Then it answers
    assert answer == [b"missing"]
    await connection.aclose()


async def test_a_killed_server_fails_what_waits_and_is_found_again(server: EmbeddedRedis) -> None:
    # Given a caller that waits for an answer
    connection = await connected(server.url)
    waiting = asyncio.create_task(connection.ask("BLPOP", "nothing", 0))
    operator = Redis.from_url(server.url)
    await eventually(lambda: _is_waiting(operator))
    await operator.aclose()
    # When the server dies
    await asyncio.to_thread(server.kill)
    # Then the caller hears that the outcome is not known, and the next that nothing was sent
    with pytest.raises(ServerUnavailable) as lost:
        await waiting
    with pytest.raises(ServerUnavailable) as refused:
        await connection.ask("PING")
    assert (code_of(lost), code_of(refused)) == (("SRV002", True), ("SRV001", True))
    # And once it is back, the same connection works again
    await asyncio.to_thread(server.start)
    assert await eventually(lambda: connection.ask("PING")) == b"PONG"
    await connection.aclose()


async def test_a_server_that_hangs_is_given_up(redis_db: str) -> None:
    # Given a server that does not answer
    connection = await connected(redis_db)
    # When the caller's patience ends
    with pytest.raises(ServerUnavailable) as caught:
        await connection.ask("BLPOP", "nothing", "0.1", patience_s=0.02)
    # Then it is told so, and a later call has a connection of its own
    assert code_of(caught) == ("SRV010", True)
    assert await connection.ask("ECHO", "mine") == b"mine"
    await connection.aclose()


async def test_a_port_where_nothing_listens_is_named_in_one_line() -> None:
    # Given an address without a server
    connection = Connection(read_address(CLOSED_PORT))
    # When something is asked
    with pytest.raises(ServerUnavailable) as caught:
        await connection.ask("PING")
    # Then the message says where and what to do
    assert code_of(caught) == ("SRV001", True)
    assert "127.0.0.1:1 cannot be reached" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_host_that_no_one_knows_is_named(tmp_path: Path) -> None:
    # Given a socket that is not there
    connection = Connection(read_address(f"unix://{tmp_path}/none.sock"))
    # When something is asked
    with pytest.raises(ServerUnavailable, match=r"SRV001 Redis at unix socket .*none.sock cannot be reached"):
        await connection.ask("PING")


@pytest.mark.parametrize("password", ["", ":wrong@"])
async def test_a_wrong_or_missing_password_is_told_apart_from_a_dead_server(
    server: EmbeddedRedis, password: str
) -> None:
    # Given a server with a password
    connection = Connection(read_address(f"redis://{password}127.0.0.1:{server.port}/0"))
    # When it is used without, or with a wrong one
    with pytest.raises(ServerUnavailable) as caught:
        await connection.ask("PING")
    # Then waiting would not help, and the message shows no password
    assert code_of(caught) == ("SRV003", False)
    assert "wrong@" not in str(caught.value)


async def test_what_is_not_redis_is_told_to_be_something_else() -> None:
    # Given a server that speaks HTTP
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with serving(answer) as port:
        # When it is taken for Redis
        with pytest.raises(ServerUnavailable) as caught:
            await Connection(read_address(f"redis://127.0.0.1:{port}/0")).ask("PING")
    # Then that is said
    assert code_of(caught) == ("SRV004", False)


async def test_a_closed_connection_stays_closed(redis_db: str) -> None:
    # Given a connection that was closed while somebody waited
    connection = await connected(redis_db)
    waiting = asyncio.create_task(connection.ask("BLPOP", "nothing", "0.1"))
    await asyncio.sleep(0)
    await connection.aclose()
    # Then who waited and who comes later are told
    for call in (waiting, connection.ask("PING")):
        with pytest.raises(ServerUnavailable, match="closed by this process"):
            await call


async def test_a_database_a_user_and_a_socket_can_be_named(server: EmbeddedRedis) -> None:
    # Given a user of its own, and another database
    admin = await connected(server.url)
    await admin.ask("ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all")
    # When they are named in the URL
    connection = await connected(f"redis://ann:secret@127.0.0.1:{server.port}/3")
    # Then they are used
    assert await connection.ask("ACL", "WHOAMI") == b"ann"
    assert b" db=3 " in await connection.ask("CLIENT", "INFO")
    assert b" name=pointsman " in await connection.ask("CLIENT", "INFO")
    # And what the user may not do is said
    await admin.ask("ACL", "SETUSER", "ann", "-set")
    with pytest.raises(ServerUnavailable) as caught:
        await connection.ask("SET", "x", "1")
    assert code_of(caught) == ("SRV003", False)
    await connection.aclose()
    await admin.aclose()


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine that is its own authority, and a server's side of TLS with it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    named = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *made, *named], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_tls_checks_the_certificate_of_the_server(server: EmbeddedRedis, tmp_path: Path) -> None:
    # Given a server behind TLS whose certificate is its own authority
    certificate, context = self_signed(tmp_path)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                target.write(data)
            target.close()
            await target.wait_closed()

        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async with serving(relay, context) as port:
        url = f"rediss://:{server.directory.password()}@127.0.0.1:{port}/0"
        # When it is trusted, not trusted, or not asked for
        trusting = await connected(f"{url}?ssl_ca_certs={certificate}")
        careless = await connected(f"{url}?ssl_cert_reqs=none")
        with pytest.raises(ServerUnavailable) as caught:
            await connected(url)
        # Then only the second is refused
        assert code_of(caught)[0] == "SRV001"
        assert "certificate" in str(caught.value).lower()
        assert [await connection.ask("PING") for connection in (trusting, careless)] == [b"PONG", b"PONG"]
        await trusting.aclose()
        await careless.aclose()


async def test_who_has_met_the_next_server_process_is_answered_by_it_at_once(tmp_path: Path) -> None:
    # Given a connection whose server was started again
    with EmbeddedRedis(tmp_path) as server:
        connection = Connection(read_address(server.url))
        await connection.ask("SET", "x", "1")
        server.restart()

        async def met() -> bool:
            await connection.meet()
            return connection.incarnation == 1

        # When it has met the new one, once the end of the old one is noticed
        assert await eventually(met)
        # Then the first thing that it asks is done
        assert await connection.ask("SET", "x", "2") == b"OK"
        await connection.aclose()


async def test_what_was_made_for_one_server_process_is_not_sent_to_the_next(tmp_path: Path) -> None:
    # Given a request made while a server was there, and the server killed
    with EmbeddedRedis(tmp_path) as server:
        connection = Connection(read_address(server.url), [script("put_plan")])
        await connection.ask("SET", "x", "1")
        before = connection.process
        server.kill()
        server.start()

        async def refusal() -> bool:
            with pytest.raises(ServerUnavailable) as refused:
                await connection.ask("SET", "x", "2")
            return refused.value.code == "SRV015"

        # When it is sent to the one that was started in its place, once the end of the old one is noticed
        assert await eventually(refusal)
        # Then that has not seen it, and whoever asks anew is answered
        assert await connection.ask("GET", "x") == b"1"
        assert (connection.incarnation, connection.process != before) == (1, True)
        # And neither does it see a script that the one before did not know
        with pytest.raises(ServerUnavailable) as caught:
            await connection.exchange_again(pack([("SET", "x", "3")]), 1, met=0)
        assert (caught.value.code, await connection.ask("GET", "x")) == ("SRV015", b"1")
        await connection.aclose()
