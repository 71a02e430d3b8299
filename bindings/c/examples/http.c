#include "http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wiped_free.h"

#define CONNECT_SECONDS 10L
/* Without a byte for this long, a request has failed. */
#define SILENT_SECONDS 30L
#define MOST_ANSWER ((size_t)16 * 1024 * 1024)
#define MOST_IDLE 16

struct http {
  char *base_url;
  char *stream_nonce;
  http_watcher *watcher;
  void *watching;
  pthread_mutex_t lock;
  CURL *idle[MOST_IDLE];
  size_t idle_count;
};

http *http_new(const char *base_url, const char *stream_nonce) {
  http *made = calloc(1, sizeof *made);
  if (made != NULL) {
    made->base_url = strdup(base_url);
    made->stream_nonce = strdup(stream_nonce);
    pthread_mutex_init(&made->lock, NULL);
  }
  if (made != NULL && (made->base_url == NULL || made->stream_nonce == NULL)) {
    http_free(made);
    return NULL;
  }
  return made;
}

void http_free(http *http) {
  if (http != NULL) {
    while (http->idle_count > 0) {
      curl_easy_cleanup(http->idle[--http->idle_count]);
    }
    pthread_mutex_destroy(&http->lock);
    free(http->base_url);
    free(http->stream_nonce);
    free(http);
  }
}

void http_watch(http *http, http_watcher *watcher, void *context) {
  http->watcher = watcher;
  http->watching = context;
}

/* A handle of curl keeps its connection: it is used again. */
static CURL *take(http *http) {
  pthread_mutex_lock(&http->lock);
  CURL *taken = http->idle_count > 0 ? http->idle[--http->idle_count] : NULL;
  pthread_mutex_unlock(&http->lock);
  return taken != NULL ? taken : curl_easy_init();
}

static void give_back(http *http, CURL *curl) {
  curl_easy_reset(curl);
  pthread_mutex_lock(&http->lock);
  if (http->idle_count < MOST_IDLE) {
    http->idle[http->idle_count++] = curl;
    curl = NULL;
  }
  pthread_mutex_unlock(&http->lock);
  curl_easy_cleanup(curl);
}

typedef struct {
  CURL *curl;
  const http *http;
  http_reader *reader;
  void *context;
  http_answer answer;
  size_t room; /* for the body */
} transfer;

static char *header(CURL *curl, const char *name) {
  struct curl_header *found;
  int once = curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK && found->amount == 1;
  return once ? strdup(found->value) : NULL;
}

static void read_head(transfer *transfer) {
  long status = 0;
  curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
  if (transfer->answer.status == 0) {
    transfer->answer.status = (uint16_t)status;
    transfer->answer.date = header(transfer->curl, "Date");
    transfer->answer.stream_nonce = header(transfer->curl, transfer->http->stream_nonce);
  }
}

static size_t on_body(char *piece, size_t one, size_t length, void *context) {
  (void)one;
  transfer *transfer = context;
  http_answer *answer = &transfer->answer;
  read_head(transfer);
  if (transfer->reader != NULL && answer->status / 100 == 2) {
    int failed = transfer->reader(transfer->context, answer, (const uint8_t *)piece, length);
    return failed ? CURL_WRITEFUNC_ERROR : length;
  }
  if (length > MOST_ANSWER - answer->body_len) {
    return CURL_WRITEFUNC_ERROR;
  }
  if (length > transfer->room - answer->body_len) {
    size_t room = 2 * transfer->room + length;
    uint8_t *larger = wiped_grow(answer->body, answer->body_len, room);
    if (larger == NULL) {
      return CURL_WRITEFUNC_ERROR;
    }
    answer->body = larger;
    transfer->room = room;
  }
  memcpy(answer->body + answer->body_len, piece, length);
  answer->body_len += length;
  return length;
}

/* Each header as one line of curl's; NULL if there is no memory. */
static struct curl_slist *header_lines(const http_header *headers) {
  struct curl_slist *lines = curl_slist_append(NULL, "Expect:");
  for (; lines != NULL && headers != NULL && headers->name != NULL; headers++) {
    char line[256];
    int length = snprintf(line, sizeof line, "%s: %s", headers->name, headers->value);
    struct curl_slist *longer =
        length > 0 && (size_t)length < sizeof line ? curl_slist_append(lines, line) : NULL;
    if (longer == NULL) {
      curl_slist_free_all(lines);
    }
    lines = longer;
  }
  return lines;
}

static void set_request(CURL *curl, const http_request *request, const char *url, struct curl_slist *lines) {
  curl_easy_setopt(curl, CURLOPT_URL, url);
  /* The path is sent as it was signed. */
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENT_SECONDS);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  if (strcmp(request->method, "HEAD") == 0) {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (request->body_len > 0 || strcmp(request->method, "GET") != 0) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body_len > 0 ? (const char *)request->body : "");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
  }
}

static char *join(const char *base, const char *target) {
  size_t room = strlen(base) + strlen(target) + 1;
  char *url = malloc(room);
  if (url != NULL) {
    snprintf(url, room, "%s%s", base, target);
  }
  return url;
}

int http_send(http *http, const http_request *request, http_reader *reader, void *context,
              http_answer *answer) {
  transfer transfer = {take(http), http, reader, context, {0}, 0};
  char *url = join(http->base_url, request->target);
  struct curl_slist *lines = header_lines(request->headers);
  CURLcode result = CURLE_OUT_OF_MEMORY;
  if (transfer.curl != NULL && url != NULL && lines != NULL) {
    set_request(transfer.curl, request, url, lines);
    curl_easy_setopt(transfer.curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(transfer.curl, CURLOPT_WRITEDATA, &transfer);
    result = curl_easy_perform(transfer.curl);
    read_head(&transfer);
  }
  if (transfer.curl != NULL) {
    give_back(http, transfer.curl);
  }
  curl_slist_free_all(lines);
  free(url);
  *answer = transfer.answer;
  if (http->watcher != NULL) {
    http->watcher(http->watching, request, answer);
  }
  if (result != CURLE_OK && result != CURLE_WRITE_ERROR) {
    fprintf(stderr, "%s %s: %s\n", request->method, request->target, curl_easy_strerror(result));
  }
  return result == CURLE_OK ? 0 : -1;
}

/* The answer to a handshake holds a key. */
void http_answer_free(http_answer *answer) {
  free(answer->date);
  free(answer->stream_nonce);
  wiped_free(answer->body);
  *answer = (http_answer){0};
}
