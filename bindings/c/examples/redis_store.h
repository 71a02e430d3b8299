/* Sessions and nonces in Redis, in the layout that servers in every language share. */

#ifndef REDIS_STORE_H
#define REDIS_STORE_H

#include <nen.h>

/* A store at redis://[[user]:password@]host[:port][/database]; with a query or a fragment the URL is refused.
 * It connects as it is used, one connection to each request at a time, and again after Redis was away; until
 * then what needs it fails with 9001. To be freed with nen_store_free().
 *
 * `keys` is the list of nen_store_keys_new(), whose keys seal the records; `openssl rand -base64 32` makes
 * one. Every server of the Redis needs the same: where one cannot open a record, that is 9001. A key is
 * replaced in three steps, each on all servers before the next: the new one last, then first, and alone after
 * a session's life. "plain" stands for records in the clear, and as the old key it turns sealing on.
 *
 * What Redis acknowledged it must keep:
 * - it evicts nothing (maxmemory-policy noeviction). One that is full then fails, and forgets no nonce, which
 *   would let a recorded request in again.
 * - a restart or a fail-over loses nothing: appendfsync always, and no replica that lags behind takes over.
 *
 * A record in the clear holds both keys of a session, and redis:// is not encrypted: seal them, and keep
 * Redis on the same host, or behind a tunnel. hiredis keeps copies of records in its buffers, which it does
 * not wipe. */
int32_t redis_store_new(const char *url, const char *keys, nen_store **out);

#endif
