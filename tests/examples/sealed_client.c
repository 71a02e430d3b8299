/* The client of bindings/c/examples, where only its transport could tell: over a transport of the test's own.
 */

#include "sealed_client.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define THREADS 8

struct http {
  world world;               /* of which the client is not used */
  int broken;                /* no handshake comes through */
  pthread_barrier_t refused; /* where requests without a session meet */
  unsigned handshakes;
};

static uint64_t now_ms(void) {
  return (uint64_t)time(NULL) * 1000;
}

static void give(http_answer *answer, uint16_t status, nen_buffer body) {
  answer->status = status;
  answer->body = malloc(body.len);
  answer->body_len = body.len;
  memcpy(answer->body, body.data, body.len);
  nen_buffer_free(&body);
}

static int handshake(http *http, const http_request *request, http_answer *answer) {
  uint16_t status;
  nen_buffer body;
  http->handshakes++;
  if (http->broken) {
    usleep(500000); /* time for the others to come and wait */
    return -1;
  }
  OK(nen_server_respond(http->world.server, http->world.store, NEN_ROUTE_HANDSHAKE, NULL, TEXT("POST"),
                        TEXT("/api/nen/handshake"), request->body, request->body_len, now_ms(), &status,
                        &body));
  give(answer, status, body);
  return 0;
}

/* A stream of one chunk, after which the transport goes on and on. */
static int stream(const nen_exchange *exchange, http_reader *reader, void *context, http_answer *answer) {
  nen_stream_sealer *sealer;
  nen_buffer chunk, end;
  char nonce[NEN_NONCE_TEXT_SIZE];
  OK(nen_exchange_stream(exchange, &sealer));
  OK(nen_stream_sealer_nonce_header(sealer, nonce, sizeof nonce));
  OK(nen_stream_sealer_seal(sealer, BYTES("one"), &chunk));
  OK(nen_stream_sealer_finish(sealer, &end));
  nen_stream_sealer_free(sealer);
  answer->status = 200;
  answer->stream_nonce = strdup(nonce);
  CHECK(reader(context, answer, CONTENT(chunk)) == 0);
  CHECK(reader(context, answer, CONTENT(end)) != 0);
  nen_buffer_free(&chunk);
  nen_buffer_free(&end);
  return -1;
}

int http_send(http *http, const http_request *request, http_reader *reader, void *context,
              http_answer *answer) {
  *answer = (http_answer){0};
  if (strcmp(request->target, "/api/nen/handshake") == 0) {
    return handshake(http, request, answer);
  }
  nen_header headers[8];
  size_t count = 0;
  for (const http_header *header = request->headers; header->name != NULL; header++) {
    headers[count++] = (nen_header){str(header->name), str(header->value)};
  }
  nen_request_headers picked;
  nen_exchange *exchange;
  uint16_t status = 200;
  nen_buffer body;
  OK(nen_request_headers_pick(headers, count, &picked));
  int32_t code = nen_server_admit(http->world.server, http->world.store, &picked, request->method,
                                  strlen(request->method), request->target, strlen(request->target), now_ms(),
                                  &exchange);
  if (code != NEN_OK) {
    OK(nen_error_answer(code, &status, &body));
    give(answer, status, body);
    pthread_barrier_wait(&http->refused);
    return 0;
  }
  int failed = 0;
  if (reader != NULL) {
    failed = stream(exchange, reader, context, answer);
  } else {
    OK(nen_exchange_seal(exchange, 200, BYTES("1"), &status, &body));
    give(answer, status, body);
  }
  nen_exchange_free(exchange);
  return failed;
}

void http_answer_free(http_answer *answer) {
  free(answer->stream_nonce);
  free(answer->body);
}

static int32_t take(void *count, nen_buffer chunk) {
  CHECK(is(chunk, "one"));
  ++*(int *)count;
  return NEN_OK;
}

static void *ask(void *client) {
  uint16_t status;
  nen_buffer opened = {0};
  FAILS(NEN_ISO_HANDSHAKE_NETWORK, sealed_client_request(client, "GET", "/", NULL, &status, &opened));
  return NULL;
}

int main(void) {
  http http = {.world = new_world(NULL, NULL)};
  sealed_client *client;
  char id[NEN_SESSION_ID_SIZE];
  uint16_t status;
  nen_buffer opened;
  int chunks = 0;
  OK(sealed_client_new(&http, NULL, &client));

  /* The first call shakes hands, or fails if that does. */
  http.broken = 1;
  FAILS(NEN_ISO_HANDSHAKE_NETWORK, sealed_client_request(client, "GET", "/", NULL, &status, &opened));
  FAILS(NEN_ISO_HANDSHAKE_NETWORK, sealed_client_stream(client, "GET", "/stream", NULL, take, &chunks));
  http.broken = 0;
  http.handshakes = 0;
  OK(sealed_client_stream(client, "GET", "/stream", NULL, take, &chunks));
  OK(sealed_client_stream(client, "GET", "/stream", NULL, take, &chunks));
  CHECK(http.handshakes == 1 && chunks == 2);

  /* All of them find the session gone; one handshake fails for all. */
  pthread_t threads[THREADS];
  pthread_barrier_init(&http.refused, NULL, THREADS);
  OK(sealed_client_session_id(client, id));
  OK(nen_store_remove(http.world.store, id, strlen(id)));
  http.broken = 1;
  http.handshakes = 0;
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, ask, client) == 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  CHECK(http.handshakes == 1);
  pthread_barrier_destroy(&http.refused);

  /* Who comes later tries again. */
  http.broken = 0;
  pthread_barrier_init(&http.refused, NULL, 1);
  OK(sealed_client_request(client, "GET", "/", NULL, &status, &opened));
  CHECK(status == 200 && is(opened, "1") && http.handshakes == 2);
  pthread_barrier_destroy(&http.refused);

  nen_buffer_free(&opened);
  sealed_client_free(client);
  free_world(&http.world);
}
