/* One HTTP request after another over libcurl, from any thread. It knows nothing of nen. */

#ifndef HTTP_H
#define HTTP_H

#include <stddef.h>
#include <stdint.h>

/* A pool of connections to one origin. Any number of threads may use it at once. */
typedef struct http http;

typedef struct {
  const char *name;
  const char *value;
} http_header;

/* Where the name is NULL, the headers end. */
typedef struct {
  const char *method;
  const char *target;
  const http_header *headers;
  const uint8_t *body;
  size_t body_len;
} http_request;

/* What came back. Headers that are absent, or that stand twice, are NULL. */
typedef struct {
  uint16_t status;
  char *date;
  char *stream_nonce;
  uint8_t *body;
  size_t body_len;
} http_answer;

/* Takes a piece of a 2xx answer as it comes, whose status and headers are known by then. Anything but 0 ends
 * the request. */
typedef int http_reader(void *context, const http_answer *answer, const uint8_t *piece, size_t length);

/* Is told of each request when it has ended; the status is 0 if no answer came. */
typedef void http_watcher(void *context, const http_request *request, const http_answer *answer);

/* NULL if there is no memory. `stream_nonce` is the name of the header that fills the field of this name. */
http *http_new(const char *base_url, const char *stream_nonce);
void http_free(http *http);
/* Before the first request. */
void http_watch(http *http, http_watcher *watcher, void *context);

/* Sends a request and reads its answer, to be freed with http_answer_free(); 0 if one came to its end. With a
 * reader, the body of a 2xx answer goes there. */
int http_send(http *http, const http_request *request, http_reader *reader, void *context,
              http_answer *answer);
void http_answer_free(http_answer *answer);

#endif
