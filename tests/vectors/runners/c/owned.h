/* What a vector makes, which is freed when the vector is done, however it ends. */

#ifndef OWNED_H
#define OWNED_H

#include <jansson.h>
#include <nen.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct owned {
  struct owned *next;
  void (*free)(void *owned);
} owned;

static owned *all_owned;

/* Room for an owner of this many bytes, all of them 0. */
static void *own(size_t size, void (*free)(void *owned)) {
  owned *made = calloc(1, size);
  if (made == NULL) {
    perror("vectors");
    exit(2);
  }
  made->next = all_owned;
  made->free = free;
  return all_owned = made;
}

static void free_owned(void) {
  while (all_owned != NULL) {
    owned *last = all_owned;
    all_owned = last->next;
    if (last->free != NULL) {
      last->free(last);
    }
    free(last);
  }
}

/* Memory of one's own. */
static void *own_memory(size_t size) {
  return (owned *)own(sizeof(owned) + size, NULL) + 1;
}

/* own_NAME(): a place for one of `type` to be written to, and what is given to `release` in the end. */
#define OWNER(name, type, release, given)                                                                    \
  typedef struct {                                                                                           \
    owned head;                                                                                              \
    type it;                                                                                                 \
  } name##_owner;                                                                                            \
  static void free_##name(void *owned) {                                                                     \
    name##_owner *owner = owned;                                                                             \
    release(given owner->it);                                                                                \
  }                                                                                                          \
  static type *own_##name(void) {                                                                            \
    return &((name##_owner *)own(sizeof(name##_owner), free_##name))->it;                                    \
  }
#define HANDLE(name) OWNER(name, nen_##name *, nen_##name##_free, )

HANDLE(call)
HANDLE(client)
HANDLE(exchange)
HANDLE(handshake)
HANDLE(identity)
HANDLE(lifecycle_call)
HANDLE(server)
HANDLE(server_options)
HANDLE(session)
HANDLE(store)
HANDLE(store_keys)
HANDLE(stream_opener)
OWNER(buffer, nen_buffer, nen_buffer_free, &)
OWNER(json, json_t *, json_decref, )

#endif
