/* What a caller can do wrong gets a code back and leaves outputs alone: wrong pointers, sizes and values,
 * handles that are used up, handles on two threads. That every function refuses NULL for everything is tested
 * in every_function.c, which `run` writes from the header. */

#include <pthread.h>
#include <sched.h>

#include "check.h"

/* An output that was not written. */
#define UNTOUCHED 0x5a

static void outputs_are_required(void) {
  world world = connected_world();
  request request = new_request(&world, "POST", "/", "1");
  nen_request_headers headers = received(&request.headers);
  nen_handshake *handshake;
  nen_identity *identity;
  nen_session *session;
  nen_exchange *exchange;
  nen_stream_sealer *sealer;
  nen_stream_opener *opener;
  nen_buffer body;
  uint16_t status;
  int32_t number;
  uint8_t nonce[NEN_NONCE_SIZE] = {0};
  char nonce_header[NEN_NONCE_TEXT_SIZE];
  OK(nen_identity_generate(&identity));
  OK(nen_client_session(world.client, &session));
  OK(admit(&world, &request, "POST", "/", NOW, &exchange));
  OK(nen_exchange_stream(exchange, &sealer));
  OK(nen_stream_sealer_nonce_header(sealer, nonce_header, sizeof nonce_header));
  OK(nen_stream_opener_new(session, nonce_header, strlen(nonce_header), 10, &opener));

  FAILS(NEN_ERR_NULL, nen_error_answer(3002, NULL, &body));
  FAILS(NEN_ERR_NULL, nen_error_answer(3002, &status, NULL));
  FAILS(NEN_ERR_NULL, nen_identity_to_pkcs8(identity, NULL));
  FAILS(NEN_ERR_NULL, nen_identity_public_key(identity, NULL));
  FAILS(NEN_ERR_NULL, nen_client_new(NULL, NULL));
  FAILS(NEN_ERR_NULL, nen_client_handshake(world.client, NULL, &body));
  FAILS(NEN_ERR_NULL, nen_client_handshake(world.client, &handshake, NULL));
  FAILS(NEN_ERR_NULL, nen_client_handshake(NULL, &handshake, &body));
  FAILS(NEN_ERR_NULL, nen_client_session(world.client, NULL));
  FAILS(NEN_ERR_NULL, nen_call_seal(request.call, world.client, NOTHING, NOW, NULL, &body));
  FAILS(NEN_ERR_NULL, nen_call_seal(request.call, world.client, NOTHING, NOW, &request.headers, NULL));
  FAILS(NEN_ERR_NULL, nen_call_seal(request.call, NULL, NOTHING, NOW, &request.headers, &body));
  FAILS(NEN_ERR_NULL, nen_call_seal(request.call, world.client, NULL, 1, NOW, &request.headers, &body));
  FAILS(NEN_ERR_NULL, nen_call_open(request.call, world.client, 200, NOTHING, NOTHING, NOW, NULL, &body));
  FAILS(NEN_ERR_NULL, nen_call_open(request.call, world.client, 200, NOTHING, NOTHING, NOW, &number, NULL));
  FAILS(NEN_ERR_NULL, nen_call_open(request.call, NULL, 200, NOTHING, NOTHING, NOW, &number, &body));
  FAILS(NEN_ERR_NULL, nen_call_open_stream(request.call, world.client, TEXT("AAAA"), NULL));
  FAILS(NEN_ERR_NULL, nen_session_id(session, NULL, 100));
  FAILS(NEN_ERR_NULL, nen_session_seal(session, nonce, sizeof nonce, NOTHING, NULL));
  FAILS(NEN_ERR_NULL, nen_session_seal(session, NULL, 12, NOTHING, &body));
  FAILS(NEN_ERR_NULL, nen_session_seal(NULL, nonce, sizeof nonce, NOTHING, &body));
  FAILS(NEN_ERR_NULL, nen_session_open(session, nonce, sizeof nonce, NULL, 100, &body));
  FAILS(NEN_ERR_NULL, nen_server_new(NULL, NULL));
  FAILS(NEN_ERR_NULL, nen_store_memory_new(0, 0, 0, NULL));
  FAILS(NEN_ERR_NULL, nen_store_set(world.store, NULL, NOW));
  FAILS(NEN_ERR_NULL, nen_store_set(NULL, session, NOW));
  FAILS(NEN_ERR_NULL, nen_server_route(world.server, TEXT("GET"), TEXT("/"), NULL));
  FAILS(NEN_ERR_NULL, nen_server_route(world.server, NULL, 3, TEXT("/"), &number));
  FAILS(NEN_ERR_NULL,
        nen_server_admit(world.server, world.store, &headers, TEXT("POST"), TEXT("/"), NOW, NULL));
  FAILS(NEN_ERR_NULL,
        nen_server_admit(world.server, NULL, &headers, TEXT("POST"), TEXT("/"), NOW, &exchange));
  FAILS(NEN_ERR_NULL, nen_server_respond(world.server, NULL, NEN_ROUTE_STATUS, &headers, TEXT("GET"),
                                         TEXT("/"), NOTHING, NOW, &status, &body));
  FAILS(NEN_ERR_NULL, nen_exchange_open(exchange, NOTHING, NULL));
  FAILS(NEN_ERR_NULL, nen_exchange_open(exchange, NULL, 1, &body));
  FAILS(NEN_ERR_NULL, nen_exchange_seal(exchange, 200, NOTHING, NULL, &body));
  FAILS(NEN_ERR_NULL, nen_exchange_seal(exchange, 200, NOTHING, &status, NULL));
  FAILS(NEN_ERR_NULL, nen_stream_sealer_seal(sealer, NOTHING, NULL));
  FAILS(NEN_ERR_NULL, nen_stream_sealer_finish(sealer, NULL));
  FAILS(NEN_ERR_NULL, nen_stream_opener_push(opener, NULL, 1));
  FAILS(NEN_ERR_NULL, nen_stream_opener_next(opener, NULL, &body));
  FAILS(NEN_ERR_NULL, nen_stream_opener_next(opener, &number, NULL));

  headers.nonce.data = NULL;
  FAILS(NEN_ERR_NULL,
        nen_server_admit(world.server, world.store, &headers, TEXT("POST"), TEXT("/"), NOW, &exchange));
  FAILS(NEN_ERR_NULL, nen_request_headers_pick(NULL, 1, &headers));

  nen_stream_opener_free(opener);
  nen_stream_sealer_free(sealer);
  nen_exchange_free(exchange);
  nen_session_free(session);
  nen_identity_free(identity);
  free_request(&request);
  free_world(&world);
}

static void sizes(void) {
  world world = connected_world();
  nen_session *session, *accepted;
  nen_handshake *handshake;
  nen_buffer out;
  nen_identity *identity;
  nen_stream_sealer *sealer;
  char id[NEN_SESSION_ID_SIZE], text[NEN_NONCE_TEXT_SIZE];
  uint8_t bytes[NEN_SERVER_DRAWS_SIZE] = {0};
  OK(nen_client_session(world.client, &session));
  OK(nen_session_id(session, id, sizeof id));
  OK(nen_stream_sealer_new(session, &sealer));
  FAILS(NEN_ERR_LENGTH, nen_session_id(session, id, sizeof id - 1));
  FAILS(NEN_ERR_LENGTH, nen_nonce_random(bytes, NEN_NONCE_SIZE - 1));
  FAILS(NEN_ERR_LENGTH, nen_stream_sealer_nonce_header(sealer, text, sizeof text - 1));
  FAILS(NEN_ERR_LENGTH, nen_session_seal(session, bytes, 11, NOTHING, &out));
  FAILS(NEN_ERR_LENGTH, nen_session_seal(session, bytes, 13, NOTHING, &out));
  FAILS(NEN_ERR_LENGTH, nen_session_open(session, bytes, 0, NOTHING, &out));
  FAILS(NEN_ERR_LENGTH, nen_session_seal(session, bytes, 12, bytes, SIZE_MAX, &out));
  FAILS(NEN_ERR_LENGTH, nen_session_sign(session, TEXT("GET"), TEXT("/"), 1, bytes, 12, bytes, 31));
  FAILS(NEN_ERR_LENGTH,
        nen_session_verify(session, TEXT("GET"), TEXT("/"), TEXT("1"), TEXT("AAAA"), bytes, 31));
  FAILS(NEN_ERR_LENGTH,
        nen_session_verify(session, TEXT("GET"), TEXT("/"), TEXT("1"), TEXT("AAAA"), bytes, 33));
  FAILS(NEN_ERR_LENGTH,
        nen_store_claim_nonce(world.store, id, strlen(id), bytes, 16, NOW, NOW, &(int32_t){0}));
  FAILS(NEN_ERR_LENGTH, nen_request_headers_pick(&(nen_header){0}, SIZE_MAX, &(nen_request_headers){0}));
  FAILS(NEN_ERR_LENGTH, nen_derandomized_handshake(bytes, NEN_CLIENT_DRAWS_SIZE - 1, NULL, &handshake, &out));
  FAILS(NEN_ERR_LENGTH, nen_derandomized_accept(world.server, bytes, NEN_SERVER_DRAWS_SIZE - 1, NOTHING, NOW,
                                                &accepted, &out));
  FAILS(3004, nen_identity_from_pkcs8(bytes, NEN_IDENTITY_PKCS8_SIZE - 1, &identity));
  FAILS(3004, nen_identity_from_pkcs8(bytes, NEN_IDENTITY_PKCS8_SIZE, &identity));
  nen_stream_sealer_free(sealer);
  nen_session_free(session);
  free_world(&world);
}

static void values(void) {
  nen_client_options *client;
  nen_server_options *options;
  nen_call *call;
  nen_lifecycle_call *lifecycle;
  nen_store_keys *keys;
  nen_server *server;
  nen_session *session;
  nen_store *store;
  nen_buffer body;
  uint16_t status;
  OK(nen_client_options_new(&client));
  OK(nen_server_options_new(&options));
  OK(nen_store_memory_new(1, 1, 1, &store));
  FAILS(NEN_ERR_OPTION, nen_store_keys_new(NOTHING, &keys));
  FAILS(NEN_ERR_OPTION, nen_store_keys_new(TEXT("plain,"), &keys));
  FAILS(NEN_ERR_OPTION, nen_store_keys_new(TEXT("cGxhaW4="), &keys));
  FAILS(NEN_ERR_UTF8, nen_store_keys_new(TEXT("\xff"), &keys));
  OK(nen_store_keys_new(TEXT("plain"), &keys));
  FAILS(NEN_ERR_VALUE, nen_store_keys_read(keys, TEXT("no id"), NOTHING, 0, &session));
  nen_store_keys_free(keys);
  FAILS(NEN_ERR_VALUE, nen_server_options_set_nonces_for_session(options, 2));
  FAILS(NEN_ERR_UTF8, nen_call_new(TEXT("G\xff"), TEXT("/"), &call));
  FAILS(NEN_ERR_UTF8, nen_call_new(TEXT("GET"), TEXT("/\xc3"), &call));
  FAILS(NEN_ERR_UTF8, nen_lifecycle_call_new(NEN_ROUTE_STATUS, TEXT("\x80"), &lifecycle));
  FAILS(NEN_ERR_UTF8, nen_server_options_set_prefix(options, TEXT("/\xed\xa0\x80")));
  FAILS(NEN_ERR_VALUE, nen_lifecycle_call_new(NEN_ROUTE_HANDSHAKE, TEXT("/"), &lifecycle));
  FAILS(NEN_ERR_VALUE, nen_client_options_set_correct_clock(client, 2));
  FAILS(NEN_ERR_VALUE, nen_server_options_set_strict(options, -1));
  FAILS(NEN_ERR_VALUE, nen_server_options_set_require_signed_lifecycle(options, INT32_MAX));
  FAILS(NEN_ERR_VALUE, nen_error_answer(0, &status, &body));
  FAILS(NEN_ERR_VALUE, nen_error_answer(3999, &status, &body));
  FAILS(NEN_ERR_VALUE, nen_error_answer(3002 + 65536, &status, &body));
  FAILS(NEN_ERR_VALUE, nen_error_answer(INT32_MIN, &status, &body));
  FAILS(NEN_ERR_VALUE, nen_store_get(store, TEXT("nobody"), NOW, &session));
  FAILS(NEN_ERR_VALUE, nen_store_remove(store, TEXT("3F2B8C1E-4D5A-4B6C-8D7E-9F0A1B2C3D4E")));
  FAILS(NEN_ERR_VALUE, nen_session_from_record(TEXT("\xff"), BYTES("{}"), 1, &session));
  OK(nen_server_new(options, &server));
  for (int32_t route = -1; route <= 6; route++) {
    if (route == NEN_ROUTE_APPLICATION || route == NEN_ROUTE_NOT_FOUND || route == -1 || route == 6) {
      FAILS(NEN_ERR_VALUE, nen_server_respond(server, store, route, NULL, TEXT("GET"), TEXT("/"), NOTHING,
                                              NOW, &status, &body));
    }
  }
  nen_server_free(server);

  OK(nen_server_options_set_prefix(options, TEXT("no/slash")));
  FAILS(NEN_ERR_OPTION, nen_server_new(options, &server));
  CHECK(strstr(nen_last_detail(), "prefix") != NULL);
  OK(nen_server_options_set_prefix(options, TEXT("/api/nen")));
  OK(nen_server_options_set_session_ttl_ms(options, 0));
  FAILS(NEN_ERR_OPTION, nen_server_new(options, &server));
  CHECK(strstr(nen_last_detail(), "session_ttl_ms") != NULL);
  OK(nen_server_options_set_session_ttl_ms(options, UINT64_MAX));
  FAILS(NEN_ERR_OPTION, nen_server_new(options, &server));
  OK(nen_server_options_set_session_ttl_ms(options, 1));
  OK(nen_server_options_set_max_body(options, 0));
  FAILS(NEN_ERR_OPTION, nen_server_new(options, &server));
  FAILS(3004, nen_server_options_allow_identity(options, BYTES("no key")));
  nen_client_options_free(client);
  nen_server_options_free(options);
  nen_store_free(store);
}

static void used_up_handles(void) {
  world world = new_world(NULL, NULL);
  nen_handshake *handshake;
  nen_session *session;
  nen_buffer hello;
  OK(nen_client_handshake(world.client, &handshake, &hello));
  FAILS(NEN_ERR_NULL, nen_handshake_finish(handshake, 200, NOTHING, NOW, NULL));
  FAILS(NEN_ERR_NULL, nen_client_establish(NULL, handshake, 200, NOTHING, NOW));
  FAILS(1004, nen_client_establish(world.client, handshake, 200, BYTES("{}"), NOW));
  FAILS(NEN_ERR_USED_UP, nen_client_establish(world.client, handshake, 200, BYTES("{}"), NOW));
  FAILS(NEN_ERR_USED_UP, nen_handshake_finish(handshake, 200, BYTES("{}"), NOW, &session));
  nen_handshake_free(handshake);
  nen_buffer_free(&hello);

  /* Nothing was established, nothing was sealed. */
  nen_call *call;
  nen_lifecycle_call *lifecycle;
  nen_signed_headers headers;
  nen_stream_opener *opener;
  nen_buffer body;
  int32_t outcome, done;
  OK(nen_call_new(TEXT("GET"), TEXT("/"), &call));
  OK(nen_lifecycle_call_new(NEN_ROUTE_STATUS, TEXT("/api/nen/status"), &lifecycle));
  FAILS(2001, nen_call_seal(call, world.client, NOTHING, NOW, &headers, &body));
  FAILS(2001, nen_call_open(call, world.client, 200, NOTHING, NOTHING, NOW, &outcome, &body));
  FAILS(2001, nen_call_open_stream(call, world.client, NOTHING, &opener));
  FAILS(2001, nen_lifecycle_call_seal(lifecycle, world.client, NOW, &headers, &body));
  FAILS(2001, nen_lifecycle_call_open(lifecycle, world.client, 200, NOTHING, NOTHING, NOW, &outcome, &done));
  OK(shake_hands(&world, NOW));
  FAILS(4003, nen_call_seal(call, world.client, BYTES("no json"), NOW, &headers, &body));
  nen_call_free(call);
  nen_lifecycle_call_free(lifecycle);

  request request = new_request(&world, "GET", "/", NULL);
  nen_request_headers lent = received(&request.headers);
  nen_request *read;
  nen_verified *verified;
  nen_exchange *exchange;
  char id[NEN_SESSION_ID_SIZE];
  uint8_t nonce[NEN_NONCE_SIZE];
  uint64_t until;
  OK(nen_request_new(&lent, TEXT("GET"), TEXT("/"), &read));
  OK(nen_request_session_id(read, id, sizeof id));
  OK(nen_store_get(world.store, id, strlen(id), NOW, &session));
  OK(nen_server_verify(world.server, read, session, NOW, &verified));
  FAILS(NEN_ERR_VALUE, nen_verified_admit(verified, 0, &exchange));
  FAILS(NEN_ERR_VALUE, nen_verified_admit(verified, 4, &exchange));
  OK(nen_verified_admit(verified, NEN_CLAIM_FRESH, &exchange));
  FAILS(NEN_ERR_USED_UP, nen_verified_admit(verified, NEN_CLAIM_FRESH, &exchange));
  FAILS(NEN_ERR_USED_UP, nen_verified_claim(verified, nonce, sizeof nonce, &until));
  nen_exchange_free(exchange);
  nen_verified_free(verified);
  nen_session_free(session);
  nen_request_free(read);
  free_request(&request);
  free_world(&world);
}

static void outputs_are_left_alone(void) {
  world world = connected_world();
  request request = new_request(&world, "GET", "/", NULL);
  nen_exchange *exchange, *before;
  nen_buffer buffer, untouched;
  uint16_t status = 7;
  memset(&before, UNTOUCHED, sizeof before);
  memset(&exchange, UNTOUCHED, sizeof exchange);
  memset(&buffer, UNTOUCHED, sizeof buffer);
  memset(&untouched, UNTOUCHED, sizeof untouched);
  FAILS(3002, admit(&world, &request, "GET", "/other", NOW, &exchange));
  CHECK(exchange == before);
  FAILS(2003, nen_server_respond(world.server, world.store, NEN_ROUTE_ROTATE, NULL, TEXT("POST"), TEXT("/"),
                                 NOTHING, NOW, &status, &buffer));
  CHECK(status == 7 && memcmp(&buffer, &untouched, sizeof buffer) == 0);
  free_request(&request);
  free_world(&world);
}

static void freeing(void) {
  world world = connected_world();
  request request = new_request(&world, "POST", "/", "{}");
  nen_buffer_free(&request.body);
  CHECK(request.body.data == NULL && request.body.len == 0);
  nen_buffer_free(&request.body);

  /* In any order: a handle keeps alive what it needs. */
  nen_session *session;
  nen_exchange *exchange;
  nen_stream_sealer *sealer;
  nen_buffer frame;
  OK(admit(&world, &request, "POST", "/", NOW, &exchange));
  free_world(&world);
  OK(nen_exchange_session(exchange, &session));
  OK(nen_exchange_stream(exchange, &sealer));
  nen_exchange_free(exchange);
  nen_session_free(session);
  OK(nen_stream_sealer_seal(sealer, BYTES("still"), &frame));
  nen_buffer_free(&frame);
  nen_stream_sealer_free(sealer);
  free_request(&request);
}

/* Threads. */

#define LARGE ((size_t)64 * 1024)
#define REFUSALS 10
#define MOST_ROUNDS 10000

static nen_stream_sealer *contended;
static int refused;

static void *seal_until_refused(void *chunk) {
  for (int i = 0; i < MOST_ROUNDS && __atomic_load_n(&refused, __ATOMIC_RELAXED) < REFUSALS; i++) {
    nen_buffer frame;
    int32_t code = nen_stream_sealer_seal(contended, chunk, LARGE, &frame);
    if (code == NEN_OK) {
      nen_buffer_free(&frame);
    } else {
      CHECK(code == NEN_ERR_BUSY);
      __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
      sched_yield();
    }
  }
  return NULL;
}

/* Two threads on a handle of one: each call is either done or refused. */
static void one_handle_on_two_threads(void) {
  world world = connected_world();
  request request = new_request(&world, "GET", "/", NULL);
  nen_exchange *exchange;
  OK(admit(&world, &request, "GET", "/", NOW, &exchange));
  OK(nen_exchange_stream(exchange, &contended));
  nen_exchange_free(exchange);
  uint8_t *chunk = calloc(1, LARGE);
  CHECK(chunk != NULL);
  pthread_t other;
  CHECK(pthread_create(&other, NULL, seal_until_refused, chunk) == 0);
  seal_until_refused(chunk);
  CHECK(pthread_join(other, NULL) == 0);
  CHECK(refused >= REFUSALS);
  nen_stream_sealer_free(contended);
  free(chunk);
  free_request(&request);
  free_world(&world);
}

#define THREADS 4

typedef struct {
  const world *world;
  const request *recorded;
  int admitted;
} worker;

/* Handles that are for any number of threads: calls of their own, and one recorded request that only one may
 * bring in. */
static void *use_the_world(void *argument) {
  worker *worker = argument;
  nen_exchange *exchange;
  int32_t code = admit(worker->world, worker->recorded, "POST", "/", NOW, &exchange);
  CHECK(code == NEN_OK || code == 5001);
  worker->admitted = code == NEN_OK;
  if (worker->admitted) {
    nen_exchange_free(exchange);
  }
  for (int i = 0; i < 50; i++) {
    request request = new_request(worker->world, "POST", "/", "\"text\"");
    nen_buffer body;
    OK(admit(worker->world, &request, "POST", "/", NOW, &exchange));
    OK(nen_exchange_open(exchange, CONTENT(request.body), &body));
    CHECK(is(body, "\"text\""));
    nen_buffer_free(&body);
    nen_exchange_free(exchange);
    free_request(&request);
    FAILS(NEN_ERR_NULL, nen_client_new(NULL, NULL));
    CHECK(strlen(nen_last_detail()) > 0);
  }
  return NULL;
}

static void shared_handles_on_many_threads(void) {
  world world = connected_world();
  request recorded = new_request(&world, "POST", "/", "{}");
  pthread_t threads[THREADS];
  worker workers[THREADS];
  int admitted = 0;
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){&world, &recorded, 0};
    CHECK(pthread_create(&threads[i], NULL, use_the_world, &workers[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    admitted += workers[i].admitted;
  }
  CHECK(admitted == 1);
  free_request(&recorded);
  free_world(&world);
}

int main(void) {
  outputs_are_required();
  sizes();
  values();
  used_up_handles();
  outputs_are_left_alone();
  freeing();
  one_handle_on_two_threads();
  shared_handles_on_many_threads();
  return 0;
}
