/* The store of bindings/c/examples: redis_store URL …. Its Redis has another clock, which is ahead: the test
 * plays in the past. */

#include "redis_store.h"

#include "check.h"

#define OLD "b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28="
#define NEW "bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4="

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

/* A store that sealed a session, or found it in the clear, is succeeded by others with other keys. */
static void store_keys(const char *url, const nen_session *session, const char *id) {
  static const struct {
    const char *keys;
    int32_t old, new, plain; /* what comes of a session that is sealed under either key, or not at all */
  } stores[] = {
      {"plain", NEN_ISO_STORE_UNAVAILABLE, NEN_ISO_STORE_UNAVAILABLE, NEN_OK},
      {"plain," OLD, NEN_OK, NEN_ISO_STORE_UNAVAILABLE, NEN_OK},
      {OLD ",plain", NEN_OK, NEN_ISO_STORE_UNAVAILABLE, NEN_OK},
      {OLD, NEN_OK, NEN_ISO_STORE_UNAVAILABLE, NEN_ISO_STORE_UNAVAILABLE},
      {OLD "," NEW, NEN_OK, NEN_OK, NEN_ISO_STORE_UNAVAILABLE},
      {NEW "," OLD, NEN_OK, NEN_OK, NEN_ISO_STORE_UNAVAILABLE},
      {NEW, NEN_ISO_STORE_UNAVAILABLE, NEN_OK, NEN_ISO_STORE_UNAVAILABLE},
  };
  static const char *const writers[] = {OLD, NEW, "plain"};
  for (size_t i = 0; i < 3; i++) {
    nen_store *writer;
    OK(redis_store_new(url, writers[i], &writer));
    OK(nen_store_set(writer, session, NOW));
    for (size_t j = 0; j < sizeof stores / sizeof *stores; j++) {
      const int32_t expected[] = {stores[j].old, stores[j].new, stores[j].plain};
      nen_store *reader;
      nen_session *found = NULL;
      OK(redis_store_new(url, stores[j].keys, &reader));
      FAILS(expected[i], nen_store_get(reader, id, strlen(id), NOW, &found));
      CHECK((found != NULL) == (expected[i] == NEN_OK));
      nen_session_free(found);
      nen_store_free(reader);
    }
    nen_store_free(writer);
  }
}

static void no_store_keys(const char *url) {
  static const char *const refused[] = {"", "short", OLD ",", "," NEW, OLD ", " NEW, "Plain"};
  nen_store *store;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    FAILS(NEN_ERR_OPTION, redis_store_new(url, refused[i], &store));
  }
  FAILS(NEN_ERR_OPTION, redis_store_new(url, NULL, &store));
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
    FAILS(NEN_ERR_OPTION, redis_store_new(refused[i], "plain", &store));
  }
}

int main(int argc, char **argv) {
  CHECK(argc > 1);
  addresses();
  for (int i = 1; i < argc; i++) {
    char id[NEN_SESSION_ID_SIZE];
    nen_session *session, *kept;
    world world = new_world(NULL, NULL);
    nen_store_free(world.store);
    OK(redis_store_new(argv[i], OLD, &world.store));
    OK(shake_hands(&world, NOW));
    OK(nen_client_session(world.client, &session));
    OK(nen_session_id(session, id, sizeof id));
    OK(nen_store_get(world.store, id, strlen(id), NOW, &kept));
    sessions(world.store, id);
    nonces(world.store, id);
    store_keys(argv[i], kept, id);
    nen_session_free(kept);
    no_store_keys(argv[i]);
    nen_session_free(session);
    free_world(&world);
  }
}
