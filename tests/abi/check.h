/* What the tests of the C ABI have in common: checks that end the program where they fail, and a client and a
 * server in one process. */

#ifndef NEN_TESTS_CHECK_H
#define NEN_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nen.h"

/* The time at which a test plays, in Unix milliseconds. */
#define NOW UINT64_C(1763750000000)

/* A literal as the two arguments of an input. */
#define TEXT(literal) (literal), sizeof(literal) - 1
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1
/* A buffer as the two arguments of an input. */
#define CONTENT(buffer) (buffer).data, (buffer).len
#define NOTHING NULL, 0

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
#define OK(call) returns(NEN_OK, (call), #call, __FILE__, __LINE__)
#define FAILS(code, call) returns((code), (call), #call, __FILE__, __LINE__)

static inline void check(int holds, const char *what, const char *file, int line) {
  if (!holds) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    exit(1);
  }
}

static inline void returns(int32_t expected, int32_t code, const char *what, const char *file, int line) {
  if (code != expected) {
    fprintf(stderr, "%s:%d: %s\n  returned %d (%s), expected %d\n", file, line, what, (int)code,
            nen_last_detail(), (int)expected);
    exit(1);
  }
}

static inline int is(nen_buffer buffer, const char *text) {
  return buffer.len == strlen(text) && memcmp(buffer.data, text, buffer.len) == 0;
}

static inline int contains(nen_buffer buffer, const char *text) {
  size_t length = strlen(text);
  for (size_t i = 0; i + length <= buffer.len; i++) {
    if (memcmp(buffer.data + i, text, length) == 0) {
      return 1;
    }
  }
  return 0;
}

static inline nen_str str(const char *text) {
  nen_str lent = {text, strlen(text)};
  return lent;
}

/* A client's headers as its server receives them. */
static inline nen_request_headers received(const nen_signed_headers *headers) {
  nen_request_headers lent = {str(headers->session), str(headers->timestamp), str(headers->nonce),
                              str(headers->signature)};
  return lent;
}

typedef struct {
  nen_client *client;
  nen_server *server;
  nen_store *store;
} world;

/* A handshake between the two; the code with which it is refused, if it is. */
static inline int32_t shake_hands(const world *world, uint64_t now) {
  nen_handshake *handshake;
  nen_buffer request, answer = {0};
  uint16_t status;
  OK(nen_client_handshake(world->client, &handshake, &request));
  int32_t code = nen_server_respond(world->server, world->store, NEN_ROUTE_HANDSHAKE, NULL, TEXT("POST"),
                                    TEXT("/api/nen/handshake"), CONTENT(request), now, &status, &answer);
  if (code == NEN_OK) {
    code = nen_client_establish(world->client, handshake, status, CONTENT(answer), now);
  }
  nen_buffer_free(&request);
  nen_buffer_free(&answer);
  nen_handshake_free(handshake);
  return code;
}

static inline world new_world(const nen_client_options *client, const nen_server_options *server) {
  world made;
  OK(nen_client_new(client, &made.client));
  OK(nen_server_new(server, &made.server));
  OK(nen_store_memory_new(0, 0, 0, &made.store));
  return made;
}

static inline world connected_world(void) {
  world made = new_world(NULL, NULL);
  OK(shake_hands(&made, NOW));
  return made;
}

static inline void free_world(world *world) {
  nen_client_free(world->client);
  nen_server_free(world->server);
  nen_store_free(world->store);
}

/* A request of the client's, sealed and ready to be lent to the server. */
typedef struct {
  nen_call *call;
  nen_signed_headers headers;
  nen_buffer body;
} request;

static inline request new_request(const world *world, const char *method, const char *target,
                                  const char *json) {
  request made;
  OK(nen_call_new(method, strlen(method), target, strlen(target), &made.call));
  OK(nen_call_seal(made.call, world->client, (const uint8_t *)json, json ? strlen(json) : 0, NOW,
                   &made.headers, &made.body));
  return made;
}

static inline void free_request(request *request) {
  nen_call_free(request->call);
  nen_buffer_free(&request->body);
}

static inline int32_t admit(const world *world, const request *request, const char *method,
                            const char *target, uint64_t now, nen_exchange **exchange) {
  nen_request_headers headers = received(&request->headers);
  return nen_server_admit(world->server, world->store, &headers, method, strlen(method), target,
                          strlen(target), now, exchange);
}

#endif
