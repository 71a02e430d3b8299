/* A protected HTTP service on libmicrohttpd: the application's routes, which know nothing of nen but who the
 * client is, and main(). How a request is let in, opened and answered is in sealed_server.c.
 *
 * It leaves to a reverse proxy in front of it: TLS, and a deadline for a whole request, for here only silence
 * ends one.
 *
 * PORT is the port to listen on, 0 for any. NEN_REDIS_URL, if set, is the Redis that keeps the sessions, and
 * NEN_STORE_KEYS the keys that seal them there, separated by commas: each of `openssl rand -base64 32`, the
 * one that seals first. Unset, or as `plain`, they are in the clear.
 *
 *     cc -std=c99 -D_DEFAULT_SOURCE server.c sealed_server.c redis_store.c -pthread -o server \
 *       $(pkg-config --cflags --libs nen libmicrohttpd jansson hiredis libcurl libcrypto)
 */

#include <ctype.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "common.h"
#include "redis_store.h"
#include "sealed_server.h"
#include "wiped_free.h"

#define MOST_WORDS 1000
#define MOST_DELAY_MS 1000

/* Its reading end becomes readable when the server stops. */
static int stopping[2];

static int32_t secure_data(const sealed_request *request, sealed_answer *answer) {
  answer->json = json_pack("{s:s, s:O?}", "message", "Securely processed", "received", request->body);
  return NEN_OK;
}

static int32_t note(const sealed_request *request, sealed_answer *answer) {
  const char *id = request->target + strlen("/api/notes/");
  char *decoded = strndup(id, strcspn(id, "?"));
  if (decoded == NULL) {
    return sealed_failure(answer, "out of memory");
  }
  answer->json = json_pack("{s:s%}", "id", decoded, MHD_http_unescape(decoded));
  if (answer->json == NULL) {
    answer->status = MHD_HTTP_BAD_REQUEST;
    answer->json = json_pack("{s:s}", "error", "an id must be UTF-8");
  }
  free(decoded);
  return NEN_OK;
}

static int32_t created(const sealed_request *request, sealed_answer *answer) {
  answer->status = MHD_HTTP_CREATED;
  answer->json = json_pack("{s:O?}", "created", request->body);
  return NEN_OK;
}

static int32_t boom(const sealed_request *request, sealed_answer *answer) {
  (void)request;
  return sealed_failure(answer, "kaboom");
}

/* Who is this client? */
static int32_t whoami(const sealed_request *request, sealed_answer *answer) {
  nen_session *session = NULL;
  nen_buffer public_key = {0};
  int32_t code = nen_exchange_session(request->exchange, &session);
  if (code == NEN_OK) {
    code = nen_session_identity(session, &public_key);
  }
  if (code == NEN_OK) {
    char *text = public_key.len > 0 ? base64(public_key) : NULL;
    answer->json = json_pack("{s:s?}", "identity", text);
    free(text);
  }
  nen_buffer_free(&public_key);
  nen_session_free(session);
  return code;
}

/* ── the words of a prompt, one by one ── */

typedef struct {
  char *words, *rest; /* of them, what is still to be sent */
  int exact, delay_ms;
} chat;

/* A copy in which one space and more is between words and after the last. */
static char *words_of(const char *prompt) {
  size_t length = strlen(prompt);
  char *words = malloc(length + 2);
  for (size_t i = 0; words != NULL && i < length; i++) {
    words[i] = isspace((unsigned char)prompt[i]) ? ' ' : prompt[i];
  }
  return words == NULL ? NULL : strcpy(words + length, " ") - length;
}

static size_t count_words(const char *words) {
  size_t count = 0;
  while (*(words += strspn(words, " ")) != '\0') {
    words += strcspn(words, " ");
    count++;
  }
  return count;
}

static int32_t next_word(void *context, nen_str *chunk) {
  chat *chat = context;
  char *word = chat->rest + strspn(chat->rest, " ");
  size_t length = strcspn(word, " ");
  if (length > 0) {
    if (chat->rest != chat->words) {
      poll(&(struct pollfd){stopping[0], POLLIN, 0}, 1, chat->delay_ms);
    }
    chat->rest = word + length;
    *chunk = (nen_str){word, chat->exact ? length : length + 1};
  }
  return NEN_OK;
}

static void free_chat(void *context) {
  chat *chat = context;
  wiped_free(chat->words);
  free(chat);
}

static int32_t start_chat(const sealed_request *request, sealed_answer *answer) {
  const char *prompt = "secure streaming works";
  int exact = 0;
  json_int_t delay_ms = 0;
  if (request->body != NULL) {
    json_unpack(request->body, "{s?s, s?b, s?I}", "prompt", &prompt, "exact", &exact, "delayMs", &delay_ms);
  }
  char *words = words_of(prompt);
  if (words != NULL && count_words(words) > MOST_WORDS) {
    wiped_free(words);
    answer->status = MHD_HTTP_BAD_REQUEST;
    answer->json = json_pack("{s:s}", "error", "the prompt has too many words");
    return NEN_OK;
  }
  chat *made = malloc(sizeof *made);
  if (made == NULL || words == NULL) {
    free(made);
    wiped_free(words);
    return sealed_failure(answer, "out of memory");
  }
  delay_ms = delay_ms < 0 ? 0 : delay_ms > MOST_DELAY_MS ? MOST_DELAY_MS : delay_ms;
  *made = (chat){words, words, exact, (int)delay_ms};
  answer->stream = (sealed_stream){next_word, free_chat, made};
  return NEN_OK;
}

/* ── the process ── */

static const sealed_route routes[] = {
    {NULL, "/api/secure-data", secure_data},
    {"GET", "/api/notes/", note},
    {"POST", "/api/created", created},
    {"POST", "/api/boom", boom},
    {"POST", "/api/whoami", whoami},
    {"GET POST", "/api/chat", start_chat},
    {"POST", "/plain/secure-data", secure_data},
    {NULL, NULL, NULL},
};

static int port_from_environment(uint16_t *port) {
  const char *text = getenv("PORT");
  char *end = NULL;
  long number = text == NULL || *text == '\0' ? 0 : strtol(text, &end, 10);
  *port = (uint16_t)number;
  return number >= 0 && number <= UINT16_MAX && (end == NULL || *end == '\0');
}

static int32_t open_store(nen_store **out) {
  const char *url = getenv("NEN_REDIS_URL"), *keys = getenv("NEN_STORE_KEYS");
  if (url == NULL || *url == '\0') {
    return nen_store_memory_new(0, 0, 0, out);
  }
  /* One that is set and empty is no list: a secret that did not arrive must not turn the sealing off. */
  return redis_store_new(url, keys == NULL ? "plain" : keys, out);
}

int main(void) {
  uint16_t port;
  if (!port_from_environment(&port)) {
    fputs("PORT must be a number from 0 to 65535\n", stderr);
    return 2;
  }
  /* Every thread inherits this: signals come to sigwait() alone. */
  sigset_t signals;
  int caught;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  signal(SIGPIPE, SIG_IGN);

  if (pipe(stopping) != 0) {
    perror("pipe");
    return 1;
  }
  nen_store *store = NULL;
  int32_t code = open_store(&store);
  if (code != NEN_OK) {
    log_failure("start", code, NULL);
    return 1;
  }
  sealed_server *server = sealed_server_start(port, store, "/api/", routes);
  if (server == NULL) {
    nen_store_free(store);
    return 1;
  }
  printf("listening on http://127.0.0.1:%u\n", sealed_server_port(server));
  fflush(stdout);

  sigwait(&signals, &caught);
  close(stopping[1]);
  sealed_server_stop(server);
  close(stopping[0]);
  nen_store_free(store);
  return 0;
}
