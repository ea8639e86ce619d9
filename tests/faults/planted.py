"""A role with a planted password, the URLs that lead to it, and those that fail, each for its own reason."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import quote

from servers import PostgresDatabase
from with_postgres import free_port

FACES = ("asyncpg", "psycopg", "sync")
SCHEMES = {"asyncpg": "postgresql+asyncpg", "psycopg": "postgresql+psycopg", "sync": "postgresql+psycopg"}


class Planted(NamedTuple):
    """A role whose password holds `word` in each of its pieces, and where it can connect."""

    word: str
    role: str
    password: str
    host: str
    port: int
    database: PostgresDatabase

    @property
    def login(self) -> str:
        return f"{self.role}:{quote(self.password, safe='')}"

    def url(self, face: str, **parts: Any) -> str:
        """The right URL, or one with something else in it."""
        named = {"scheme": SCHEMES[face], "login": self.login, "host": self.host, "port": self.port}
        named |= {"name": self.database.name, "query": ""} | parts
        return "{scheme}://{login}@{host}:{port}/{name}{query}".format(**named)


@contextmanager
def listener(answer: bytes | None) -> Iterator[int]:
    """A port that takes connections and says this, or (None) nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    kept.append(client)
                    if answer is not None:
                        client.sendall(answer)
                        client.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for client in kept:
                client.close()


def wrong_urls(planted: Planted, face: str) -> dict[str, str]:
    """URLs that do not lead to the database, each for another reason."""
    raw = f"{planted.role}:{planted.password}"
    scheme = SCHEMES[face]
    place = f"{planted.host}:{planted.port}/{planted.database.name}"
    return {
        "wrong host": planted.url(face, host="no-such-host.invalid"),
        "wrong port": planted.url(face, port=free_port()),
        "wrong password": planted.url(face, login=planted.login + planted.word),
        "wrong user": planted.url(face, login=f"nobody:{planted.login.partition(':')[2]}"),
        "wrong database": planted.url(face, name="no_such_database"),
        "a port that is none": planted.url(face, port="port"),
        "a port out of range": planted.url(face, port=99999),
        "a bracket that is not closed": planted.url(face, host="[::1"),
        "a setting that is none": planted.url(face, query=f"?no_such_setting={planted.word}"),
        "a ssl mode that is none": planted.url(face, query="?sslmode=bogus"),
        "password as a setting": f"{scheme}://{place}x?user={planted.role}&password={quote(planted.password)}",
        "password not encoded": f"{scheme}://{raw}@{place}",
        "password not encoded, wrong port": f"{scheme}://{raw}@{planted.host}:port/x",
        "percent sign alone": f"{scheme}://{planted.role}:%{planted.word}%zz@{place}",
        "no scheme": f"{raw}@{place}",
        "a scheme that is none": f"postgrsql://{raw}@{place}",
        "a driver that is none": f"postgresql+pg8000://{raw}@{place}",
        "password in the scheme's place": f"{planted.word}://{place}",
        "one slash": f"{scheme}:/{raw}@{place}",
        "key words": f"host={planted.host} user={planted.role} password={planted.password}",
        "several hosts": planted.url(face, host=f"127.0.0.1:1,{planted.host}", name="no_such_database"),
        "user without password": f"{scheme}://{planted.word}@{planted.host}:{free_port()}/x",
        "sqlite with a login": f"sqlite://{raw}@{place}",
        "sqlite with settings": f"sqlite:///x.db?password={planted.word}",
    }


# What stands where no password can be told from the rest is not a password: the user's name, and
# settings by a name of their own, may be named.
NO_SECRET = frozenset({"a setting that is none", "user without password", "password in the scheme's place"})
