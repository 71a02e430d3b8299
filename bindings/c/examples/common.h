/* What the examples have in common. */

#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <nen.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A text as the two arguments of an input. */
#define TEXT(text) (text), strlen(text)
#define BYTES(text) (const uint8_t *)(text), strlen(text)

/* Now, in Unix milliseconds. */
static inline uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Bytes as base64, terminated, to be freed; NULL if there is no memory. */
static inline char *base64(nen_buffer bytes) {
  char *text = malloc((bytes.len + 2) / 3 * 4 + 1);
  if (text != NULL) {
    EVP_EncodeBlock((unsigned char *)text, bytes.data, (int)bytes.len);
  }
  return text;
}

/* Logs a failure: `why`, or what nen found last on this thread. Nothing of it is secret or came from a peer.
 */
static inline void log_failure(const char *what, int32_t code, const char *why) {
  const char *iso = nen_error_code(code);
  fprintf(stderr, "%s: %s %s\n", what, iso ? iso : nen_error_name(code), why ? why : nen_last_detail());
}

#endif
