/* Stores of the caller's own: one that works plays a whole exchange, by itself and step by step; ones that
 * fail, lie or are put together wrongly get their users a code and nothing else. */

#include <pthread.h>
#include <sched.h>

#include "check.h"

/* ── a store in a table, and its faults ── */

#define ROOM 8

typedef struct {
  pthread_mutex_t lock;
  nen_session *sessions[ROOM];
  uint8_t nonces[64][NEN_NONCE_SIZE];
  size_t nonce_count;
  int replaced, destroyed;
  /* Faults. */
  int32_t get_code, set_code, remove_code, claim_code, claim;
  int lost;              /* no session is ever there */
  nen_session *mistaken; /* handed out in place of any */
} table;

static int named(const nen_session *session, const char *id, size_t id_len) {
  char own[NEN_SESSION_ID_SIZE];
  CHECK(id_len == sizeof own - 1 && id[id_len] == '\0');
  OK(nen_session_id(session, own, sizeof own));
  return memcmp(own, id, id_len) == 0;
}

static nen_session **find(table *table, const char *id, size_t id_len) {
  for (size_t i = 0; i < ROOM; i++) {
    if (table->sessions[i] != NULL && named(table->sessions[i], id, id_len)) {
      return &table->sessions[i];
    }
  }
  return NULL;
}

static int32_t get(void *ctx, const char *id, size_t id_len, uint64_t now_ms, nen_session **out) {
  (void)now_ms;
  table *table = ctx;
  CHECK(*out == NULL);
  if (table->mistaken != NULL) {
    return nen_session_clone(table->mistaken, out);
  }
  pthread_mutex_lock(&table->lock);
  nen_session **found = table->lost ? NULL : find(table, id, id_len);
  if (found != NULL) {
    OK(nen_session_clone(*found, out));
  }
  pthread_mutex_unlock(&table->lock);
  if (table->get_code != NEN_OK && *out != NULL) {
    /* What a function that fails has set is its own. */
    nen_session_free(*out);
    memset(out, 0x5a, sizeof *out);
  }
  return table->get_code;
}

static int32_t set(void *ctx, const nen_session *session, uint64_t now_ms) {
  (void)now_ms;
  table *table = ctx;
  if (table->set_code != NEN_OK) {
    return table->set_code;
  }
  size_t at = 0;
  pthread_mutex_lock(&table->lock);
  while (table->sessions[at] != NULL) {
    at++;
  }
  CHECK(at < ROOM);
  OK(nen_session_clone(session, &table->sessions[at]));
  pthread_mutex_unlock(&table->lock);
  return NEN_OK;
}

static int32_t remove_session(void *ctx, const char *id, size_t id_len) {
  table *table = ctx;
  if (table->remove_code != NEN_OK) {
    return table->remove_code;
  }
  pthread_mutex_lock(&table->lock);
  nen_session **found = find(table, id, id_len);
  if (found != NULL) {
    nen_session_free(*found);
    *found = NULL;
  }
  pthread_mutex_unlock(&table->lock);
  return NEN_OK;
}

static int32_t claim_nonce(void *ctx, const char *id, size_t id_len, const uint8_t *nonce, size_t nonce_len,
                           uint64_t until_ms, uint64_t now_ms, int32_t *out_claim) {
  table *table = ctx;
  CHECK(id_len == strlen(id) && nonce_len == NEN_NONCE_SIZE && until_ms >= now_ms);
  if (table->claim_code != NEN_OK || table->claim != NEN_CLAIM_FRESH) {
    *out_claim = table->claim;
    return table->claim_code;
  }
  pthread_mutex_lock(&table->lock);
  *out_claim = NEN_CLAIM_FRESH;
  for (size_t i = 0; i < table->nonce_count; i++) {
    if (memcmp(table->nonces[i], nonce, nonce_len) == 0) {
      *out_claim = NEN_CLAIM_REPLAY;
    }
  }
  CHECK(table->nonce_count < sizeof table->nonces / sizeof *table->nonces);
  memcpy(table->nonces[table->nonce_count++], nonce, nonce_len);
  pthread_mutex_unlock(&table->lock);
  return NEN_OK;
}

static int32_t replace(void *ctx, const char *old_id, size_t old_id_len, const nen_session *session,
                       uint64_t now_ms) {
  table *table = ctx;
  int32_t code = set(ctx, session, now_ms);
  table->replaced++;
  return code == NEN_OK ? remove_session(ctx, old_id, old_id_len) : code;
}

static void destroy(void *ctx) {
  table *table = ctx;
  table->destroyed++;
  for (size_t i = 0; i < ROOM; i++) {
    nen_session_free(table->sessions[i]);
  }
}

static const nen_store_vtable vtable = {sizeof vtable, get,     set,    remove_session,
                                        claim_nonce,   replace, destroy};

static world table_world(table *table, const nen_store_vtable *functions) {
  world made = new_world(NULL, NULL);
  memset(table, 0, sizeof *table);
  table->claim = NEN_CLAIM_FRESH;
  CHECK(pthread_mutex_init(&table->lock, NULL) == 0);
  nen_store_free(made.store);
  OK(nen_store_custom_new(functions, table, &made.store));
  return made;
}

static int32_t rotate(const world *world) {
  nen_lifecycle_call *call;
  nen_signed_headers headers;
  nen_buffer body, answer = {0};
  uint16_t status;
  int32_t outcome, done;
  OK(nen_lifecycle_call_new(NEN_ROUTE_ROTATE, TEXT("/api/nen/rotate"), &call));
  OK(nen_lifecycle_call_seal(call, world->client, NOW, &headers, &body));
  nen_request_headers lent = received(&headers);
  int32_t code = nen_server_respond(world->server, world->store, NEN_ROUTE_ROTATE, &lent, TEXT("POST"),
                                    TEXT("/api/nen/rotate"), CONTENT(body), NOW, &status, &answer);
  if (code == NEN_OK) {
    OK(nen_lifecycle_call_open(call, world->client, status, NOTHING, CONTENT(answer), NOW, &outcome, &done));
    CHECK(outcome == NEN_OUTCOME_DONE);
  }
  nen_lifecycle_call_free(call);
  nen_buffer_free(&body);
  nen_buffer_free(&answer);
  return code;
}

/* A request that is admitted, opened and answered; or the code with which it is refused. */
static int32_t exchange(const world *world) {
  request request = new_request(world, "POST", "/", "{\"amount\":1840}");
  nen_exchange *exchange;
  int32_t code = admit(world, &request, "POST", "/", NOW, &exchange);
  if (code == NEN_OK) {
    nen_buffer json, answer, opened;
    uint16_t status;
    int32_t outcome;
    OK(nen_exchange_open(exchange, CONTENT(request.body), &json));
    OK(nen_exchange_seal(exchange, 200, CONTENT(json), &status, &answer));
    OK(nen_call_open(request.call, world->client, status, NOTHING, CONTENT(answer), NOW, &outcome, &opened));
    CHECK(outcome == NEN_OUTCOME_ANSWER && is(opened, "{\"amount\":1840}"));
    nen_exchange_free(exchange);
    nen_buffer_free(&json);
    nen_buffer_free(&answer);
    nen_buffer_free(&opened);
    FAILS(5001, admit(world, &request, "POST", "/", NOW, &exchange));
  }
  free_request(&request);
  return code;
}

static void current_id(const world *world, char id[NEN_SESSION_ID_SIZE]) {
  nen_session *session;
  OK(nen_client_session(world->client, &session));
  OK(nen_session_id(session, id, NEN_SESSION_ID_SIZE));
  nen_session_free(session);
}

/* ── a store that works ── */

static void whole_exchange(const nen_store_vtable *functions, int replaced) {
  table table;
  char old[NEN_SESSION_ID_SIZE];
  nen_session *session;
  world world = table_world(&table, functions);
  OK(shake_hands(&world, NOW));
  OK(exchange(&world));
  current_id(&world, old);
  OK(rotate(&world));
  CHECK(table.replaced == replaced);
  OK(exchange(&world));
  OK(nen_store_get(world.store, old, strlen(old), NOW, &session));
  CHECK(session == NULL);
  FAILS(NEN_ERR_VALUE, nen_store_sweep(world.store, NOW));
  FAILS(NEN_ERR_VALUE, nen_store_count(world.store, &(size_t){0}, &(size_t){0}));
  CHECK(table.destroyed == 0);
  free_world(&world);
  CHECK(table.destroyed == (functions->destroy != NULL));
  if (table.destroyed == 0) {
    destroy(&table);
  }
}

static void optional_members(void) {
  nen_store_vtable least = vtable;
  whole_exchange(&vtable, 1);
  least.replace = NULL;
  whole_exchange(&least, 0);
  least.destroy = NULL;
  whole_exchange(&least, 0);
}

/* What a server does whose store is its own affair. */
static void do_steps(nen_endpoint_call *call, const world *world, const int32_t *expected) {
  char id[NEN_SESSION_ID_SIZE];
  uint8_t nonce[NEN_NONCE_SIZE];
  uint64_t until;
  nen_session *session;
  int32_t step, claim;
  for (;; expected++) {
    OK(nen_endpoint_call_step(call, &step));
    CHECK(step == *expected);
    if (step != NEN_STEP_ANSWER && step != NEN_STEP_SET) {
      OK(nen_endpoint_call_session_id(call, id, sizeof id));
    }
    switch (step) {
    case NEN_STEP_GET:
      OK(nen_store_get(world->store, id, strlen(id), NOW, &session));
      OK(nen_endpoint_call_got(call, session));
      nen_session_free(session);
      break;
    case NEN_STEP_CLAIM:
      OK(nen_endpoint_call_claim(call, nonce, sizeof nonce, &until));
      OK(nen_store_claim_nonce(world->store, id, strlen(id), nonce, sizeof nonce, until, NOW, &claim));
      OK(nen_endpoint_call_claimed(call, claim));
      break;
    case NEN_STEP_SET:
    case NEN_STEP_REPLACE:
      OK(nen_endpoint_call_session(call, &session));
      OK(nen_store_set(world->store, session, NOW));
      nen_session_free(session);
      if (step == NEN_STEP_REPLACE) {
        OK(nen_store_remove(world->store, id, strlen(id)));
      }
      OK(nen_endpoint_call_stored(call));
      break;
    case NEN_STEP_REMOVE:
      OK(nen_store_remove(world->store, id, strlen(id)));
      OK(nen_endpoint_call_stored(call));
      break;
    default:
      return;
    }
  }
}

/* A request of the client's to a session endpoint, answered in these steps. */
static void lifecycle_in_steps(const world *world, int32_t route, const char *method, const char *target,
                               const int32_t *steps) {
  nen_lifecycle_call *sent;
  nen_endpoint_call *call;
  nen_signed_headers headers;
  nen_buffer body, answer;
  uint16_t status;
  int32_t outcome, done;
  OK(nen_lifecycle_call_new(route, target, strlen(target), &sent));
  OK(nen_lifecycle_call_seal(sent, world->client, NOW, &headers, &body));
  nen_request_headers lent = received(&headers);
  OK(nen_endpoint_call_new(world->server, route, &lent, method, strlen(method), target, strlen(target),
                           CONTENT(body), NOW, &call));
  do_steps(call, world, steps);
  OK(nen_endpoint_call_answer(call, &status, &answer));
  FAILS(NEN_ERR_USED_UP, nen_endpoint_call_answer(call, &status, &answer));
  OK(nen_lifecycle_call_open(sent, world->client, status, NOTHING, CONTENT(answer), NOW, &outcome, &done));
  CHECK(outcome == NEN_OUTCOME_DONE);
  nen_lifecycle_call_free(sent);
  nen_endpoint_call_free(call);
  nen_buffer_free(&body);
  nen_buffer_free(&answer);
}

static nen_endpoint_call *handshake_call(const world *world, nen_handshake **handshake) {
  nen_endpoint_call *call;
  nen_buffer hello;
  OK(nen_client_handshake(world->client, handshake, &hello));
  OK(nen_endpoint_call_new(world->server, NEN_ROUTE_HANDSHAKE, NULL, TEXT("POST"), TEXT("/api/nen/handshake"),
                           CONTENT(hello), NOW, &call));
  nen_buffer_free(&hello);
  return call;
}

static void endpoints_in_steps(void) {
  world world = new_world(NULL, NULL);
  nen_handshake *handshake;
  nen_buffer answer;
  uint16_t status;
  nen_endpoint_call *call = handshake_call(&world, &handshake);
  do_steps(call, &world, (int32_t[]){NEN_STEP_SET, NEN_STEP_ANSWER});
  OK(nen_endpoint_call_answer(call, &status, &answer));
  OK(nen_client_establish(world.client, handshake, status, CONTENT(answer), NOW));
  nen_endpoint_call_free(call);
  nen_handshake_free(handshake);
  nen_buffer_free(&answer);
  OK(exchange(&world));

  lifecycle_in_steps(&world, NEN_ROUTE_STATUS, "GET", "/api/nen/status",
                     (int32_t[]){NEN_STEP_GET, NEN_STEP_CLAIM, NEN_STEP_ANSWER});
  lifecycle_in_steps(&world, NEN_ROUTE_ROTATE, "POST", "/api/nen/rotate",
                     (int32_t[]){NEN_STEP_GET, NEN_STEP_CLAIM, NEN_STEP_REPLACE, NEN_STEP_ANSWER});
  OK(exchange(&world));
  lifecycle_in_steps(&world, NEN_ROUTE_TERMINATE, "POST", "/api/nen/terminate",
                     (int32_t[]){NEN_STEP_GET, NEN_STEP_CLAIM, NEN_STEP_REMOVE, NEN_STEP_ANSWER});
  size_t sessions, nonces;
  OK(nen_store_count(world.store, &sessions, &nonces));
  CHECK(sessions == 0);
  free_world(&world);
}

/* ── wrong tables ── */

static void wrong_vtables(void) {
  nen_store *store = NULL;
  nen_store_vtable wrong = vtable;
  table table;
  memset(&table, 0, sizeof table);
  FAILS(NEN_ERR_NULL, nen_store_custom_new(NULL, &table, &store));
  FAILS(NEN_ERR_NULL, nen_store_custom_new(&vtable, &table, NULL));
  wrong.size = 0;
  FAILS(NEN_ERR_LENGTH, nen_store_custom_new(&wrong, &table, &store));
  wrong.size = sizeof wrong - 1;
  FAILS(NEN_ERR_LENGTH, nen_store_custom_new(&wrong, &table, &store));
#define WITHOUT(member)                                                                                      \
  wrong = vtable;                                                                                            \
  wrong.member = NULL;                                                                                       \
  FAILS(NEN_ERR_NULL, nen_store_custom_new(&wrong, &table, &store))
  WITHOUT(get);
  WITHOUT(set);
  WITHOUT(remove);
  WITHOUT(claim_nonce);
  /* Nothing was made: nothing is destroyed. */
  CHECK(store == NULL && table.destroyed == 0);

  /* One that a later header has made longer is read as far as it is known. */
  struct {
    nen_store_vtable known;
    void *unknown[4];
  } longer = {vtable, {0}};
  longer.known.size = sizeof longer;
  OK(nen_store_custom_new(&longer.known, &table, &store));
  nen_store_free(store);
  CHECK(table.destroyed == 1);
}

/* ── stores that fail or lie ── */

/* While a table has a fault, everything that needs it is refused with this code; after it, all is as
 * before. */
static void with_fault(const world *world, int32_t *fault, int32_t value, int32_t code) {
  int32_t before = *fault;
  *fault = value;
  FAILS(code, exchange(world));
  FAILS(code, rotate(world));
  *fault = before;
  OK(exchange(world));
}

static void failing_stores(void) {
  static const int32_t codes[] = {9001, 2002, NEN_ERR_NULL, 1, INT32_MAX, INT32_MIN};
  table table;
  world world = table_world(&table, &vtable);
  OK(shake_hands(&world, NOW));
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    with_fault(&world, &table.get_code, codes[i], 9001);
    with_fault(&world, &table.claim_code, codes[i], 9001);
    table.set_code = codes[i];
    FAILS(9001, rotate(&world));
    FAILS(9001, shake_hands(&world, NOW));
    table.set_code = NEN_OK;
    OK(exchange(&world));
  }
  free_world(&world);
}

static void lying_stores(void) {
  static const int32_t nonsense[] = {0, 4, -1, 255, INT32_MAX, INT32_MIN};
  table table, others;
  world world = table_world(&table, &vtable), other = table_world(&others, &vtable);
  OK(shake_hands(&world, NOW));
  OK(shake_hands(&other, NOW));
  for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
    with_fault(&world, &table.claim, nonsense[i], 9001);
  }
  with_fault(&world, &table.claim, NEN_CLAIM_REPLAY, 5001);
  with_fault(&world, &table.claim, NEN_CLAIM_FULL, 5002);
  with_fault(&world, &table.lost, 1, 2002);

  /* A live session, under an id that is not its own: none of it is taken. */
  OK(nen_client_session(other.client, &table.mistaken));
  FAILS(9001, exchange(&world));
  FAILS(9001, rotate(&world));
  nen_session_free(table.mistaken);
  table.mistaken = NULL;
  OK(exchange(&world));
  free_world(&world);
  free_world(&other);
}

/* ── steps out of order ── */

/* At a step, everything that belongs to another is refused, and changes nothing. */
static void refuses_all_but(nen_endpoint_call *call, int32_t step) {
  char id[NEN_SESSION_ID_SIZE];
  uint8_t nonce[NEN_NONCE_SIZE];
  uint64_t until;
  nen_session *session;
  nen_buffer body;
  uint16_t status;
  int32_t now_at;
  int keeps = step == NEN_STEP_SET || step == NEN_STEP_REPLACE;
  if (step != NEN_STEP_GET) {
    FAILS(NEN_ERR_STEP, nen_endpoint_call_got(call, NULL));
  }
  if (step != NEN_STEP_CLAIM) {
    FAILS(NEN_ERR_STEP, nen_endpoint_call_claim(call, nonce, sizeof nonce, &until));
    FAILS(NEN_ERR_STEP, nen_endpoint_call_claimed(call, NEN_CLAIM_FRESH));
  }
  if (!keeps) {
    FAILS(NEN_ERR_STEP, nen_endpoint_call_session(call, &session));
  }
  if (!keeps && step != NEN_STEP_REMOVE) {
    FAILS(NEN_ERR_STEP, nen_endpoint_call_stored(call));
  }
  if (step == NEN_STEP_SET || step == NEN_STEP_ANSWER) {
    FAILS(NEN_ERR_STEP, nen_endpoint_call_session_id(call, id, sizeof id));
  } else {
    FAILS(NEN_ERR_LENGTH, nen_endpoint_call_session_id(call, id, sizeof id - 1));
  }
  if (step != NEN_STEP_ANSWER) {
    FAILS(NEN_ERR_STEP, nen_endpoint_call_answer(call, &status, &body));
  }
  OK(nen_endpoint_call_step(call, &now_at));
  CHECK(now_at == step);
}

static nen_endpoint_call *rotation(const world *world) {
  nen_lifecycle_call *sent;
  nen_endpoint_call *call;
  nen_signed_headers headers;
  nen_buffer body;
  OK(nen_lifecycle_call_new(NEN_ROUTE_ROTATE, TEXT("/api/nen/rotate"), &sent));
  OK(nen_lifecycle_call_seal(sent, world->client, NOW, &headers, &body));
  nen_request_headers lent = received(&headers);
  OK(nen_endpoint_call_new(world->server, NEN_ROUTE_ROTATE, &lent, TEXT("POST"), TEXT("/api/nen/rotate"),
                           CONTENT(body), NOW, &call));
  nen_lifecycle_call_free(sent);
  nen_buffer_free(&body);
  return call;
}

static nen_session *own_session(const world *world) {
  char id[NEN_SESSION_ID_SIZE];
  nen_session *session;
  current_id(world, id);
  OK(nen_store_get(world->store, id, strlen(id), NOW, &session));
  return session;
}

static void steps_out_of_order(void) {
  world world = connected_world();
  nen_session *session = own_session(&world), *made;
  nen_endpoint_call *call = rotation(&world);
  nen_buffer answer;
  uint16_t status;
  refuses_all_but(call, NEN_STEP_GET);
  OK(nen_endpoint_call_got(call, session));
  refuses_all_but(call, NEN_STEP_CLAIM);
  FAILS(NEN_ERR_VALUE, nen_endpoint_call_claimed(call, 0));
  FAILS(NEN_ERR_VALUE, nen_endpoint_call_claimed(call, 4));
  refuses_all_but(call, NEN_STEP_CLAIM);
  OK(nen_endpoint_call_claimed(call, NEN_CLAIM_FRESH));
  refuses_all_but(call, NEN_STEP_REPLACE);
  OK(nen_endpoint_call_session(call, &made));
  OK(nen_endpoint_call_stored(call));
  refuses_all_but(call, NEN_STEP_ANSWER);
  OK(nen_endpoint_call_answer(call, &status, &answer));
  CHECK(status == 200);
  nen_buffer_free(&answer);
  nen_session_free(made);
  nen_endpoint_call_free(call);

  /* Whose failure is final. */
  int32_t step;
  call = rotation(&world);
  FAILS(2002, nen_endpoint_call_got(call, NULL));
  FAILS(9000, nen_endpoint_call_step(call, &step));
  FAILS(9000, nen_endpoint_call_got(call, session));
  FAILS(9000, nen_endpoint_call_answer(call, &status, &answer));
  nen_endpoint_call_free(call);
  call = rotation(&world);
  OK(nen_endpoint_call_got(call, session));
  FAILS(5001, nen_endpoint_call_claimed(call, NEN_CLAIM_REPLAY));
  FAILS(9000, nen_endpoint_call_claimed(call, NEN_CLAIM_FRESH));
  nen_endpoint_call_free(call);

  /* Another session than the one that was asked for. */
  char id[NEN_SESSION_ID_SIZE];
  OK(shake_hands(&world, NOW));
  current_id(&world, id);
  call = rotation(&world);
  FAILS(9001, nen_endpoint_call_got(call, session));
  nen_endpoint_call_free(call);

  /* Routes that are no session endpoints. */
  for (int32_t route = -1; route <= 6; route++) {
    if (route < NEN_ROUTE_HANDSHAKE || route > NEN_ROUTE_STATUS) {
      FAILS(NEN_ERR_VALUE,
            nen_endpoint_call_new(world.server, route, NULL, TEXT("GET"), TEXT("/"), NOTHING, NOW, &call));
    }
  }
  nen_session_free(session);
  free_world(&world);
}

/* ── threads ── */

#define ROUNDS 20000
#define REFUSALS 10
#define LARGE (256 * 1024)

static int refused;

static void *step_again_and_again(void *call) {
  for (int i = 0; i < ROUNDS; i++) {
    int32_t step, code = nen_endpoint_call_step(call, &step);
    CHECK(code == NEN_ERR_BUSY || (code == NEN_OK && step == NEN_STEP_SET));
  }
  return NULL;
}

typedef struct {
  const world *world;
  nen_call *call;
  const char *json;
} sealing;

static void *seal_until_refused(void *argument) {
  const sealing *sealing = argument;
  for (int i = 0; i < ROUNDS && __atomic_load_n(&refused, __ATOMIC_RELAXED) < REFUSALS; i++) {
    nen_signed_headers headers;
    nen_buffer body;
    int32_t code = nen_call_seal(sealing->call, sealing->world->client, (const uint8_t *)sealing->json,
                                 LARGE - 1, NOW, &headers, &body);
    if (code == NEN_OK) {
      nen_buffer_free(&body);
    } else {
      CHECK(code == NEN_ERR_BUSY);
      __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
      sched_yield();
    }
  }
  return NULL;
}

static void on_two_threads(void *(*run)(void *), void *argument) {
  pthread_t other;
  CHECK(pthread_create(&other, NULL, run, argument) == 0);
  run(argument);
  CHECK(pthread_join(other, NULL) == 0);
}

/* Handles that are for one thread at a time. */
static void one_handle_on_two_threads(void) {
  world world = connected_world();
  nen_handshake *handshake;
  nen_endpoint_call *endpoint = handshake_call(&world, &handshake);
  on_two_threads(step_again_and_again, endpoint);
  nen_endpoint_call_free(endpoint);
  nen_handshake_free(handshake);

  char *json = malloc(LARGE);
  CHECK(json != NULL);
  memset(json, ' ', LARGE);
  json[0] = '1';
  json[LARGE - 1] = '\0';
  sealing sealing = {&world, NULL, json};
  OK(nen_call_new(TEXT("POST"), TEXT("/"), &sealing.call));
  on_two_threads(seal_until_refused, &sealing);
  CHECK(refused >= REFUSALS);
  nen_call_free(sealing.call);
  free(json);
  free_world(&world);
}

typedef struct {
  const world *world;
  const request *recorded;
  int admitted;
} visitor;

static void *come_in(void *argument) {
  visitor *visitor = argument;
  nen_exchange *admitted;
  int32_t code = admit(visitor->world, visitor->recorded, "POST", "/", NOW, &admitted);
  CHECK(code == NEN_OK || code == 5001);
  if (code == NEN_OK) {
    visitor->admitted = 1;
    nen_exchange_free(admitted);
  }
  OK(exchange(visitor->world));
  return NULL;
}

/* A store that several threads use at once. */
static void store_on_many_threads(void) {
  table table;
  world world = table_world(&table, &vtable);
  OK(shake_hands(&world, NOW));
  request recorded = new_request(&world, "POST", "/", "1");
  pthread_t threads[8];
  visitor visitors[8];
  int admitted = 0;
  for (int i = 0; i < 8; i++) {
    visitors[i].world = &world, visitors[i].recorded = &recorded, visitors[i].admitted = 0;
    CHECK(pthread_create(&threads[i], NULL, come_in, &visitors[i]) == 0);
  }
  for (int i = 0; i < 8; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    admitted += visitors[i].admitted;
  }
  CHECK(admitted == 1);
  free_request(&recorded);
  free_world(&world);
}

int main(void) {
  optional_members();
  endpoints_in_steps();
  wrong_vtables();
  failing_stores();
  lying_stores();
  steps_out_of_order();
  one_handle_on_two_threads();
  store_on_many_threads();
  return 0;
}
