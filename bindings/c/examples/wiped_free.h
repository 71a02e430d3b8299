/* The end of memory that held what only the two ends may read. */

#ifndef WIPED_FREE_H
#define WIPED_FREE_H

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static inline void wiped_free(void *memory) {
  if (memory != NULL) {
    explicit_bzero(memory, malloc_usable_size(memory));
  }
  free(memory);
}

/* The first `length` bytes of `memory` in a larger room, and no copy of them elsewhere. NULL if there is no
 * memory; then `memory` stays. */
static inline void *wiped_grow(void *memory, size_t length, size_t room) {
  void *larger = malloc(room);
  if (larger != NULL && length > 0) {
    memcpy(larger, memory, length);
  }
  if (larger != NULL) {
    wiped_free(memory);
  }
  return larger;
}

#endif
