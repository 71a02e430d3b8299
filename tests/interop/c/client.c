/* The steps that every client of nen must pass against a server, taken by the client of bindings/c/examples:
 * client BASE_URL prints a line for each.
 */

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>

#include "common.h"
#include "http.h"
#include "sealed_client.h"

#define CONCURRENT 16

static http *origin;          /* what the clients send through, which is watched */
static http *bare;            /* past them */
static sealed_client *client; /* the one that most steps are about */
static int passed, failed;

/* Why a step failed, and several threads of it may. */
static char why[512];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int fails(const char *what, const char *detail) {
  pthread_mutex_lock(&lock);
  snprintf(why, sizeof why, "%s %s", what, detail);
  pthread_mutex_unlock(&lock);
  return 0;
}

static int returned(int32_t expected, int32_t code) {
  if (code == expected) {
    return 1;
  }
  const char *name = nen_error_code(code) ? nen_error_code(code) : nen_error_name(code);
  return fails(name ? name : code == NEN_OK ? "no failure" : "no answer", nen_last_detail());
}

/* End a step that does not do what it must. */
#define REQUIRE(condition)                                                                                   \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      return fails("does not hold:", #condition);                                                            \
    }                                                                                                        \
  } while (0)
#define RETURNS(expected, call)                                                                              \
  do {                                                                                                       \
    if (!returned(expected, call)) {                                                                         \
      return 0;                                                                                              \
    }                                                                                                        \
  } while (0)
#define OK(call) RETURNS(NEN_OK, call)
#define HOLDS(call)                                                                                          \
  do {                                                                                                       \
    if (!(call)) {                                                                                           \
      return 0;                                                                                              \
    }                                                                                                        \
  } while (0)

typedef struct {
  const char *name;
  int (*run)(void);
} step;

static void run_step(step step) {
  why[0] = '\0';
  if (step.run()) {
    passed++;
    printf("ok %s\n", step.name);
  } else {
    failed++;
    printf("not ok %s: %s\n", step.name, why);
  }
}

/* ── what went over the network ── */

#define MOST_SEEN (4 * CONCURRENT)

static struct {
  char seen[MOST_SEEN][64]; /* as "STATUS /path" */
  size_t count;
  char refusal[256];
  int gathered;              /* whether the first CONCURRENT answers wait for one another */
  pthread_barrier_t barrier; /* where they do */
} network;

static void watch(void *context, const http_request *request, const http_answer *answer) {
  (void)context;
  pthread_mutex_lock(&lock);
  int wait = network.gathered && network.count < CONCURRENT;
  if (network.count < MOST_SEEN) {
    snprintf(network.seen[network.count++], sizeof *network.seen, "%u %s", answer->status, request->target);
  }
  if (answer->status >= 400) {
    snprintf(network.refusal, sizeof network.refusal, "%.*s", (int)answer->body_len,
             answer->body ? (const char *)answer->body : "");
  }
  pthread_mutex_unlock(&lock);
  if (wait) {
    pthread_barrier_wait(&network.barrier);
  }
}

static void forget(int gathered) {
  pthread_mutex_lock(&lock);
  network.count = 0;
  network.gathered = gathered;
  pthread_mutex_unlock(&lock);
}

static size_t count(const char *status, const char *target) {
  char wanted[sizeof *network.seen];
  size_t found = 0;
  snprintf(wanted, sizeof wanted, "%s %s", status, target);
  for (size_t i = 0; i < network.count; i++) {
    found += strcmp(network.seen[i], wanted) == 0;
  }
  return found;
}

/* Since forget() the client has asked for this alone, once. */
static int asked_once(const char *status, const char *target) {
  REQUIRE(network.count == 1 && count(status, target) == 1);
  return 1;
}

/* ── requests ── */

static const char secret[] =
    "{\"secret\":\"Only the endpoint that needs this can read it\",\"n\":[1,2.5,null,\"\\u00fc\"]}";

static json_t *parse(const char *text) {
  return text == NULL ? json_null() : json_loads(text, JSON_DECODE_ANY, NULL);
}

/* A request is answered with this status and this JSON, which is used up; with none if it is NULL. */
static int answers(sealed_client *asked, const char *method, const char *target, const char *body,
                   uint16_t expected_status, json_t *expected) {
  uint16_t status = 0;
  nen_buffer opened = {0};
  int32_t code = sealed_client_request(asked, method, target, body, &status, &opened);
  json_t *json = opened.len == 0 ? NULL : json_loadb((char *)opened.data, opened.len, JSON_DECODE_ANY, NULL);
  int as_expected = expected == NULL ? opened.len == 0 : json_equal(json, expected);
  nen_buffer_free(&opened);
  json_decref(json);
  json_decref(expected);
  OK(code);
  REQUIRE(status == expected_status);
  REQUIRE(as_expected);
  return 1;
}

static int echoes(const char *method, const char *target, const char *body) {
  return answers(client, method, target, body, 200,
                 json_pack("{s:s, s:o}", "message", "Securely processed", "received", parse(body)));
}

/* A request that only names a session is answered with this status and JSON like this, which is used up: each
 * member of it is there. */
static int bare_answers(const char *method, const char *target, const char *session, uint16_t expected_status,
                        json_t *like) {
  const http_header headers[] = {{nen_session_header(), session}, {NULL, NULL}};
  const http_request request = {method, target, headers, NULL, 0};
  http_answer answer;
  int sent = http_send(bare, &request, NULL, NULL, &answer) == 0;
  uint16_t status = answer.status;
  json_t *json = json_loadb(answer.body ? (char *)answer.body : "", answer.body_len, 0, NULL);
  json_t *updated = json_deep_copy(json);
  int as_expected = json_object_update_recursive(updated, like) == 0 && json_equal(json, updated);
  json_decref(updated);
  json_decref(json);
  json_decref(like);
  http_answer_free(&answer);
  REQUIRE(sent);
  REQUIRE(status == expected_status);
  REQUIRE(as_expected);
  return 1;
}

static int is_refused(const char *session, const char *code) {
  return bare_answers("GET", "/api/secure-data", session, 401, json_pack("{s:{s:s}}", "error", "code", code));
}

/* ── streams ── */

#define MOST_CHUNKS 8
#define DELAY_MS 200

typedef struct {
  char chunks[MOST_CHUNKS][32];
  uint64_t times[MOST_CHUNKS];
  size_t count;
} chunk_list;

static int32_t keep_chunk(void *context, nen_buffer chunk) {
  chunk_list *list = context;
  if (list->count == MOST_CHUNKS || chunk.len >= sizeof *list->chunks) {
    return NEN_ISO_INTERNAL;
  }
  memcpy(list->chunks[list->count], chunk.data, chunk.len);
  list->times[list->count++] = now_ms();
  return NEN_OK;
}

/* A stream ends like this, after these chunks, each of which is followed by `mark`. */
static int streams(const char *method, const char *target, const char *body, int32_t end, const char *mark,
                   const char *chunks, chunk_list *list) {
  char all[MOST_CHUNKS * (sizeof *list->chunks + 1)] = "";
  memset(list, 0, sizeof *list);
  RETURNS(end, sealed_client_stream(client, method, target, body, keep_chunk, list));
  for (size_t i = 0; i < list->count; i++) {
    strcat(strcat(all, list->chunks[i]), mark);
  }
  return strcmp(all, chunks) == 0 ? 1 : fails("the chunks were", all);
}

/* ── the steps ── */

static int handshake(void) {
  int alive;
  OK(sealed_client_handshake(client));
  HOLDS(asked_once("200", "/api/nen/handshake"));
  OK(sealed_client_status(client, &alive));
  REQUIRE(alive);
  return 1;
}

static int post(void) {
  return echoes("POST", "/api/secure-data", secret);
}

static int get(void) {
  return echoes("GET", "/api/secure-data", NULL);
}

static int put(void) {
  return echoes("PUT", "/api/secure-data", secret);
}

static int patch(void) {
  return echoes("PATCH", "/api/secure-data", secret);
}

static int delete(void) {
  return echoes("DELETE", "/api/secure-data", secret);
}

static int head(void) {
  return answers(client, "HEAD", "/api/secure-data", NULL, 200, NULL);
}

static int path(void) {
  return answers(client, "GET", "/api/notes/caf%C3%A9%20au%20lait", NULL, 200,
                 json_pack("{s:s}", "id", "caf\xc3\xa9 au lait"));
}

static int created(void) {
  return answers(client, "POST", "/api/created", secret, 201, json_pack("{s:o}", "created", parse(secret)));
}

static int boom(void) {
  uint16_t status;
  nen_buffer opened = {0};
  json_error_t error;
  const char *code, *message;
  RETURNS(NEN_ISO_INTERNAL, sealed_client_request(client, "POST", "/api/boom", "{}", &status, &opened));
  /* "!": and nothing else is in it. */
  json_t *refusal = parse(network.refusal);
  int plain = json_unpack_ex(refusal, &error, 0, "{s:{s:s, s:s !} !}", "error", "code", &code, "message",
                             &message) == 0;
  json_decref(refusal);
  REQUIRE(plain && strstr(network.refusal, "kaboom") == NULL);
  return 1;
}

static int stream_post(void) {
  chunk_list list;
  HOLDS(streams("POST", "/api/chat", "{\"prompt\":\"one two three\",\"delayMs\":200}", NEN_OK, "|",
                "one |two |three |", &list));
  for (size_t i = 1; i < list.count; i++) {
    /* One that was held back until the next, or until the end, comes together with it. */
    REQUIRE(list.times[i] - list.times[i - 1] > DELAY_MS / 2);
  }
  /* What looks like the end mark does not end it; in how many pieces it comes is not said. */
  return streams("POST", "/api/chat", "{\"prompt\":\"a __FIN__ b\",\"exact\":true}", NEN_OK, "", "a__FIN__b",
                 &list);
}

static int stream_get(void) {
  chunk_list list;
  return streams("GET", "/api/chat", NULL, NEN_OK, "|", "secure |streaming |works |", &list);
}

static int32_t known_client(const nen_identity *identity, sealed_client **out) {
  nen_client_options *options = NULL;
  int32_t code = nen_client_options_new(&options);
  if (code == NEN_OK) {
    code = nen_client_options_set_identity(options, identity);
  }
  if (code == NEN_OK) {
    code = sealed_client_new(origin, options, out);
  }
  nen_client_options_free(options);
  return code;
}

static int is_known(const nen_identity *identity, sealed_client **known, nen_buffer *public_key) {
  OK(nen_identity_public_key(identity, public_key));
  OK(known_client(identity, known));
  OK(sealed_client_handshake(*known));
  char *text = base64(*public_key);
  json_t *expected = json_pack("{s:s}", "identity", text);
  free(text);
  HOLDS(answers(*known, "POST", "/api/whoami", "{}", 200, expected));
  HOLDS(answers(client, "POST", "/api/whoami", "{}", 200, json_pack("{s:n}", "identity")));
  OK(sealed_client_terminate(*known));
  return 1;
}

static int identity(void) {
  nen_identity *identity = NULL;
  sealed_client *known = NULL;
  nen_buffer public_key = {0};
  OK(nen_identity_generate(&identity));
  int holds = is_known(identity, &known, &public_key);
  sealed_client_free(known);
  nen_identity_free(identity);
  nen_buffer_free(&public_key);
  return holds;
}

static int rotate(void) {
  char old[NEN_SESSION_ID_SIZE], new[NEN_SESSION_ID_SIZE];
  OK(sealed_client_session_id(client, old));
  HOLDS(is_refused(old, "ISO-3005")); /* it lives: only the nonce is missing */
  OK(sealed_client_rotate(client));
  OK(sealed_client_session_id(client, new));
  REQUIRE(strcmp(old, new) != 0);
  HOLDS(is_refused(old, "ISO-2002"));
  forget(0);
  HOLDS(echoes("POST", "/api/secure-data", secret));
  return asked_once("200", "/api/secure-data");
}

static void *echo_number(void *number) {
  return echoes("POST", "/api/secure-data", number) ? number : NULL;
}

/* So many calls, all under way when they find the session dead, shake hands once. */
static int recovers(size_t calls) {
  char id[NEN_SESSION_ID_SIZE], numbers[CONCURRENT][sizeof "0xffffffff"];
  pthread_t threads[CONCURRENT];
  size_t answered = 0;
  OK(sealed_client_session_id(client, id));
  HOLDS(bare_answers("POST", "/api/nen/terminate", id, 200, json_pack("{s:b}", "success", 1)));
  forget(calls == CONCURRENT);
  for (size_t i = 0; i < calls; i++) {
    snprintf(numbers[i], sizeof numbers[i], "%u", (unsigned)i);
    REQUIRE(pthread_create(&threads[i], NULL, echo_number, numbers[i]) == 0);
  }
  for (size_t i = 0; i < calls; i++) {
    void *number;
    REQUIRE(pthread_join(threads[i], &number) == 0);
    answered += number == numbers[i];
  }
  HOLDS(answered == calls);
  REQUIRE(count("401", "/api/secure-data") == calls);
  REQUIRE(count("200", "/api/nen/handshake") == 1);
  REQUIRE(network.count == 2 * calls + 1);
  return 1;
}

static int recover(void) {
  return recovers(1) && recovers(CONCURRENT);
}

static int terminate(void) {
  char id[NEN_SESSION_ID_SIZE];
  int alive;
  OK(sealed_client_status(client, &alive));
  REQUIRE(alive);
  OK(sealed_client_session_id(client, id));
  HOLDS(bare_answers("GET", "/api/nen/status", id, 200, json_pack("{s:b}", "valid", 1)));
  OK(sealed_client_terminate(client));
  OK(sealed_client_status(client, &alive));
  REQUIRE(!alive);
  return bare_answers("GET", "/api/nen/status", id, 401, json_pack("{s:b}", "valid", 0));
}

/* ── a server that lies ── */

/* The server answers 200: it is the client that finds the lie, and it does not ask again. */
static int refuses(const char *target, int32_t code) {
  uint16_t status;
  nen_buffer opened = {0};
  forget(0);
  RETURNS(code, sealed_client_request(client, "POST", target, secret, &status, &opened));
  return asked_once("200", target);
}

static int refuses_stream(const char *target, int32_t code, const char *chunks) {
  chunk_list list;
  forget(0);
  HOLDS(streams("POST", target, secret, code, "|", chunks, &list));
  return asked_once("200", target);
}

static int tampered(void) {
  return refuses("/api/faults/tampered", NEN_ISO_CRYPTO_DECRYPT_FAILED);
}

static int plaintext(void) {
  return refuses("/api/faults/plaintext", NEN_ISO_WIRE_INVALID_PAYLOAD_FORMAT);
}

static int reflected(void) {
  return refuses("/api/faults/reflected", NEN_ISO_REPLAY_NONCE_REUSED);
}

static int truncated(void) {
  return refuses_stream("/api/faults/truncated", NEN_ISO_STREAM_TRUNCATED, "one |two |three |four |");
}

static int no_stream_nonce(void) {
  return refuses_stream("/api/faults/no-stream-nonce", NEN_ISO_STREAM_MISSING_NONCE_HEADER, "");
}

static int reordered(void) {
  return refuses_stream("/api/faults/reordered", NEN_ISO_CRYPTO_DECRYPT_FAILED, "one |");
}

static int stale_clock(void) {
  const char *target = "/api/faults/stale-clock";
  forget(0);
  HOLDS(echoes("POST", target, secret));
  REQUIRE(network.count == 2 && count("401", target) == 1 && count("200", target) == 1);
  return 1;
}

static int has_faults(void) {
  const http_request request = {"GET", "/api/faults", NULL, NULL, 0};
  http_answer answer;
  int found = http_send(bare, &request, NULL, NULL, &answer) == 0 && answer.status == 200;
  http_answer_free(&answer);
  return found;
}

/* ── the process ── */

static const step steps[] = {
    {"handshake", handshake},
    {"post", post},
    {"get", get},
    {"put", put},
    {"patch", patch},
    {"delete", delete},
    {"head", head},
    {"path", path},
    {"created", created},
    {"boom", boom},
    {"stream-post", stream_post},
    {"stream-get", stream_get},
    {"identity", identity},
    {"rotate", rotate},
    {"recover", recover},
    {"terminate", terminate},
};

static const step fault_steps[] = {
    {"fault-tampered", tampered},
    {"fault-plaintext", plaintext},
    {"fault-reflected", reflected},
    {"fault-truncated", truncated},
    {"fault-no-stream-nonce", no_stream_nonce},
    {"fault-reordered", reordered},
    {"fault-stale-clock", stale_clock},
};

static void run_all(void) {
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    run_step(steps[i]);
  }
  if (has_faults()) {
    /* If this fails, each step does, for want of a session. */
    (void)returned(NEN_OK, sealed_client_handshake(client));
    for (size_t i = 0; i < sizeof fault_steps / sizeof *fault_steps; i++) {
      run_step(fault_steps[i]);
    }
  }
  printf("%d passed, %d failed\n", passed, failed);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fputs("usage: client BASE_URL\n", stderr);
    return 2;
  }
  setvbuf(stdout, NULL, _IONBF, 0);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  pthread_barrier_init(&network.barrier, NULL, CONCURRENT);
  origin = http_new(argv[1], nen_stream_nonce_header());
  bare = http_new(argv[1], nen_stream_nonce_header());
  if (origin == NULL || bare == NULL || sealed_client_new(origin, NULL, &client) != NEN_OK) {
    fputs("out of memory\n", stderr);
    return 1;
  }
  http_watch(origin, watch, NULL);
  run_all();
  sealed_client_free(client);
  http_free(origin);
  http_free(bare);
  pthread_barrier_destroy(&network.barrier);
  curl_global_cleanup();
  return failed == 0 ? 0 : 1;
}
