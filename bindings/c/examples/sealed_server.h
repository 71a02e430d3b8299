/* A server of nen over HTTP: the session endpoints, and routes whose handlers see opened JSON and answer with
 * JSON that is sealed. */

#ifndef SEALED_SERVER_H
#define SEALED_SERVER_H

#include <jansson.h>
#include <nen.h>

typedef struct sealed_server sealed_server;

/* What a handler is given; it lives as long as the call. */
typedef struct {
  const char *target;           /* percent-encoded, as it travelled and was signed */
  const nen_exchange *exchange; /* NULL if the path is not protected */
  json_t *body;                 /* opened; NULL if there is none */
} sealed_request;

/* Chunks that are sealed and sent one by one, as they are made. */
typedef struct {
  /* Waits for the next chunk, whose bytes stay until the next call. At the end it leaves `chunk` alone.
   * Anything but NEN_OK cuts the stream, which the client notices. */
  int32_t (*next)(void *context, nen_str *chunk);
  /* Called once, whatever became of the stream. */
  void (*free)(void *context);
  void *context;
} sealed_stream;

/* What a handler answers: JSON, which is used up, or, if the path is protected, a stream. */
typedef struct {
  uint16_t status; /* 200 unless it is set */
  json_t *json;
  sealed_stream stream;
  const char *why; /* of sealed_failure() */
} sealed_answer;

/* Called from any thread. Anything but NEN_OK is answered with this code. */
typedef int32_t sealed_handler(const sealed_request *request, sealed_answer *answer);

/* A failure of the handler's own: `why` is for the log, the client learns that there was one. */
int32_t sealed_failure(sealed_answer *answer, const char *why);

typedef struct {
  const char *methods; /* "GET POST"; NULL for any */
  const char *path;    /* percent-encoded; one that ends in a slash stands for what is below it */
  sealed_handler *handler;
} sealed_route;

/* Listens on this port of 127.0.0.1, 0 for any. What is below `protected_prefix`, a path that ends in a
 * slash, is answered to a session alone. Where their path is NULL, the routes end. All arguments must live
 * longer than the server. NULL if it cannot start, which it logs. */
sealed_server *sealed_server_start(uint16_t port, nen_store *store, const char *protected_prefix,
                                   const sealed_route *routes);
uint16_t sealed_server_port(const sealed_server *server);
/* Cuts the answers that are under way, and waits for the handlers and streams behind them. */
void sealed_server_stop(sealed_server *server);

#endif
