/* Sessions and nonces in Redis, in the layout that servers in every language share. */

#ifndef REDIS_STORE_H
#define REDIS_STORE_H

#include <nen.h>

/* A store at redis://[[user]:password@]host[:port][/database]; with a query or a fragment the URL is refused.
 * It connects as it is used, one connection to each request at a time, and again after Redis was away; until
 * then what needs it fails with 9001. To be freed with nen_store_free().
 *
 * What Redis acknowledged it must keep:
 * - it evicts nothing (maxmemory-policy noeviction). One that is full then fails, and forgets no nonce, which
 *   would let a recorded request in again.
 * - a restart or a fail-over loses nothing: appendfsync always, and no replica that lags behind takes over.
 *
 * Records hold both keys of a session in the clear, and redis:// is not encrypted: keep Redis on the same
 * host, or behind a tunnel. hiredis keeps copies of records in its buffers, which it does not wipe. */
int32_t redis_store_new(const char *url, nen_store **out);

#endif
