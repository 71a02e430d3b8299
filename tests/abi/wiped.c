/* nen_buffer_free() wipes before it frees, and store keys leave nothing behind: the program's own free()
 * looks at what comes back. */

#include <malloc.h>

#include "check.h"

extern void __libc_free(void *memory);

static const uint8_t *watched;
static size_t watched_size;
static int seen, wiped;

/* What no memory that comes back may hold; NULL while that does not matter. */
static const char *hunted;
static int caught;

static void hunt(const char *memory, size_t size) {
  size_t length = strlen(hunted);
  for (size_t i = 0; i + length <= size && !caught; i++) {
    caught = memcmp(memory + i, hunted, length) == 0;
  }
}

void free(void *memory) {
  if (memory != NULL && memory == watched) {
    seen = wiped = 1;
    for (size_t i = 0; i < watched_size; i++) {
      wiped &= watched[i] == 0;
    }
    watched = NULL;
  }
  if (memory != NULL && hunted != NULL) {
    hunt(memory, malloc_usable_size(memory));
  }
  __libc_free(memory);
}

static void frees_wiped(nen_buffer buffer) {
  CHECK(buffer.len > 0 && buffer.capacity >= buffer.len);
  seen = wiped = 0;
  watched_size = buffer.capacity;
  watched = buffer.data;
  nen_buffer_free(&buffer);
  CHECK(seen && wiped);
}

/* The base64 of 32 bytes, all of them "o". */
static void store_keys(const nen_session *session) {
  nen_store_keys *keys;
  nen_buffer record;
  hunted = "oooooooo";
  /* A call that the compiler cannot leave out. */
  void (*volatile release)(void *) = free;
  char *copy = malloc(32);
  CHECK(copy != NULL);
  memset(copy, 'o', 32);
  release(copy);
  CHECK(caught);
  caught = 0;
  OK(nen_store_keys_new(TEXT("b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28="), &keys));
  OK(nen_store_keys_write(keys, session, &record));
  nen_buffer_free(&record);
  nen_store_keys_free(keys);
  CHECK(!caught);
  hunted = NULL;
}

int main(void) {
  world world = connected_world();
  nen_identity *identity;
  nen_session *session;
  nen_exchange *exchange;
  nen_buffer secret, record, plaintext;
  OK(nen_identity_generate(&identity));
  OK(nen_identity_to_pkcs8(identity, &secret));
  OK(nen_client_session(world.client, &session));
  OK(nen_session_to_record(session, &record));
  request request =
      new_request(&world, "POST", "/", "{\"secret\":\"Only the endpoint that needs this can read it\"}");
  OK(admit(&world, &request, "POST", "/", NOW, &exchange));
  OK(nen_exchange_open(exchange, CONTENT(request.body), &plaintext));
  frees_wiped(secret);
  frees_wiped(record);
  frees_wiped(plaintext);
  store_keys(session);
  nen_exchange_free(exchange);
  nen_session_free(session);
  nen_identity_free(identity);
  free_request(&request);
  free_world(&world);
  return 0;
}
