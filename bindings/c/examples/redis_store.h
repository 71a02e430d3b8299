/* Sessions and nonces in Redis, in the layout that servers in every language share. */

#ifndef REDIS_STORE_H
#define REDIS_STORE_H

#include <nen.h>

/* A store at redis://[[user]:password@]host[:port][/database]. It connects as it is used, one connection to
 * each request at a time, and again after Redis was away; until then what needs it fails with 9001. To be
 * freed with nen_store_free(). */
int32_t redis_store_new(const char *url, nen_store **out);

#endif
