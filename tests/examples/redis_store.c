/* The store of bindings/c/examples: redis_store URL …. Its Redis has another clock, which is ahead: the test
 * plays in the past. */

#include "redis_store.h"

#include "check.h"

static int32_t claim(const nen_store *store, const char *id, uint8_t first, uint64_t until_ms, int32_t *out) {
  uint8_t nonce[NEN_NONCE_SIZE] = {first};
  return nen_store_claim_nonce(store, id, strlen(id), nonce, sizeof nonce, until_ms, NOW, out);
}

static int lives(const nen_store *store, const char *id, uint64_t now) {
  nen_session *found;
  OK(nen_store_get(store, id, strlen(id), now, &found));
  nen_session_free(found);
  return found != NULL;
}

static void sessions(const nen_store *store, const char *id) {
  nen_session *session;
  uint64_t expires_ms;
  OK(nen_store_get(store, id, strlen(id), NOW, &session));
  CHECK(session != NULL);
  OK(nen_session_expires_ms(session, &expires_ms));
  CHECK(lives(store, id, expires_ms - 1) && !lives(store, id, expires_ms));

  OK(nen_store_remove(store, id, strlen(id)));
  OK(nen_store_set(store, session, expires_ms));
  CHECK(!lives(store, id, NOW));
  nen_session_free(session);
}

static void nonces(const nen_store *store, const char *id) {
  int32_t said;
  OK(claim(store, id, 1, NOW, &said));
  CHECK(said == NEN_CLAIM_FRESH);
  OK(claim(store, id, 1, NOW, &said));
  CHECK(said == NEN_CLAIM_REPLAY);
  OK(claim(store, id, 2, NOW - 1, &said));
  CHECK(said == NEN_CLAIM_REPLAY);
  FAILS(NEN_ISO_STORE_UNAVAILABLE, claim(store, id, 3, UINT64_MAX, &said));
  FAILS(NEN_ISO_STORE_UNAVAILABLE, claim(store, id, 3, NOW + UINT64_MAX / 2, &said));
}

static void addresses(void) {
  static const char *const refused[] = {
      "redis://host?db=1",
      "redis://host/1#1",
      "rediss://host",
      "redis://host/one",
      "redis://host:0",
      "host",
      "",
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    nen_store *store;
    FAILS(NEN_ERR_OPTION, redis_store_new(refused[i], &store));
  }
}

int main(int argc, char **argv) {
  CHECK(argc > 1);
  addresses();
  for (int i = 1; i < argc; i++) {
    char id[NEN_SESSION_ID_SIZE];
    nen_session *session;
    world world = new_world(NULL, NULL);
    nen_store_free(world.store);
    OK(redis_store_new(argv[i], &world.store));
    OK(shake_hands(&world, NOW));
    OK(nen_client_session(world.client, &session));
    OK(nen_session_id(session, id, sizeof id));
    sessions(world.store, id);
    nonces(world.store, id);
    nen_session_free(session);
    free_world(&world);
  }
}
