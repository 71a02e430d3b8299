/* Both endpoints in one process, through the C ABI: handshake, request, answer, stream, rotation, and what is
 * refused. */

#include "check.h"

static void request_and_answer(void) {
  world world = connected_world();
  request request = new_request(&world, "POST", "/api/secure-data?page=2", "{\"amount\":1840}");
  CHECK(request.body.len > 0 && !contains(request.body, "1840"));

  nen_exchange *exchange;
  nen_buffer body, answer, opened;
  uint16_t status;
  int32_t outcome;
  OK(admit(&world, &request, "POST", "/api/secure-data?page=2", NOW + 5, &exchange));
  OK(nen_exchange_open(exchange, CONTENT(request.body), &body));
  CHECK(is(body, "{\"amount\":1840}"));
  OK(nen_exchange_seal(exchange, 201, BYTES("{\"message\":\"created\"}"), &status, &answer));
  CHECK(status == 201 && !contains(answer, "created"));
  OK(nen_call_open(request.call, world.client, status, NOTHING, CONTENT(answer), NOW + 9, &outcome, &opened));
  CHECK(outcome == NEN_OUTCOME_ANSWER && is(opened, "{\"message\":\"created\"}"));
  nen_buffer_free(&body);
  nen_buffer_free(&answer);
  nen_buffer_free(&opened);

  /* A status that forbids a body becomes 200 with a sealed null. */
  OK(nen_exchange_seal(exchange, 204, NOTHING, &status, &answer));
  OK(nen_call_open(request.call, world.client, status, NOTHING, CONTENT(answer), NOW + 9, &outcome, &opened));
  CHECK(status == 200 && is(opened, "null"));
  nen_buffer_free(&answer);
  nen_buffer_free(&opened);

  /* What is no answer of ours. */
  OK(nen_call_open(request.call, world.client, 502, NOTHING, BYTES("Bad Gateway"), NOW, &outcome, &opened));
  CHECK(outcome == NEN_OUTCOME_FOREIGN && opened.data == NULL && opened.len == 0);
  FAILS(6001, nen_call_open(request.call, world.client, 200, NOTHING, BYTES("{\"plain\":1}"), NOW, &outcome,
                            &opened));
  nen_exchange_free(exchange);
  free_request(&request);
  free_world(&world);
}

static void request_without_a_body(void) {
  world world = connected_world();
  request request = new_request(&world, "GET", "/api/notes/caf%C3%A9%20au%20lait", NULL);
  CHECK(request.body.data == NULL && request.body.len == 0);
  nen_exchange *exchange;
  nen_buffer body;
  OK(admit(&world, &request, "GET", "/api/notes/caf%C3%A9%20au%20lait", NOW, &exchange));
  OK(nen_exchange_open(exchange, CONTENT(request.body), &body));
  CHECK(body.data == NULL && body.len == 0);
  nen_exchange_free(exchange);
  free_request(&request);
  free_world(&world);
}

static void signatures(const nen_identity *identity, const nen_buffer *public_key) {
  nen_buffer signature;
  OK(nen_identity_sign(identity, (const uint8_t *)"message", 7, &signature));
  CHECK(signature.len == NEN_IDENTITY_SIGNATURE_SIZE);
  OK(nen_identity_verify(public_key->data, public_key->len, (const uint8_t *)"message", 7,
                         CONTENT(signature)));
  FAILS(3004, nen_identity_verify(public_key->data, public_key->len, (const uint8_t *)"massage", 7,
                                  CONTENT(signature)));
  FAILS(3004, nen_identity_verify(public_key->data, public_key->len - 1, (const uint8_t *)"message", 7,
                                  CONTENT(signature)));
  FAILS(3004, nen_identity_verify(public_key->data, public_key->len, (const uint8_t *)"message", 7,
                                  signature.data, signature.len - 1));
  signature.data[0] ^= 1;
  FAILS(3004, nen_identity_verify(public_key->data, public_key->len, (const uint8_t *)"message", 7,
                                  CONTENT(signature)));
  nen_buffer_free(&signature);
}

static void identity(void) {
  nen_identity *identity, *loaded;
  nen_buffer secret, public_key, same, proven;
  OK(nen_identity_generate(&identity));
  OK(nen_identity_to_pkcs8(identity, &secret));
  OK(nen_identity_public_key(identity, &public_key));
  CHECK(secret.len == NEN_IDENTITY_PKCS8_SIZE && public_key.len == NEN_IDENTITY_PUBLIC_KEY_SIZE);
  OK(nen_identity_from_pkcs8(CONTENT(secret), &loaded));
  OK(nen_identity_public_key(loaded, &same));
  signatures(loaded, &public_key);
  CHECK(same.len == public_key.len && memcmp(same.data, public_key.data, same.len) == 0);

  nen_client_options *client_options;
  nen_server_options *server_options;
  OK(nen_client_options_new(&client_options));
  OK(nen_client_options_set_identity(client_options, loaded));
  OK(nen_server_options_new(&server_options));
  OK(nen_server_options_allow_identity(server_options, CONTENT(public_key)));
  world world = new_world(client_options, server_options);
  /* The options are copied: what they were made of can go. */
  nen_identity_free(identity);
  nen_identity_free(loaded);
  nen_client_options_free(client_options);
  OK(shake_hands(&world, NOW));

  request request = new_request(&world, "POST", "/api/whoami", "{}");
  nen_exchange *exchange;
  nen_session *session;
  OK(admit(&world, &request, "POST", "/api/whoami", NOW, &exchange));
  OK(nen_exchange_session(exchange, &session));
  OK(nen_session_identity(session, &proven));
  CHECK(proven.len == public_key.len && memcmp(proven.data, public_key.data, proven.len) == 0);
  nen_session_free(session);
  nen_exchange_free(exchange);
  free_request(&request);

  /* A client without an identity, and one that is not on the list. */
  nen_client_free(world.client);
  OK(nen_client_new(NULL, &world.client));
  FAILS(3004, shake_hands(&world, NOW));
  nen_client_free(world.client);
  OK(nen_identity_generate(&identity));
  OK(nen_client_options_new(&client_options));
  OK(nen_client_options_set_identity(client_options, identity));
  OK(nen_client_new(client_options, &world.client));
  FAILS(3004, shake_hands(&world, NOW));
  nen_server_free(world.server);
  OK(nen_server_new(NULL, &world.server));
  OK(shake_hands(&world, NOW));

  nen_client_options_free(client_options);
  nen_server_options_free(server_options);
  nen_identity_free(identity);
  nen_buffer_free(&secret);
  nen_buffer_free(&public_key);
  nen_buffer_free(&same);
  nen_buffer_free(&proven);
  free_world(&world);
}

static void next_is(nen_stream_opener *opener, const char *text) {
  nen_buffer chunk;
  int32_t state;
  OK(nen_stream_opener_next(opener, &state, &chunk));
  CHECK(state == NEN_STREAM_CHUNK && is(chunk, text));
  nen_buffer_free(&chunk);
}

static int32_t next_state(nen_stream_opener *opener) {
  nen_buffer chunk;
  int32_t state;
  OK(nen_stream_opener_next(opener, &state, &chunk));
  CHECK(chunk.data == NULL);
  return state;
}

static void stream(void) {
  world world = connected_world();
  request request = new_request(&world, "POST", "/api/chat", "{\"prompt\":\"x\"}");
  nen_exchange *exchange;
  nen_stream_sealer *sealer;
  nen_stream_opener *opener, *second;
  char nonce[NEN_NONCE_TEXT_SIZE];
  OK(admit(&world, &request, "POST", "/api/chat", NOW, &exchange));
  OK(nen_exchange_stream(exchange, &sealer));
  nen_exchange_free(exchange);
  OK(nen_stream_sealer_nonce_header(sealer, nonce, sizeof nonce));
  CHECK(strlen(nonce) == sizeof nonce - 1);
  OK(nen_call_open_stream(request.call, world.client, nonce, strlen(nonce), &opener));
  OK(nen_call_open_stream(request.call, world.client, nonce, strlen(nonce), &second));

  nen_buffer frames[4];
  OK(nen_stream_sealer_seal(sealer, BYTES("secure "), &frames[0]));
  OK(nen_stream_sealer_seal(sealer, NOTHING, &frames[1]));
  OK(nen_stream_sealer_seal(sealer, BYTES("__FIN__"), &frames[2]));
  OK(nen_stream_sealer_finish(sealer, &frames[3]));
  FAILS(4002, nen_stream_sealer_seal(sealer, BYTES("late"), &frames[3]));

  /* The transport cuts the bytes as it likes. */
  for (size_t i = 0; i < frames[0].len; i++) {
    CHECK(next_state(opener) == NEN_STREAM_PENDING);
    OK(nen_stream_opener_push(opener, frames[0].data + i, 1));
  }
  next_is(opener, "secure ");
  OK(nen_stream_opener_push(opener, CONTENT(frames[1])));
  next_is(opener, "");
  OK(nen_stream_opener_push(opener, CONTENT(frames[2])));
  next_is(opener, "_");
  next_is(opener, "_FIN__");
  CHECK(next_state(opener) == NEN_STREAM_PENDING);
  FAILS(7003, nen_stream_opener_end(opener));
  OK(nen_stream_opener_push(opener, CONTENT(frames[3])));
  CHECK(next_state(opener) == NEN_STREAM_FINISHED);
  OK(nen_stream_opener_end(opener));

  /* The same frames in another order. */
  nen_buffer chunk;
  int32_t state;
  OK(nen_stream_opener_push(second, CONTENT(frames[0])));
  OK(nen_stream_opener_push(second, CONTENT(frames[2])));
  next_is(second, "secure ");
  FAILS(4001, nen_stream_opener_next(second, &state, &chunk));
  FAILS(4001, nen_stream_opener_next(second, &state, &chunk));
  FAILS(4001, nen_stream_opener_end(second));

  nen_stream_opener *none;
  FAILS(7001, nen_call_open_stream(request.call, world.client, NOTHING, &none));
  FAILS(7001, nen_call_open_stream(request.call, world.client, TEXT("AAAA"), &none));
  for (size_t i = 0; i < 4; i++) {
    nen_buffer_free(&frames[i]);
  }
  nen_stream_sealer_free(sealer);
  nen_stream_opener_free(opener);
  nen_stream_opener_free(second);
  free_request(&request);
  free_world(&world);
}

/* One rotate, terminate or status with the answer of the server. */
static void lifecycle(const world *world, int32_t route, const char *method, const char *target,
                      int32_t expected) {
  nen_lifecycle_call *call;
  nen_signed_headers headers;
  nen_buffer body, answer;
  uint16_t status;
  int32_t routed, outcome, done;
  OK(nen_server_route(world->server, method, strlen(method), target, strlen(target), &routed));
  CHECK(routed == route);
  OK(nen_lifecycle_call_new(route, target, strlen(target), &call));
  OK(nen_lifecycle_call_seal(call, world->client, NOW, &headers, &body));
  nen_request_headers lent = received(&headers);
  OK(nen_server_respond(world->server, world->store, route, &lent, method, strlen(method), target,
                        strlen(target), CONTENT(body), NOW, &status, &answer));
  OK(nen_lifecycle_call_open(call, world->client, status, NOTHING, CONTENT(answer), NOW, &outcome, &done));
  CHECK(outcome == NEN_OUTCOME_DONE && done == expected);
  nen_buffer_free(&body);
  nen_buffer_free(&answer);
  nen_lifecycle_call_free(call);
}

static void rotation(void) {
  world world = connected_world();
  nen_session *old, *new, *none;
  char old_id[NEN_SESSION_ID_SIZE], new_id[NEN_SESSION_ID_SIZE];
  request before = new_request(&world, "GET", "/api/secure-data", NULL);
  lifecycle(&world, NEN_ROUTE_STATUS, "GET", "/api/nen/status", 1);
  OK(nen_client_session(world.client, &old));
  lifecycle(&world, NEN_ROUTE_ROTATE, "POST", "/api/nen/rotate", 1);
  OK(nen_client_session(world.client, &new));
  OK(nen_session_id(old, old_id, sizeof old_id));
  OK(nen_session_id(new, new_id, sizeof new_id));
  CHECK(strlen(old_id) == NEN_SESSION_ID_SIZE - 1 && strcmp(old_id, new_id) != 0);

  nen_exchange *exchange;
  FAILS(2002, admit(&world, &before, "GET", "/api/secure-data", NOW, &exchange));
  request after = new_request(&world, "GET", "/api/secure-data", NULL);
  OK(admit(&world, &after, "GET", "/api/secure-data", NOW, &exchange));
  nen_exchange_free(exchange);

  lifecycle(&world, NEN_ROUTE_TERMINATE, "POST", "/api/nen/terminate", 1);
  OK(nen_client_session(world.client, &none));
  CHECK(none == NULL);
  OK(nen_store_get(world.store, new_id, strlen(new_id), NOW, &none));
  CHECK(none == NULL);
  nen_session_free(old);
  nen_session_free(new);
  free_request(&before);
  free_request(&after);
  free_world(&world);
}

static void lost_session(void) {
  world world = connected_world();
  nen_session *session;
  char id[NEN_SESSION_ID_SIZE];
  OK(nen_client_session(world.client, &session));
  OK(nen_session_id(session, id, sizeof id));
  nen_session_free(session);
  OK(nen_store_remove(world.store, id, strlen(id)));

  request request = new_request(&world, "POST", "/api/secure-data", "1");
  nen_exchange *exchange;
  nen_buffer answer, opened;
  uint16_t status;
  int32_t outcome, code = admit(&world, &request, "POST", "/api/secure-data", NOW, &exchange);
  CHECK(code == 2002);
  OK(nen_error_answer(code, &status, &answer));
  CHECK(status == 401 && contains(answer, "{\"error\":{\"code\":\"ISO-2002\",\"message\":\""));
  OK(nen_call_open(request.call, world.client, status, NOTHING, CONTENT(answer), NOW, &outcome, &opened));
  CHECK(outcome == NEN_OUTCOME_REESTABLISH && opened.data == NULL);
  OK(shake_hands(&world, NOW));
  nen_buffer_free(&request.body);
  OK(nen_call_seal(request.call, world.client, BYTES("1"), NOW, &request.headers, &request.body));
  OK(admit(&world, &request, "POST", "/api/secure-data", NOW, &exchange));
  nen_exchange_free(exchange);
  /* Once, not for ever. */
  FAILS(2002,
        nen_call_open(request.call, world.client, status, NOTHING, CONTENT(answer), NOW, &outcome, &opened));
  nen_buffer_free(&answer);
  free_request(&request);
  free_world(&world);
}

static void wrong_clock(void) {
  world world = connected_world();
  request request = new_request(&world, "GET", "/", NULL);
  nen_exchange *exchange;
  nen_buffer answer, opened;
  uint16_t status;
  int32_t outcome;
  FAILS(3003, admit(&world, &request, "GET", "/", NOW + 30001, &exchange));
  OK(nen_error_answer(3003, &status, &answer));
  OK(nen_call_open(request.call, world.client, status, TEXT("Fri, 21 Nov 2025 18:35:00 GMT"), CONTENT(answer),
                   NOW, &outcome, &opened));
  CHECK(outcome == NEN_OUTCOME_REPEAT);
  OK(nen_call_seal(request.call, world.client, NOTHING, NOW, &request.headers, &request.body));
  OK(admit(&world, &request, "GET", "/", UINT64_C(1763750100000), &exchange));
  nen_exchange_free(exchange);
  nen_buffer_free(&answer);
  free_request(&request);
  free_world(&world);
}

static void refusals(void) {
  world world = connected_world();
  nen_exchange *exchange;
  nen_buffer body;

  /* A recorded request. */
  request request = new_request(&world, "POST", "/api/secure-data", "{\"secret\":1}");
  OK(admit(&world, &request, "POST", "/api/secure-data", NOW, &exchange));
  nen_exchange *second;
  FAILS(5001, admit(&world, &request, "POST", "/api/secure-data", NOW, &second));

  /* A tampered body: one character of its base64. */
  uint8_t *character = request.body.data + strlen("{\"ct\":\"");
  *character = *character == 'A' ? 'B' : 'A';
  FAILS(4001, nen_exchange_open(exchange, CONTENT(request.body), &body));
  FAILS(6001, nen_exchange_open(exchange, BYTES("{\"secret\":1}"), &body));
  FAILS(6002, nen_exchange_open(exchange, BYTES("{\"ct\":\"!\"}"), &body));
  nen_exchange_free(exchange);
  free_request(&request);

  /* A forged signature, and one for another method or path. */
  request = new_request(&world, "POST", "/api/secure-data", "{}");
  FAILS(3002, admit(&world, &request, "PUT", "/api/secure-data", NOW, &exchange));
  FAILS(3002, admit(&world, &request, "POST", "/api/other", NOW, &exchange));
  FAILS(3002, admit(&world, &request, "POST", "/api/caf\xc3\xa9", NOW, &exchange));
  FAILS(3002, admit(&world, &request, "POST", "/api/\xff", NOW, &exchange));
  FAILS(3002, admit(&world, &request, "PO\xffST", "/api/secure-data", NOW, &exchange));
  request.headers.signature[0] = request.headers.signature[0] == 'A' ? 'B' : 'A';
  FAILS(3002, admit(&world, &request, "POST", "/api/secure-data", NOW, &exchange));
  request.headers.signature[0] = '\0';
  FAILS(3002, admit(&world, &request, "POST", "/api/secure-data", NOW, &exchange));
  free_request(&request);

  /* Headers that are missing, in the order in which they are asked for. */
  request = new_request(&world, "GET", "/", NULL);
  nen_request_headers headers = {0}, all = received(&request.headers);
  FAILS(2003, nen_server_admit(world.server, world.store, NULL, TEXT("GET"), TEXT("/"), NOW, &exchange));
  FAILS(2003, nen_server_admit(world.server, world.store, &headers, TEXT("GET"), TEXT("/"), NOW, &exchange));
  headers.session = str("3f2b8c1e-4d5a-4b6c-8d7e-9f0a1b2c3d4e");
  FAILS(2002, nen_server_admit(world.server, world.store, &headers, TEXT("GET"), TEXT("/"), NOW, &exchange));
  headers.session = all.session;
  FAILS(3005, nen_server_admit(world.server, world.store, &headers, TEXT("GET"), TEXT("/"), NOW, &exchange));
  headers.nonce = all.nonce;
  FAILS(3001, nen_server_admit(world.server, world.store, &headers, TEXT("GET"), TEXT("/"), NOW, &exchange));
  headers.signature = all.signature;
  FAILS(3003, nen_server_admit(world.server, world.store, &headers, TEXT("GET"), TEXT("/"), NOW, &exchange));
  FAILS(3003, admit(&world, &request, "GET", "/", NOW + 30001, &exchange));
  FAILS(2002, admit(&world, &request, "GET", "/", NOW + NEN_DEFAULT_SESSION_TTL_MS, &exchange));

  /* A header that stands twice. */
  nen_header list[] = {
      {str("Host"), str("example.org")},
      {str("x-nen-session"), all.session},
      {str(nen_timestamp_header()), all.timestamp},
      {str(nen_nonce_header()), all.nonce},
      {str("X-NEN-SIGNATURE"), all.signature},
      {str("X-Nen-Nonce"), all.nonce},
  };
  OK(nen_request_headers_pick(list, 6, &headers));
  FAILS(3005, nen_server_admit(world.server, world.store, &headers, TEXT("GET"), TEXT("/"), NOW, &exchange));
  OK(nen_request_headers_pick(list, 5, &headers));
  OK(nen_server_admit(world.server, world.store, &headers, TEXT("GET"), TEXT("/"), NOW, &exchange));
  nen_exchange_free(exchange);
  free_request(&request);

  FAILS(1001, nen_server_respond(world.server, world.store, NEN_ROUTE_HANDSHAKE, NULL, TEXT("POST"),
                                 TEXT("/api/nen/handshake"), BYTES("{}"), NOW, &(uint16_t){0}, &body));
  free_world(&world);
}

static void options(void) {
  nen_server_options *options;
  OK(nen_server_options_new(&options));
  OK(nen_server_options_set_prefix(options, TEXT("/mounted/nen")));
  OK(nen_server_options_set_session_ttl_ms(options, 1000));
  OK(nen_server_options_set_window_ms(options, 10));
  OK(nen_server_options_set_max_body(options, 100));
  OK(nen_server_options_set_strict(options, 0));
  OK(nen_server_options_set_require_signed_lifecycle(options, 1));
  OK(nen_server_options_require_identity(options));
  world world = new_world(NULL, options);
  FAILS(3004, shake_hands(&world, NOW));
  free_world(&world);
  nen_server_options_free(options);

  OK(nen_server_options_new(&options));
  OK(nen_server_options_set_prefix(options, TEXT("/mounted/nen")));
  OK(nen_server_options_set_session_ttl_ms(options, 1000));
  OK(nen_server_options_set_window_ms(options, 10));
  OK(nen_server_options_set_max_body(options, 100));
  OK(nen_server_options_set_strict(options, 0));
  OK(nen_server_options_set_require_signed_lifecycle(options, 1));
  world = new_world(NULL, options);
  nen_server_options_free(options);
  OK(shake_hands(&world, NOW));

  int32_t route;
  OK(nen_server_route(world.server, TEXT("POST"), TEXT("/mounted/nen/rotate?x"), &route));
  CHECK(route == NEN_ROUTE_ROTATE);
  OK(nen_server_route(world.server, TEXT("GET"), TEXT("/mounted/nen/rotate"), &route));
  CHECK(route == NEN_ROUTE_NOT_FOUND);
  OK(nen_server_route(world.server, TEXT("POST"), TEXT("/api/nen/rotate"), &route));
  CHECK(route == NEN_ROUTE_APPLICATION);
  OK(nen_server_route(world.server, TEXT("POST"), TEXT("/mounted/nen/\xff"), &route));
  CHECK(route == NEN_ROUTE_APPLICATION);

  request request =
      new_request(&world, "POST", "/", "\"a text that is too long for a limit of one hundred bytes\"");
  nen_request_headers headers = received(&request.headers);
  nen_exchange *exchange;
  nen_buffer body;
  uint16_t status;
  size_t max_body;
  FAILS(3003, admit(&world, &request, "POST", "/", NOW + 11, &exchange));
  headers.signature.data = NULL;
  headers.signature.len = 0;
  FAILS(3001, nen_server_respond(world.server, world.store, NEN_ROUTE_STATUS, &headers, TEXT("GET"),
                                 TEXT("/mounted/nen/status"), NOTHING, NOW, &status, &body));
  OK(nen_server_admit(world.server, world.store, &headers, TEXT("POST"), TEXT("/"), NOW, &exchange));
  OK(nen_exchange_max_body(exchange, &max_body));
  CHECK(max_body == 100 && request.body.len > max_body);
  OK(nen_server_max_body(world.server, &max_body));
  CHECK(max_body == 100);
  FAILS(6001, nen_exchange_open(exchange, CONTENT(request.body), &body));
  nen_exchange_free(exchange);
  FAILS(2002, admit(&world, &request, "POST", "/", NOW + 1000, &exchange));
  free_request(&request);
  free_world(&world);
}

/* The same check with a store that the caller asks by itself. */
static void step_by_step(void) {
  world world = connected_world();
  request request = new_request(&world, "POST", "/api/secure-data", "[1]");
  nen_request_headers headers = received(&request.headers);
  nen_request *read;
  nen_session *session;
  nen_verified *verified;
  nen_exchange *exchange;
  nen_buffer body;
  char id[NEN_SESSION_ID_SIZE];
  uint8_t nonce[NEN_NONCE_SIZE];
  uint64_t until;
  int32_t claim;
  OK(nen_request_new(&headers, TEXT("POST"), TEXT("/api/secure-data"), &read));
  OK(nen_request_session_id(read, id, sizeof id));
  OK(nen_store_get(world.store, id, strlen(id), NOW, &session));
  CHECK(session != NULL);
  FAILS(2002, nen_server_verify(world.server, read, NULL, NOW, &verified));
  OK(nen_server_verify(world.server, read, session, NOW, &verified));
  OK(nen_verified_claim(verified, nonce, sizeof nonce, &until));
  CHECK(until == NOW + 30000);
  OK(nen_store_claim_nonce(world.store, id, strlen(id), nonce, sizeof nonce, until, NOW, &claim));
  CHECK(claim == NEN_CLAIM_FRESH);
  OK(nen_verified_admit(verified, claim, &exchange));
  OK(nen_exchange_open(exchange, CONTENT(request.body), &body));
  CHECK(is(body, "[1]"));
  nen_buffer_free(&body);
  nen_exchange_free(exchange);
  nen_verified_free(verified);

  OK(nen_store_claim_nonce(world.store, id, strlen(id), nonce, sizeof nonce, until, NOW, &claim));
  CHECK(claim == NEN_CLAIM_REPLAY);
  OK(nen_server_verify(world.server, read, session, NOW, &verified));
  FAILS(5001, nen_verified_admit(verified, claim, &exchange));
  nen_verified_free(verified);
  OK(nen_server_verify(world.server, read, session, NOW, &verified));
  FAILS(5002, nen_verified_admit(verified, NEN_CLAIM_FULL, &exchange));
  nen_verified_free(verified);

  /* A session endpoint that is not signed has nothing to claim. */
  headers.signature.data = NULL;
  headers.signature.len = 0;
  nen_request_free(read);
  OK(nen_request_new(&headers, TEXT("GET"), TEXT("/api/nen/status"), &read));
  OK(nen_server_verify_lifecycle(world.server, read, session, NOW, &verified));
  CHECK(verified == NULL);
  FAILS(3001, nen_server_verify(world.server, read, session, NOW, &verified));

  /* A handshake without a store, for a client without a nen_client. */
  nen_handshake *handshake;
  nen_session *ours, *theirs;
  nen_buffer hello, answer;
  OK(nen_handshake_new(NULL, &handshake, &hello));
  OK(nen_server_accept(world.server, CONTENT(hello), NOW, &theirs, &answer));
  OK(nen_handshake_finish(handshake, 200, CONTENT(answer), NOW, &ours));
  OK(nen_store_set(world.store, theirs, NOW));
  size_t sessions, nonces;
  OK(nen_store_count(world.store, &sessions, &nonces));
  CHECK(sessions == 2 && nonces == 1);
  OK(nen_store_sweep(world.store, NOW + NEN_DEFAULT_SESSION_TTL_MS));
  OK(nen_store_count(world.store, &sessions, &nonces));
  CHECK(sessions == 0 && nonces == 0);
  FAILS(9001, nen_server_verify(world.server, read, theirs, NOW, &verified));
  nen_handshake_free(handshake);
  nen_session_free(ours);
  nen_session_free(theirs);
  nen_buffer_free(&hello);
  nen_buffer_free(&answer);
  nen_request_free(read);
  nen_session_free(session);
  free_request(&request);
  free_world(&world);
}

static void session_primitives(void) {
  world world = connected_world();
  nen_session *ours, *theirs, *loaded;
  char id[NEN_SESSION_ID_SIZE];
  uint64_t created, expires;
  nen_buffer record, sealed, opened, identity;
  OK(nen_client_session(world.client, &ours));
  OK(nen_session_id(ours, id, sizeof id));
  OK(nen_session_expires_ms(ours, &expires));
  CHECK(expires == UINT64_MAX);
  OK(nen_store_get(world.store, id, strlen(id), NOW, &theirs));
  OK(nen_session_created_ms(theirs, &created));
  OK(nen_session_expires_ms(theirs, &expires));
  CHECK(created == NOW && expires == NOW + NEN_DEFAULT_SESSION_TTL_MS);
  OK(nen_session_identity(theirs, &identity));
  CHECK(identity.data == NULL && identity.len == 0);
  OK(nen_session_to_record(theirs, &record));
  OK(nen_session_from_record(id, strlen(id), CONTENT(record), 1, &loaded));

  uint8_t nonce[NEN_NONCE_SIZE] = {0}, zero[NEN_NONCE_SIZE] = {0}, signature[NEN_SIGNATURE_SIZE];
  OK(nen_nonce_random(nonce, sizeof nonce));
  CHECK(memcmp(nonce, zero, sizeof nonce) != 0);
  OK(nen_session_seal(ours, nonce, sizeof nonce, BYTES("plain"), &sealed));
  CHECK(sealed.len == strlen("plain") + NEN_TAG_SIZE && !contains(sealed, "plain"));
  OK(nen_session_open(loaded, nonce, sizeof nonce, CONTENT(sealed), &opened));
  CHECK(is(opened, "plain"));
  nen_buffer_free(&opened);
  sealed.data[0] ^= 1;
  FAILS(4001, nen_session_open(loaded, nonce, sizeof nonce, CONTENT(sealed), &opened));
  FAILS(4001, nen_session_open(loaded, nonce, sizeof nonce, NOTHING, &opened));

  OK(nen_session_sign(ours, TEXT("POST"), TEXT("/a?b"), 17, zero, sizeof zero, signature, sizeof signature));
  OK(nen_session_verify(theirs, TEXT("POST"), TEXT("/a"), TEXT("17"), TEXT("AAAAAAAAAAAAAAAA"), signature,
                        sizeof signature));
  FAILS(3002, nen_session_verify(theirs, TEXT("PUT"), TEXT("/a"), TEXT("17"), TEXT("AAAAAAAAAAAAAAAA"),
                                 signature, sizeof signature));
  signature[31] ^= 0x80;
  FAILS(3002, nen_session_verify(theirs, TEXT("POST"), TEXT("/a"), TEXT("17"), TEXT("AAAAAAAAAAAAAAAA"),
                                 signature, sizeof signature));
  FAILS(9001, nen_session_from_record(id, strlen(id), BYTES("{}"), 1, &loaded));

  nen_stream_sealer *sealer;
  nen_stream_opener *opener;
  char header[NEN_NONCE_TEXT_SIZE];
  nen_buffer frame;
  OK(nen_stream_sealer_new(theirs, &sealer));
  OK(nen_stream_sealer_nonce_header(sealer, header, sizeof header));
  OK(nen_stream_opener_new(ours, header, strlen(header), 4, &opener));
  OK(nen_stream_sealer_seal(sealer, BYTES("four"), &frame));
  OK(nen_stream_opener_push(opener, CONTENT(frame)));
  next_is(opener, "four");
  nen_buffer_free(&frame);
  OK(nen_stream_sealer_seal(sealer, BYTES("a chunk over the limit"), &frame));
  OK(nen_stream_opener_push(opener, CONTENT(frame)));
  int32_t state;
  FAILS(6001, nen_stream_opener_next(opener, &state, &opened));
  nen_buffer_free(&frame);
  nen_stream_sealer_free(sealer);
  nen_stream_opener_free(opener);
  nen_session_free(ours);
  nen_session_free(theirs);
  nen_session_free(loaded);
  nen_buffer_free(&record);
  nen_buffer_free(&sealed);
  free_world(&world);
}

/* Records at rest: the first key seals, all of them open, and each record is of one session. */
static void store_keys(void) {
  static const char old[] = "b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=",
                    both[] = "bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=,"
                             "b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=";
  world world = connected_world();
  nen_session *session, *read;
  nen_store_keys *keys[3];
  nen_buffer records[3], plain;
  char id[NEN_SESSION_ID_SIZE], other[NEN_SESSION_ID_SIZE];
  OK(nen_client_session(world.client, &session));
  OK(nen_session_id(session, id, sizeof id));
  OK(nen_session_to_record(session, &plain));
  memcpy(other, id, sizeof other);
  other[0] = id[0] == '0' ? '1' : '0';
  OK(nen_store_keys_new(TEXT("plain"), &keys[0]));
  OK(nen_store_keys_new(TEXT(old), &keys[1]));
  OK(nen_store_keys_new(TEXT(both), &keys[2]));
  for (int i = 0; i < 3; i++) {
    OK(nen_store_keys_write(keys[i], session, &records[i]));
    CHECK(contains(records[i], "sharedSecret") == (i == 0));
    FAILS(i == 0 ? NEN_OK : 9001,
          nen_store_keys_read(keys[i], other, strlen(other), CONTENT(records[i]), 1, &read));
    if (i == 0) {
      nen_session_free(read);
    }
  }
  static const int32_t expected[3][3] = {{NEN_OK, 9001, 9001}, {9001, NEN_OK, NEN_OK}, {9001, 9001, NEN_OK}};
  for (int written = 0; written < 3; written++) {
    for (int i = 0; i < 3; i++) {
      nen_buffer same;
      FAILS(expected[written][i],
            nen_store_keys_read(keys[i], id, strlen(id), CONTENT(records[written]), 1, &read));
      if (expected[written][i] == NEN_OK) {
        OK(nen_session_to_record(read, &same));
        CHECK(same.len == plain.len && memcmp(same.data, plain.data, same.len) == 0);
        nen_buffer_free(&same);
        nen_session_free(read);
      }
    }
    nen_buffer_free(&records[written]);
  }
  for (int i = 0; i < 3; i++) {
    nen_store_keys_free(keys[i]);
  }
  nen_buffer_free(&plain);
  nen_session_free(session);
  free_world(&world);
}

/* From the same randomness comes the same session. */
static void derandomized(void) {
  static const uint8_t client[NEN_CLIENT_DRAWS_SIZE] = {1}, server[NEN_SERVER_DRAWS_SIZE] = {2};
  world world = new_world(NULL, NULL);
  nen_buffer records[2];
  for (int i = 0; i < 2; i++) {
    nen_handshake *handshake;
    nen_session *ours, *theirs;
    nen_buffer body, answer;
    uint8_t nonce[NEN_NONCE_SIZE] = {0};
    nen_buffer sealed, opened;
    OK(nen_derandomized_handshake(client, sizeof client, NULL, &handshake, &body));
    OK(nen_derandomized_accept(world.server, server, sizeof server, CONTENT(body), NOW, &theirs, &answer));
    OK(nen_handshake_finish(handshake, 200, CONTENT(answer), NOW, &ours));
    OK(nen_session_seal(ours, nonce, sizeof nonce, BYTES("plain"), &sealed));
    OK(nen_session_open(theirs, nonce, sizeof nonce, CONTENT(sealed), &opened));
    CHECK(is(opened, "plain"));
    OK(nen_session_to_record(theirs, &records[i]));
    nen_buffer_free(&body);
    nen_buffer_free(&answer);
    nen_buffer_free(&sealed);
    nen_buffer_free(&opened);
    nen_session_free(ours);
    nen_session_free(theirs);
    nen_handshake_free(handshake);
  }
  CHECK(records[0].len == records[1].len && memcmp(records[0].data, records[1].data, records[0].len) == 0);
  nen_buffer_free(&records[0]);
  nen_buffer_free(&records[1]);
  free_world(&world);
}

static void errors(void) {
  size_t count = 0;
  for (int32_t code, last = 0; (code = nen_error_at(count)) != 0; count++, last = code) {
    char text[] = "ISO-0000";
    nen_buffer body;
    uint16_t status;
    snprintf(text, sizeof text, "ISO-%04u", (unsigned)code % 10000);
    CHECK(code > last && strcmp(nen_error_code(code), text) == 0);
    CHECK(strlen(nen_error_name(code)) > 0 && strlen(nen_error_category(code)) > 0);
    CHECK(strlen(nen_error_hint(code)) > 0);
    OK(nen_error_answer(code, &status, &body));
    CHECK(status == nen_error_http_status(code) && status >= 400);
    CHECK(contains(body, text) && contains(body, nen_error_message(code)));
    CHECK(!contains(body, nen_error_hint(code)));
    nen_buffer_free(&body);
  }
  CHECK(count >= 24);
  CHECK(strcmp(nen_error_name(3002), "AUTH_SIGNATURE_INVALID") == 0 && nen_error_http_status(3002) == 401);
  CHECK(strcmp(nen_error_name(NEN_ERR_NULL), "NEN_ERR_NULL") == 0 && nen_error_code(NEN_ERR_NULL) == NULL);
  CHECK(nen_error_name(1) == NULL && nen_error_message(INT32_MIN) == NULL && nen_error_http_status(0) == 0);

  /* Misuse is a server's own affair: its answer tells nothing. */
  nen_buffer body;
  uint16_t status;
  OK(nen_error_answer(NEN_ERR_BUSY, &status, &body));
  CHECK(status == 500 && contains(body, "ISO-9000"));
  nen_buffer_free(&body);
}

static void versions(void) {
  CHECK(nen_abi_version() == NEN_ABI_VERSION);
  CHECK(strlen(nen_version()) >= strlen("0.0.0"));
  CHECK(strcmp(nen_session_header(), "X-Nen-Session") == 0);
  CHECK(strcmp(nen_timestamp_header(), "X-Nen-Timestamp") == 0);
  CHECK(strcmp(nen_nonce_header(), "X-Nen-Nonce") == 0);
  CHECK(strcmp(nen_signature_header(), "X-Nen-Signature") == 0);
  CHECK(strcmp(nen_stream_nonce_header(), "X-Nen-Stream-Nonce") == 0);
}

int main(void) {
  request_and_answer();
  request_without_a_body();
  identity();
  stream();
  rotation();
  lost_session();
  wrong_clock();
  refusals();
  options();
  step_by_step();
  session_primitives();
  store_keys();
  derandomized();
  errors();
  versions();
  return 0;
}
