"""Sessions and used nonces in Redis."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, TypeAlias, cast

from nen._commands import AsyncCommands, SyncCommands

if TYPE_CHECKING:
    import redis
    import redis.asyncio
    from typing_extensions import Self

    _Client: TypeAlias = (
        redis.Redis | redis.asyncio.Redis | redis.cluster.RedisCluster | redis.asyncio.cluster.RedisCluster
    )


class RedisSessionStore(SyncCommands):
    """Keeps sessions and used nonces in Redis 6.2 or later, where several servers, of any language, share them.

    ``client`` is a ``redis.Redis`` or ``redis.asyncio.Redis``, or a ``RedisCluster`` of either kind, however it decodes
    responses. It stays yours to close. The methods of the store are coroutine functions if those of the client are.

    Without the option ``store_keys``, whoever can read the Redis can read what is sealed: protect it as you protect the
    servers. Let it evict nothing (``maxmemory-policy noeviction``): a nonce that is evicted lets a recorded request in
    again. Asynchronous replication has the same effect for what was not copied when a replica takes over. Do not read
    from replicas.

    :raises TypeError: if ``client`` is no client of Redis.
    """

    def __new__(cls, client: _Client) -> Self:
        """Choose the class for the client."""
        execute = getattr(client, "execute_command", None)
        if not callable(execute):
            msg = f"a RedisSessionStore needs a redis.Redis or redis.asyncio.Redis, not {type(client).__name__}"
            raise TypeError(msg)
        chosen = _AsyncRedisSessionStore if inspect.iscoroutinefunction(execute) else RedisSessionStore
        return cast("Self", super().__new__(chosen if cls is RedisSessionStore else cls))

    def __init__(self, client: _Client) -> None:
        self._execute = client.execute_command  # type: ignore[method-assign]


class _AsyncRedisSessionStore(AsyncCommands, RedisSessionStore):
    pass
