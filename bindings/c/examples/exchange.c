/* Both endpoints of nen in one process. Your HTTP library goes where two function calls stand for it.
 *
 *     cc exchange.c $(pkg-config --cflags --libs nen) -o exchange
 *     ./exchange
 */

#include <nen.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BYTES(text) (const uint8_t *)(text), strlen(text)
#define TEXT(text) (text), strlen(text)

static uint64_t now_ms(void) {
  return (uint64_t)time(NULL) * 1000;
}

/* ── the server's half ── */

static nen_server *server;
static nen_store *store;

/* A protected endpoint that answers with what it received. */
static int32_t handle(const nen_request_headers *headers, nen_buffer body, uint16_t *status,
                      nen_buffer *answer) {
  nen_exchange *exchange = NULL;
  nen_buffer json = {0};
  int32_t code =
      nen_server_admit(server, store, headers, TEXT("POST"), TEXT("/api/echo"), now_ms(), &exchange);
  if (code == NEN_OK)
    code = nen_exchange_open(exchange, body.data, body.len, &json);
  if (code == NEN_OK) {
    printf("the handler has     %.*s\n", (int)json.len, (const char *)json.data);
    code = nen_exchange_seal(exchange, 200, json.data, json.len, status, answer);
  }
  nen_buffer_free(&json);
  nen_exchange_free(exchange);
  return code == NEN_OK ? NEN_OK : nen_error_answer(code, status, answer);
}

/* ── the transport ── */

static int32_t send_handshake(nen_buffer body, uint16_t *status, nen_buffer *answer) {
  int32_t code =
      nen_server_respond(server, store, NEN_ROUTE_HANDSHAKE, NULL, TEXT("POST"), TEXT("/api/nen/handshake"),
                         body.data, body.len, now_ms(), status, answer);
  return code == NEN_OK ? NEN_OK : nen_error_answer(code, status, answer);
}

static int32_t send_request(const nen_signed_headers *signed_headers, nen_buffer body, uint16_t *status,
                            nen_buffer *answer) {
  const nen_request_headers headers = {
      {TEXT(signed_headers->session)},
      {TEXT(signed_headers->timestamp)},
      {TEXT(signed_headers->nonce)},
      {TEXT(signed_headers->signature)},
  };
  printf("between them is     %.*s\n", (int)body.len, (const char *)body.data);
  return handle(&headers, body, status, answer);
}

/* ── the client's half ── */

/* Agrees on keys, once per session. */
static int32_t shake_hands(nen_client *client) {
  nen_handshake *handshake = NULL;
  nen_buffer body = {0}, answer = {0};
  uint16_t status;
  int32_t code = nen_client_handshake(client, &handshake, &body);
  if (code == NEN_OK)
    code = send_handshake(body, &status, &answer);
  if (code == NEN_OK)
    code = nen_client_establish(client, handshake, status, answer.data, answer.len, now_ms());
  nen_buffer_free(&body);
  nen_buffer_free(&answer);
  nen_handshake_free(handshake);
  return code;
}

/* Posts JSON and gives the opened answer. */
static int32_t post(nen_client *client, const char *path, const char *json, nen_buffer *opened) {
  nen_call *call = NULL;
  nen_signed_headers headers;
  nen_buffer body = {0}, answer = {0};
  uint16_t status;
  int32_t outcome = NEN_OUTCOME_REPEAT;
  int32_t code = nen_call_new(TEXT("POST"), TEXT(path), &call);
  while (code == NEN_OK && (outcome == NEN_OUTCOME_REPEAT || outcome == NEN_OUTCOME_REESTABLISH)) {
    if (outcome == NEN_OUTCOME_REESTABLISH)
      code = shake_hands(client);
    if (code == NEN_OK)
      code = nen_call_seal(call, client, BYTES(json), now_ms(), &headers, &body);
    if (code == NEN_OK)
      code = send_request(&headers, body, &status, &answer);
    if (code == NEN_OK)
      code =
          nen_call_open(call, client, status, NULL, 0, answer.data, answer.len, now_ms(), &outcome, opened);
    nen_buffer_free(&body);
    nen_buffer_free(&answer);
  }
  if (code == NEN_OK && outcome == NEN_OUTCOME_FOREIGN) {
    fprintf(stderr, "status %u, from something that does not speak nen\n", status);
    code = NEN_ISO_WIRE_INVALID_PAYLOAD_FORMAT;
  }
  nen_call_free(call);
  return code;
}

int main(void) {
  nen_client *client = NULL;
  nen_buffer opened = {0};
  int32_t code = nen_server_new(NULL, &server);
  if (code == NEN_OK)
    code = nen_store_memory_new(0, 0, 0, &store);
  if (code == NEN_OK)
    code = nen_client_new(NULL, &client);
  if (code == NEN_OK)
    code = shake_hands(client);
  if (code == NEN_OK)
    code = post(client, "/api/echo", "{\"secret\":\"for the two ends alone\"}", &opened);
  if (code == NEN_OK) {
    printf("the client has back %.*s\n", (int)opened.len, (const char *)opened.data);
  } else {
    fprintf(stderr, "%s: %s %s\n", nen_error_name(code), nen_error_message(code), nen_last_detail());
  }
  nen_buffer_free(&opened);
  nen_client_free(client);
  nen_store_free(store);
  nen_server_free(server);
  return code == NEN_OK ? 0 : 1;
}
