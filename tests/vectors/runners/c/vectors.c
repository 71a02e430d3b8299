/* Holds libnen against every vector of the folder that NEN_VECTORS names.
 *
 * Prints a line for each that fails, `not ok <file>/<name>: why`, and at the end how many passed and failed.
 */

#include <dirent.h>
#include <openssl/hmac.h>

#include "given.h"

static nen_session *session_of(const json_t *of) {
  nen_session **session = own_session();
  ok(nen_session_from_record(OF(text(of, "sid")), OF(text_bytes(of, "record")), 0, session));
  return *session;
}

static nen_server *server_with(const nen_server_options *options) {
  nen_server **server = own_server();
  ok(nen_server_new(options, server));
  return *server;
}

static nen_server_options *server_options(void) {
  nen_server_options **options = own_server_options();
  ok(nen_server_options_new(options));
  return *options;
}

static nen_store *memory_store(uint64_t max_nonces_per_session) {
  nen_store **store = own_store();
  ok(nen_store_memory_new(0, 0, max_nonces_per_session, store));
  return *store;
}

static nen_handshake *handshake_of(const json_t *of, nen_buffer *body) {
  nen_handshake **handshake = own_handshake();
  ok(nen_derandomized_handshake(OF(octets(of, "clientDraws")), NULL, handshake, body));
  return *handshake;
}

/* A client that shook hands. */
static nen_client *client_of(const json_t *file) {
  nen_client **client = own_client();
  ok(nen_client_new(NULL, client));
  ok(nen_client_establish(*client, handshake_of(file, own_buffer()), 200, OF(text_bytes(file, "answer")),
                          number(file, "nowMs")));
  return *client;
}

static void equal_record(const nen_session *session, bytes expected) {
  nen_buffer *record = own_buffer();
  ok(nen_session_to_record(session, record));
  equal("record", content(*record), expected);
}

static void equal_id(const nen_session *session, nen_str expected) {
  char id[NEN_SESSION_ID_SIZE];
  ok(nen_session_id(session, id, sizeof id));
  equal_text("sid", id, expected);
}

static void equal_identity(const nen_session *session, const json_t *vector) {
  nen_buffer *identity = own_buffer();
  ok(nen_session_identity(session, identity));
  equal("identity", content(*identity), octets(vector, "identity"));
}

/* ── the two keys of a session ── */

static void canonical_string(const json_t *file, const json_t *vector) {
  uint8_t signature[NEN_SIGNATURE_SIZE], tag[NEN_SIGNATURE_SIZE];
  int32_t code = nen_session_sign(session_of(file), OF(text(vector, "method")), OF(text(vector, "target")),
                                  number(vector, "timestampMs"), OF(octets(vector, "nonce")), signature,
                                  sizeof signature);
  if (succeeds(vector, code)) {
    bytes expected = text_bytes(vector, "signature"), canonical = text_bytes(vector, "canonical");
    bytes key = unbase64(text_bytes(parsed(text_bytes(file, "record")), "hmacKey"));
    equal_number("bytes of the key", key.len, NEN_HMAC_KEY_SIZE);
    if (HMAC(EVP_sha256(), key.data, (int)key.len, canonical.data, canonical.len, tag, NULL) == NULL) {
      fail("no HMAC");
    }
    equal("the canonical string's HMAC", base64(as_bytes(tag, sizeof tag)), expected);
    equal("signature", base64(as_bytes(signature, sizeof signature)), expected);
  }
}

static void sealed(const json_t *file, const json_t *vector) {
  nen_session *session = session_of(file);
  bytes nonce = octets(vector, "nonce"), given = octets(vector, "sealed");
  nen_buffer *opened = own_buffer(), *again = own_buffer();
  if (succeeds(vector, nen_session_open(session, OF(nonce), OF(given), opened))) {
    equal("plaintext", content(*opened), octets(vector, "plaintext"));
    ok(nen_session_seal(session, OF(nonce), OF(*opened), again));
    equal("sealed", content(*again), given);
  }
}

/* ── handshakes and identities ── */

static void handshake(const json_t *file, const json_t *vector) {
  (void)file;
  static const uint8_t zero[NEN_NONCE_SIZE];
  uint64_t now = number(vector, "nowMs");
  bytes body = text_bytes(vector, "body"), answer = text_bytes(vector, "answer");
  nen_server_options *options = server_options();
  ok(nen_server_options_set_session_ttl_ms(options, number(vector, "sessionTtlMs")));
  nen_session **theirs = own_session(), **ours = own_session();
  nen_buffer *answered = own_buffer(), *made = own_buffer();
  ok(nen_derandomized_accept(server_with(options), OF(octets(vector, "serverDraws")), OF(body), now, theirs,
                             answered));
  equal("answer", content(*answered), answer);
  equal_record(*theirs, text_bytes(vector, "record"));
  equal_identity(*theirs, vector);

  nen_handshake *started = handshake_of(vector, made);
  equal("pk", text_bytes(parsed(content(*made)), "pk"), text_bytes(parsed(body), "pk"));
  ok(nen_handshake_finish(started, 200, OF(answer), now, ours));
  const nen_session *both[] = {*ours, *theirs};
  for (size_t i = 0; i < 2; i++) {
    uint8_t signature[NEN_SIGNATURE_SIZE];
    nen_buffer *sealed = own_buffer();
    equal_id(both[i], text(vector, "sid"));
    ok(nen_session_sign(both[i], "GET", 3, "/", 1, now, zero, sizeof zero, signature, sizeof signature));
    equal("signature", base64(as_bytes(signature, sizeof signature)), text_bytes(vector, "signature"));
    ok(nen_session_seal(both[i], zero, sizeof zero, (const uint8_t *)"nen", 3, sealed));
    equal("sealed", content(*sealed), octets(vector, "sealed"));
  }
}

static void handshake_request(const json_t *file, const json_t *vector) {
  nen_server_options *options = server_options();
  if (has(vector, "allowedHex")) {
    list allowed = octets_list(vector, "allowed");
    for (size_t i = 0; i < allowed.count; i++) {
      ok(nen_server_options_allow_identity(options, OF(allowed.items[i])));
    }
  } else if (has(vector, "requireIdentity") && flag(vector, "requireIdentity")) {
    ok(nen_server_options_require_identity(options));
  }
  nen_session **session = own_session();
  int32_t code = nen_server_accept(server_with(options), OF(octets(vector, "body")), number(file, "nowMs"),
                                   session, own_buffer());
  if (succeeds(vector, code)) {
    equal_identity(*session, vector);
  }
}

static void handshake_answer(const json_t *file, const json_t *vector) {
  nen_session **session = own_session();
  int32_t code = nen_handshake_finish(handshake_of(file, own_buffer()), (uint16_t)number(vector, "status"),
                                      OF(octets(vector, "body")), number(file, "nowMs"), session);
  if (succeeds(vector, code)) {
    static const uint8_t zero[NEN_NONCE_SIZE];
    nen_buffer *sealed = own_buffer();
    equal_id(*session, text(vector, "sid"));
    ok(nen_session_seal(*session, zero, sizeof zero, (const uint8_t *)"nen", 3, sealed));
    equal("sealed", content(*sealed), octets(vector, "sealed"));
  }
}

static void identity_key(const json_t *file, const json_t *vector) {
  (void)file;
  if (!has(vector, "pkcs8Hex")) {
    if (succeeds(vector, nen_server_options_allow_identity(server_options(), OF(octets(vector, "spki"))))) {
      fail("no error came");
    }
    return;
  }
  nen_identity **identity = own_identity();
  bytes given = octets(vector, "pkcs8");
  if (succeeds(vector, nen_identity_from_pkcs8(OF(given), identity))) {
    nen_buffer *secret = own_buffer(), *public_key = own_buffer();
    ok(nen_identity_to_pkcs8(*identity, secret));
    ok(nen_identity_public_key(*identity, public_key));
    equal("pkcs8", content(*secret), given);
    equal("spki", content(*public_key), octets(vector, "spki"));
  }
}

static void identity_signature(const json_t *file, const json_t *vector) {
  (void)file;
  bytes key = octets(vector, "spki");
  ok(nen_server_options_allow_identity(server_options(), OF(key)));
  succeeds(vector,
           nen_identity_verify(OF(key), OF(octets(vector, "message")), OF(octets(vector, "signature"))));
}

/* ── servers ── */

static nen_request_headers picked_headers(const json_t *request) {
  list lines = octets_list(request, "headers");
  nen_header *all = own_memory(lines.count * sizeof *all);
  nen_request_headers picked;
  for (size_t i = 0; i < lines.count; i++) {
    const char *line = (const char *)lines.items[i].data;
    const char *colon = memchr(line, ':', lines.items[i].len);
    if (colon == NULL || strncmp(colon, ": ", 2) != 0) {
      fail("a header has no name");
    }
    all[i].name = (nen_str){line, (size_t)(colon - line)};
    all[i].value = (nen_str){colon + 2, lines.items[i].len - (size_t)(colon + 2 - line)};
  }
  ok(nen_request_headers_pick(all, lines.count, &picked));
  return picked;
}

/* The answer has these members and no other. */
static void equal_members(bytes answer, const json_t *request) {
  const json_t *object = parsed(answer), *names = array(request, "members");
  equal_number("members", json_object_size(object), json_array_size(names));
  for (size_t i = 0; i < json_array_size(names); i++) {
    const char *name = json_string_value(json_array_get(names, i));
    if (name == NULL || !has(object, name)) {
      fail("a member is missing");
    }
  }
}

static void step(const nen_server *server, const nen_store *store, const json_t *request) {
  uint64_t now = number(request, "nowMs");
  nen_str method = text(request, "method"), target = text(request, "target");
  int has_body = has(request, "body") || has(request, "bodyHex");
  bytes body = has_body ? octets(request, "body") : as_bytes(NULL, 0);
  nen_request_headers headers = picked_headers(request);
  nen_buffer *out = own_buffer();
  uint16_t status;
  int32_t route, code;
  ok(nen_server_route(server, OF(method), OF(target), &route));
  if (route == NEN_ROUTE_NOT_FOUND) {
    equal_number("status", 404, number(request, "status"));
  } else if (route == NEN_ROUTE_APPLICATION) {
    nen_exchange **exchange = own_exchange();
    code = nen_server_admit(server, store, &headers, OF(method), OF(target), now, exchange);
    if (succeeds(request, code == NEN_OK ? nen_exchange_open(*exchange, OF(body), out) : code)) {
      equal_plaintext(request, *out);
    }
  } else {
    code = nen_server_respond(server, store, route, &headers, OF(method), OF(target), OF(body), now, &status,
                              out);
    if (succeeds(request, code)) {
      equal_number("status", status, number(request, "status"));
      if (has(request, "members")) {
        equal_members(content(*out), request);
      } else {
        equal("answer", content(*out), text_bytes(request, "answer"));
      }
    }
  }
}

static void server(const json_t *file, const json_t *vector) {
  nen_server_options *options = server_options();
  nen_store *store = memory_store(number_or(vector, "maxNoncesPerSession", 0));
  const json_t *sessions = array(file, "sessions"), *steps = array(vector, "steps");
  if (has(vector, "strict")) {
    ok(nen_server_options_set_strict(options, flag(vector, "strict")));
  }
  if (has(vector, "noncesForSession")) {
    ok(nen_server_options_set_nonces_for_session(options, flag(vector, "noncesForSession")));
  }
  if (has(vector, "requireSignedLifecycle")) {
    ok(nen_server_options_set_require_signed_lifecycle(options, flag(vector, "requireSignedLifecycle")));
  }
  if (has(vector, "maxBody")) {
    ok(nen_server_options_set_max_body(options, number(vector, "maxBody")));
  }
  nen_server *server = server_with(options);
  for (size_t i = 0; i < json_array_size(sessions); i++) {
    ok(nen_store_set(store, session_of(json_array_get(sessions, i)), 0));
  }
  for (size_t i = 0; i < json_array_size(steps); i++) {
    step(server, store, json_array_get(steps, i));
  }
}

/* ── clients ── */

static void answer(const json_t *file, const json_t *vector) {
  nen_client *client = client_of(file);
  uint64_t now = number(file, "nowMs");
  nen_call **call = own_call();
  nen_signed_headers headers;
  nen_buffer *opened = own_buffer();
  int32_t outcome;
  ok(nen_call_new(OF(text(vector, "method")), "/", 1, call));
  ok(nen_call_seal(*call, client, NULL, 0, now, &headers, own_buffer()));
  int32_t code = nen_call_open(*call, client, (uint16_t)number(vector, "status"), NULL, 0,
                               OF(octets(vector, "body")), now, &outcome, opened);
  if (!succeeds(vector, code)) {
    return;
  }
  switch (outcome) {
  case NEN_OUTCOME_ANSWER:
    equal_plaintext(vector, *opened);
    break;
  case NEN_OUTCOME_FOREIGN:
    equal_text("outcome", "foreign", text(vector, "outcome"));
    break;
  case NEN_OUTCOME_REESTABLISH:
    equal_text("outcome", "reestablish", text(vector, "outcome"));
    break;
  default:
    fail("to be repeated");
  }
}

static int32_t lifecycle_route(const char *action) {
  static const struct {
    const char *action;
    int32_t route;
  } routes[] = {
      {"status", NEN_ROUTE_STATUS},
      {"terminate", NEN_ROUTE_TERMINATE},
      {"rotate", NEN_ROUTE_ROTATE},
  };
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    if (strcmp(action, routes[i].action) == 0) {
      return routes[i].route;
    }
  }
  fail("no action %s", action);
  return -1;
}

static void lifecycle_answer(const json_t *file, const json_t *vector) {
  nen_client *client = client_of(file);
  uint64_t now = number(file, "nowMs");
  const char *action = text(vector, "action").data;
  nen_lifecycle_call **call = own_lifecycle_call();
  nen_signed_headers headers;
  char target[64];
  int32_t outcome, done;
  snprintf(target, sizeof target, "/api/nen/%s", action);
  ok(nen_lifecycle_call_new(lifecycle_route(action), target, strlen(target), call));
  ok(nen_lifecycle_call_seal(*call, client, now, &headers, own_buffer()));
  int32_t code = nen_lifecycle_call_open(*call, client, (uint16_t)number(vector, "status"), NULL, 0,
                                         OF(octets(vector, "body")), now, &outcome, &done);
  if (!succeeds(vector, code)) {
    return;
  }
  switch (outcome) {
  case NEN_OUTCOME_DONE:
    equal_number("done", (uint64_t)done, (uint64_t)flag(vector, "done"));
    break;
  case NEN_OUTCOME_REESTABLISH:
    equal_text("outcome", "reestablish", text(vector, "outcome"));
    break;
  default:
    fail("to be repeated");
  }
}

static const nen_session *current_session(const nen_client *client) {
  nen_session **session = own_session();
  ok(nen_client_session(client, session));
  return *session;
}

/* A stream of given frames, each of which is what sealing its chunk gives. */
static bytes framed(const nen_session *session, const json_t *vector) {
  list frames = octets_list(vector, "frames"), nonces = octets_list(vector, "nonces"),
       chunks = octets_list(vector, "chunks");
  equal_number("frames", frames.count, chunks.count + 1);
  equal_number("nonces", nonces.count, chunks.count + 1);
  size_t length = 0, room = 0;
  for (size_t i = 0; i < frames.count; i++) {
    room += strlen("data: \n\n") + frames.items[i].len;
  }
  char *body = own_memory(room + 1);
  for (size_t i = 0; i < frames.count; i++) {
    nen_buffer *sealed = own_buffer();
    bytes chunk = i < chunks.count ? chunks.items[i] : as_bytes("__FIN__", strlen("__FIN__"));
    ok(nen_session_seal(session, OF(nonces.items[i]), OF(chunk), sealed));
    equal("frame", base64(content(*sealed)), frames.items[i]);
    length += (size_t)snprintf(body + length, room + 1 - length, "data: %.*s\n\n", (int)frames.items[i].len,
                               (const char *)frames.items[i].data);
  }
  return as_bytes(body, length);
}

/* Opens a stream that comes in pieces of this size; its chunks are those that are expected, and no others. */
static int32_t open_stream(const nen_session *session, const json_t *vector, bytes body, size_t size) {
  list expected = octets_list(vector, "chunks");
  nen_stream_opener **opener = own_stream_opener();
  size_t count = 0;
  int32_t code = nen_stream_opener_new(session, OF(text(vector, "nonceHeader")),
                                       number_or(vector, "maxChunk", NEN_DEFAULT_MAX_CHUNK), opener);
  for (size_t at = 0; code == NEN_OK && at < body.len; at += size) {
    ok(nen_stream_opener_push(*opener, body.data + at, size < body.len - at ? size : body.len - at));
    for (int32_t state = NEN_STREAM_CHUNK; state == NEN_STREAM_CHUNK;) {
      nen_buffer *chunk = own_buffer();
      code = nen_stream_opener_next(*opener, &state, chunk);
      if (code != NEN_OK || state != NEN_STREAM_CHUNK) {
        break;
      }
      if (count == expected.count) {
        fail("a chunk too many");
      }
      equal("chunk", content(*chunk), expected.items[count++]);
    }
  }
  equal_number("chunks", count, expected.count);
  return code == NEN_OK ? nen_stream_opener_end(*opener) : code;
}

static void stream(const json_t *file, const json_t *vector) {
  const nen_session *session = current_session(client_of(file));
  int frames = has(vector, "frames");
  bytes body = frames ? framed(session, vector) : octets(vector, "body");
  /* In one piece, and byte by byte. */
  const size_t sizes[] = {body.len > 0 ? body.len : 1, 1};
  for (size_t i = 0; i < 2; i++) {
    if (succeeds(vector, open_stream(session, vector, body, sizes[i])) && !frames &&
        !flag(vector, "complete")) {
      fail("it is complete");
    }
  }
}

/* ── stores ── */

/* The first `count` store keys of a vector. */
static nen_store_keys *store_keys(const json_t *vector, size_t count) {
  list all = octets_list(vector, "storeKeys");
  nen_store_keys **keys = own_store_keys();
  size_t length = 0, room = 1;
  for (size_t i = 0; i < all.count; i++) {
    room += all.items[i].len + 1;
  }
  char *text = own_memory(room);
  for (size_t i = 0; i < all.count && i < count; i++) {
    length += (size_t)snprintf(text + length, room - length, "%s%.*s", i > 0 ? "," : "",
                               (int)all.items[i].len, (const char *)all.items[i].data);
  }
  ok(nen_store_keys_new(text, length, keys));
  return *keys;
}

static void record(const json_t *file, const json_t *vector) {
  (void)file;
  nen_str sid = text(vector, "sid");
  nen_store_keys *keys = store_keys(vector, SIZE_MAX);
  nen_session **session = own_session(), **again = own_session();
  nen_buffer *written = own_buffer();
  int32_t code =
      nen_store_keys_read(keys, OF(sid), OF(octets(vector, "record")), number(vector, "ttlMs"), session);
  if (succeeds(vector, code)) {
    bytes plain = text_bytes(vector, "plain");
    equal_record(*session, plain);
    ok(nen_store_keys_write(keys, *session, written));
    ok(nen_store_keys_read(store_keys(vector, 1), OF(sid), OF(*written), 0, again));
    equal_record(*again, plain);
  }
}

static void shared_key(const json_t *file, const json_t *vector) {
  (void)file;
  nen_str sid = text(vector, "sid");
  bytes nonce = octets(vector, "nonce");
  char record_key[NEN_RECORD_KEY_SIZE], nonce_key[NEN_NONCE_KEY_SIZE];
  ok(nen_record_key(OF(sid), record_key, sizeof record_key));
  ok(nen_nonce_key(OF(sid), OF(nonce), nonce_key, sizeof nonce_key));
  equal_text("recordKey", record_key, text(vector, "recordKey"));
  equal_text("nonceKey", nonce_key, text(vector, "nonceKey"));
  /* What the keys are for: a claim of one is one of the other. */
  nen_store *store = memory_store(0);
  int32_t first, second;
  ok(nen_store_claim_nonce(store, OF(sid), OF(nonce), 0, 0, &first));
  ok(nen_store_claim_nonce(store, OF(sid), OF(nonce), 0, 0, &second));
  if (first != NEN_CLAIM_FRESH || second != NEN_CLAIM_REPLAY) {
    fail("a nonce can be claimed twice");
  }
}

static void error(const json_t *file, const json_t *vector) {
  (void)file;
  nen_str name = text(vector, "name");
  int32_t code = 0;
  for (size_t i = 0; (code = nen_error_at(i)) != 0 && strcmp(nen_error_code(code), name.data) != 0; i++) {
  }
  if (code == 0) {
    fail("no such code");
  }
  nen_buffer *body = own_buffer();
  uint16_t status;
  equal_number("status", nen_error_http_status(code), number(vector, "status"));
  equal_text("symbol", nen_error_name(code), text(vector, "symbol"));
  ok(nen_error_answer(code, &status, body));
  equal_number("status", status, number(vector, "status"));
  equal("body", content(*body), text_bytes(vector, "body"));
}

/* ── the files ── */

typedef void check(const json_t *file, const json_t *vector);

static const struct {
  const char *kind;
  check *check;
} checks[] = {
    {"answer", answer},
    {"canonicalString", canonical_string},
    {"error", error},
    {"handshake", handshake},
    {"handshakeAnswer", handshake_answer},
    {"handshakeRequest", handshake_request},
    {"identityKey", identity_key},
    {"identitySignature", identity_signature},
    {"lifecycleAnswer", lifecycle_answer},
    {"record", record},
    {"sealed", sealed},
    {"server", server},
    {"sharedKey", shared_key},
    {"stream", stream},
};

static int passed, failed;

static void run_vector(const char *stem, const json_t *file, const json_t *vector) {
  if (setjmp(vector_failed) == 0) {
    const char *kind = text(file, "kind").data;
    size_t i = 0;
    while (i < sizeof checks / sizeof *checks && strcmp(kind, checks[i].kind) != 0) {
      i++;
    }
    if (i == sizeof checks / sizeof *checks) {
      fail("no runner for %s", kind);
    }
    checks[i].check(file, vector);
    passed++;
  } else {
    const char *name = json_string_value(json_object_get(vector, "name"));
    printf("not ok %s/%s: %s\n", stem, name != NULL ? name : "", why);
    failed++;
  }
  free_owned();
}

static void run_file(const char *stem, bytes content) {
  json_t *file =
      json_loadb((const char *)content.data, content.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
  const json_t *vectors = json_object_get(file, "vectors");
  if (json_array_size(vectors) == 0) {
    printf("not ok %s: it holds no vectors\n", stem);
    failed++;
  }
  for (size_t i = 0; i < json_array_size(vectors); i++) {
    run_vector(stem, file, json_array_get(vectors, i));
  }
  json_decref(file);
}

static void out_of_reach(const char *path) {
  perror(path);
  exit(2);
}

/* A whole file, to be freed. */
static bytes read_file(const char *directory, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    out_of_reach(path);
  }
  long length = ftell(file);
  rewind(file);
  void *data = length >= 0 ? malloc((size_t)length + 1) : NULL;
  if (data == NULL || fread(data, 1, (size_t)length, file) != (size_t)length) {
    out_of_reach(path);
  }
  fclose(file);
  return as_bytes(data, (size_t)length);
}

static int is_vectors(const struct dirent *entry) {
  size_t length = strlen(entry->d_name);
  return length > strlen(".json") && strcmp(entry->d_name + length - strlen(".json"), ".json") == 0 &&
         strcmp(entry->d_name, "schema.json") != 0;
}

/* Writes a line of SHA256SUMS. */
static void add_sum(FILE *sums, const char *name, bytes content) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(OF(content), digest, &size, EVP_sha256(), NULL) != 1) {
    out_of_reach(name);
  }
  for (unsigned int i = 0; i < size; i++) {
    fprintf(sums, "%02x", digest[i]);
  }
  fprintf(sums, "  %s\n", name);
}

int main(void) {
  const char *directory = getenv("NEN_VECTORS");
  struct dirent **entries;
  int count = directory != NULL ? scandir(directory, &entries, is_vectors, alphasort) : 0;
  if (count < 0) {
    out_of_reach(directory);
  }
  char *sums = NULL;
  size_t sums_size = 0;
  FILE *summed = open_memstream(&sums, &sums_size);
  if (summed == NULL) {
    out_of_reach("sums");
  }
  for (int i = 0; i < count; i++) {
    bytes content = read_file(directory, entries[i]->d_name);
    add_sum(summed, entries[i]->d_name, content);
    entries[i]->d_name[strlen(entries[i]->d_name) - strlen(".json")] = '\0';
    run_file(entries[i]->d_name, content);
    free((void *)(uintptr_t)content.data);
    free(entries[i]);
  }
  fclose(summed);
  if (count > 0) {
    free(entries);
    bytes listed = read_file(directory, "SHA256SUMS");
    int same = listed.len == sums_size && memcmp(listed.data, sums, sums_size) == 0;
    passed += same;
    failed += !same;
    if (!same) {
      puts("not ok SHA256SUMS: it does not list these files");
    }
    free((void *)(uintptr_t)listed.data);
  }
  free(sums);
  printf("%d passed, %d failed\n", passed, failed);
  return passed > 0 && failed == 0 ? 0 : 1;
}
