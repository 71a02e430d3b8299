/* A protected HTTP service on libmicrohttpd. Read it from the end: main(), how a request is taken in and
 * answered, and what the application does with it, which knows nothing of nen but who the client is.
 *
 * It leaves to a reverse proxy in front of it: TLS, and a deadline for a whole request, for here only silence
 * ends one.
 *
 * PORT is the port to listen on, 0 for any. NEN_REDIS_URL, if set, is the Redis that keeps the sessions.
 *
 *     cc -std=c99 -D_DEFAULT_SOURCE server.c redis_store.c -pthread -o server \
 *       $(pkg-config --cflags --libs nen libmicrohttpd jansson hiredis libcurl libcrypto)
 */

#include <ctype.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common.h"
#include "redis_store.h"
#include "wiped_free.h"

#define MOST_CONNECTIONS 1000
#define IDLE_SECONDS 30
#define MOST_BODY ((size_t)1024 * 1024)
#define MOST_PLAIN_BODY ((size_t)64 * 1024)
#define MOST_WORDS 1000
#define MOST_DELAY_MS 1000

static nen_server *server;
static nen_store *store;
/* Its reading end becomes readable when the server stops. */
static int stopping[2];

/* The words of a prompt, sealed one by one as they are asked for. */
typedef struct {
  nen_stream_sealer *sealer;
  char *prompt, *rest; /* of it, what is still to be sent */
  int exact, delay_ms;
  int begun, finished;
  nen_buffer frame; /* the sealed chunk on its way, and how much of it went */
  size_t sent;
} chat;

/* One HTTP request, from its first line until its answer is sent. */
typedef struct {
  char *target; /* percent-encoded, as it travelled and was signed */
  const char *method;
  nen_request_headers headers;
  int begun;
  int32_t route;
  nen_exchange *exchange; /* if it was admitted */
  int32_t refusal;        /* why it was not */
  const char *why;        /* what failed here and not in nen, for the log */
  uint8_t *body;
  size_t body_len, body_room, most_body;
  nen_buffer answer; /* sealed */
  char *plain;       /* not sealed */
  chat *chat;
} request;

/* A failure of the application's own: the client learns that there was one. */
static int32_t fail(request *request, const char *why) {
  request->why = why;
  return NEN_ISO_INTERNAL;
}

/* ── the application ── */

/* Makes an answer of the opened body, which is NULL if there is none. Anything but NEN_OK is a failure. */
typedef int32_t handler(request *request, json_t *body, uint16_t *status, json_t **answer);

static int32_t secure_data(request *request, json_t *body, uint16_t *status, json_t **answer) {
  (void)request, (void)status;
  *answer = json_pack("{s:s, s:O?}", "message", "Securely processed", "received", body);
  return NEN_OK;
}

static int32_t note(request *request, json_t *body, uint16_t *status, json_t **answer) {
  (void)body;
  const char *id = request->target + strlen("/api/notes/");
  char *decoded = strndup(id, strcspn(id, "?"));
  if (decoded == NULL) {
    return fail(request, "out of memory");
  }
  *answer = json_pack("{s:s%}", "id", decoded, MHD_http_unescape(decoded));
  if (*answer == NULL) {
    *status = MHD_HTTP_BAD_REQUEST;
    *answer = json_pack("{s:s}", "error", "an id must be UTF-8");
  }
  free(decoded);
  return NEN_OK;
}

static int32_t created(request *request, json_t *body, uint16_t *status, json_t **answer) {
  (void)request;
  *status = MHD_HTTP_CREATED;
  *answer = json_pack("{s:O?}", "created", body);
  return NEN_OK;
}

static int32_t boom(request *request, json_t *body, uint16_t *status, json_t **answer) {
  (void)body, (void)status, (void)answer;
  return fail(request, "kaboom");
}

/* Who is this client? */
static int32_t whoami(request *request, json_t *body, uint16_t *status, json_t **answer) {
  (void)body, (void)status;
  nen_session *session = NULL;
  nen_buffer public_key = {0};
  int32_t code = nen_exchange_session(request->exchange, &session);
  if (code == NEN_OK) {
    code = nen_session_identity(session, &public_key);
  }
  if (code == NEN_OK) {
    char *text = public_key.len > 0 ? base64(public_key) : NULL;
    *answer = json_pack("{s:s?}", "identity", text);
    free(text);
  }
  nen_buffer_free(&public_key);
  nen_session_free(session);
  return code;
}

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

/* Streams the words of a prompt. */
static int32_t start_chat(request *request, json_t *body, uint16_t *status, json_t **answer) {
  const char *prompt = "secure streaming works";
  int exact = 0;
  json_int_t delay_ms = 0;
  if (body != NULL) {
    json_unpack(body, "{s?s, s?b, s?I}", "prompt", &prompt, "exact", &exact, "delayMs", &delay_ms);
  }
  char *words = words_of(prompt);
  if (words != NULL && count_words(words) > MOST_WORDS) {
    wiped_free(words);
    *status = MHD_HTTP_BAD_REQUEST;
    *answer = json_pack("{s:s}", "error", "the prompt has too many words");
    return NEN_OK;
  }
  chat *chat = calloc(1, sizeof *chat);
  if (chat == NULL || words == NULL) {
    free(chat);
    wiped_free(words);
    return fail(request, "out of memory");
  }
  request->chat = chat;
  chat->rest = chat->prompt = words;
  chat->exact = exact;
  chat->delay_ms = delay_ms < 0 ? 0 : delay_ms > MOST_DELAY_MS ? MOST_DELAY_MS : (int)delay_ms;
  return nen_exchange_stream(request->exchange, &chat->sealer);
}

static const struct {
  const char *methods; /* NULL for any */
  const char *path;    /* one that ends in a slash stands for what is below it */
  handler *handler;
} routes[] = {
    {NULL, "/api/secure-data", secure_data},
    {"GET", "/api/notes/", note},
    {"POST", "/api/created", created},
    {"POST", "/api/boom", boom},
    {"POST", "/api/whoami", whoami},
    {"GET POST", "/api/chat", start_chat},
    {"POST", "/plain/secure-data", secure_data},
};

/* HEAD is answered like GET: the HTTP library leaves the body out. */
static int names(const char *methods, const char *method) {
  const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
  const char *found = methods == NULL ? NULL : strstr(methods, wanted);
  return methods == NULL || (found != NULL && (found == methods || found[-1] == ' ') &&
                             strchr(" ", found[strlen(wanted)]) != NULL);
}

static int32_t no_route(request *request, json_t *body, uint16_t *status, json_t **answer) {
  (void)request, (void)body;
  *status = MHD_HTTP_NOT_FOUND;
  *answer = json_pack("{s:s}", "error", "not found");
  return NEN_OK;
}

/* The path as it travelled is what was signed, and what is compared: nothing can read it in another way. */
static handler *find_handler(const request *request) {
  size_t length = strcspn(request->target, "?");
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
    size_t wanted = strlen(routes[i].path);
    int below = routes[i].path[wanted - 1] == '/' && length > wanted;
    if ((length == wanted || below) && strncmp(request->target, routes[i].path, wanted) == 0 &&
        names(routes[i].methods, request->method)) {
      return routes[i].handler;
    }
  }
  return no_route;
}

/* Runs the handler on JSON, which may be empty. */
static int32_t run_handler(request *request, nen_buffer json, uint16_t *status, json_t **answer) {
  json_t *body = NULL;
  if (json.len > 0) {
    body = json_loadb((const char *)json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (body == NULL) {
      *status = MHD_HTTP_BAD_REQUEST;
      *answer = json_pack("{s:s}", "error", "the body cannot be read");
      return NEN_OK;
    }
  }
  int32_t code = find_handler(request)(request, body, status, answer);
  json_decref(body);
  return code;
}

/* ── what nen does around it ── */

static int is_protected(const request *request) {
  return strncmp(request->target, "/api/", strlen("/api/")) == 0;
}

/* The headers alone say whether a request is let in, and how much of its body is kept: of a stranger's, what
 * a session endpoint or a route that is not protected takes. */
static int32_t let_in(request *request) {
  request->most_body = MOST_BODY;
  int32_t code = nen_server_route(server, TEXT(request->method), TEXT(request->target), &request->route);
  if (code != NEN_OK) {
    return code;
  }
  if (request->route != NEN_ROUTE_APPLICATION) {
    request->most_body = request->route == NEN_ROUTE_NOT_FOUND ? 0 : NEN_MAX_HANDSHAKE_BODY;
    return NEN_OK;
  }
  if (!is_protected(request)) {
    request->most_body = find_handler(request) == no_route ? 0 : MOST_PLAIN_BODY;
    return NEN_OK;
  }
  return nen_server_admit(server, store, &request->headers, TEXT(request->method), TEXT(request->target),
                          now_ms(), &request->exchange);
}

/* A session endpoint. */
static int32_t answer_endpoint(request *request, uint16_t *status) {
  if (request->route == NEN_ROUTE_NOT_FOUND) {
    *status = MHD_HTTP_NOT_FOUND;
    return NEN_OK;
  }
  return nen_server_respond(server, store, request->route, &request->headers, TEXT(request->method),
                            TEXT(request->target), request->body, request->body_len, now_ms(), status,
                            &request->answer);
}

/* The application: what it gets was opened, what it answers is sealed. */
static int32_t answer_application(request *request, uint16_t *status) {
  json_t *answer = NULL;
  nen_buffer json = {request->body, request->body_len, 0};
  int32_t code = NEN_OK;
  if (request->exchange != NULL) {
    code = nen_exchange_open(request->exchange, request->body, request->body_len, &json);
  }
  if (code == NEN_OK) {
    code = run_handler(request, json, status, &answer);
  }
  if (request->exchange != NULL) {
    nen_buffer_free(&json);
  }
  if (code == NEN_OK && request->chat == NULL) {
    request->plain = json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY);
    code = request->plain == NULL ? fail(request, "the handler made no JSON") : NEN_OK;
  }
  if (code == NEN_OK && request->plain != NULL && request->exchange != NULL) {
    code = nen_exchange_seal(request->exchange, *status, BYTES(request->plain), status, &request->answer);
  }
  json_decref(answer);
  return code;
}

/* The next chunk: a word, or the end mark after the last one. */
static int32_t seal_next_word(chat *chat) {
  char *word = chat->rest + strspn(chat->rest, " ");
  size_t length = strcspn(word, " ");
  nen_buffer_free(&chat->frame);
  chat->sent = 0;
  if (length == 0) {
    chat->finished = 1;
    return nen_stream_sealer_finish(chat->sealer, &chat->frame);
  }
  if (chat->begun) {
    poll(&(struct pollfd){stopping[0], POLLIN, 0}, 1, chat->delay_ms);
  }
  chat->begun = 1;
  chat->rest = word + length;
  length += chat->exact ? 0 : 1;
  return nen_stream_sealer_seal(chat->sealer, (const uint8_t *)word, length, &chat->frame);
}

/* libmicrohttpd sends what this returns as one piece, at once. */
static ssize_t read_chat(void *context, uint64_t position, char *room, size_t size) {
  (void)position;
  chat *chat = context;
  if (chat->sent == chat->frame.len) {
    if (chat->finished) {
      return MHD_CONTENT_READER_END_OF_STREAM;
    }
    int32_t code = seal_next_word(chat);
    if (code != NEN_OK) {
      log_failure("stream", code, NULL);
      return MHD_CONTENT_READER_END_WITH_ERROR;
    }
  }
  size_t left = chat->frame.len - chat->sent, taken = left < size ? left : size;
  memcpy(room, chat->frame.data + chat->sent, taken);
  chat->sent += taken;
  return (ssize_t)taken;
}

static void chat_free(chat *chat) {
  if (chat != NULL) {
    nen_stream_sealer_free(chat->sealer);
    nen_buffer_free(&chat->frame);
    wiped_free(chat->prompt);
    free(chat);
  }
}

/* ── HTTP ── */

/* Called with the target before libmicrohttpd decodes it. */
static void *on_target(void *context, const char *target, struct MHD_Connection *connection) {
  (void)context, (void)connection;
  request *made = calloc(1, sizeof *made);
  if (made != NULL && (made->target = strdup(target)) == NULL) {
    free(made);
    made = NULL;
  }
  return made;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
  (void)context, (void)connection, (void)why;
  request *request = *state;
  if (request != NULL) {
    nen_exchange_free(request->exchange);
    nen_buffer_free(&request->answer);
    chat_free(request->chat);
    wiped_free(request->plain);
    wiped_free(request->body);
    free(request->target);
    free(request);
  }
  *state = NULL;
}

typedef struct {
  nen_header *all;
  size_t count, room;
} header_list;

static enum MHD_Result add_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                  const char *value, size_t value_len) {
  (void)kind;
  header_list *list = context;
  if (list->count < list->room) {
    list->all[list->count++] = (nen_header){{name, name_len}, {value ? value : "", value_len}};
  }
  return MHD_YES;
}

/* All headers are shown to nen, which sees so that one of its own stands twice. They live as long as the
 * request. */
static int32_t pick_headers(request *request, struct MHD_Connection *connection) {
  int count = MHD_get_connection_values(connection, MHD_HEADER_KIND, NULL, NULL);
  header_list list = {calloc(count > 0 ? (size_t)count : 1, sizeof(nen_header)), 0, (size_t)count};
  if (list.all == NULL) {
    return fail(request, "out of memory");
  }
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, add_header, &list);
  int32_t code = nen_request_headers_pick(list.all, list.count, &request->headers);
  free(list.all);
  return code;
}

static struct MHD_Response *stream_response(chat *chat) {
  char nonce[NEN_NONCE_TEXT_SIZE];
  if (nen_stream_sealer_nonce_header(chat->sealer, nonce, sizeof nonce) != NEN_OK) {
    return NULL;
  }
  struct MHD_Response *made =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_chat, chat, NULL);
  if (made != NULL) {
    for (size_t i = 0; nen_stream_header_name(i) != NULL; i++) {
      MHD_add_response_header(made, nen_stream_header_name(i), nen_stream_header_value(i));
    }
    MHD_add_response_header(made, nen_stream_nonce_header(), nonce);
  }
  return made;
}

/* The request owns the bytes, and lives until they are sent. To HEAD libmicrohttpd sends their length alone.
 */
static struct MHD_Response *json_response(request *request) {
  nen_buffer body = request->answer;
  if (body.data == NULL && request->plain != NULL) {
    body.data = (uint8_t *)request->plain;
    body.len = strlen(request->plain);
  }
  struct MHD_Response *made = MHD_create_response_from_buffer(body.len, body.data, MHD_RESPMEM_PERSISTENT);
  if (made != NULL) {
    MHD_add_response_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(made, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  }
  return made;
}

static enum MHD_Result answer(request *request, struct MHD_Connection *connection) {
  uint16_t status = MHD_HTTP_OK;
  int32_t code = request->refusal;
  if (code == NEN_OK) {
    code = request->route == NEN_ROUTE_APPLICATION ? answer_application(request, &status)
                                                   : answer_endpoint(request, &status);
  }
  if (code != NEN_OK) {
    log_failure("request", code, request->why);
    chat_free(request->chat);
    request->chat = NULL;
    if (nen_error_answer(code, &status, &request->answer) != NEN_OK) {
      return MHD_NO;
    }
  }
  struct MHD_Response *response = request->chat ? stream_response(request->chat) : json_response(request);
  if (response == NULL) {
    return MHD_NO;
  }
  enum MHD_Result queued = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return queued;
}

/* Keeps a piece of the body; of a request that was refused it keeps nothing. */
static int keep(request *request, const char *piece, size_t length) {
  if (length > request->most_body - request->body_len) {
    return 0;
  }
  if (request->refusal == NEN_OK && length > request->body_room - request->body_len) {
    size_t room = 2 * request->body_room + length;
    room = room < request->most_body ? room : request->most_body;
    uint8_t *larger = wiped_grow(request->body, request->body_len, room);
    if (larger == NULL) {
      return 0;
    }
    request->body = larger;
    request->body_room = room;
  }
  if (request->refusal == NEN_OK) {
    memcpy(request->body + request->body_len, piece, length);
  }
  request->body_len += length;
  return 1;
}

/* Called with the headers, then with each piece of the body, then once more at its end. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *piece, size_t *length,
                                  void **state) {
  (void)context, (void)url, (void)version;
  request *request = *state;
  if (request == NULL) {
    return MHD_NO;
  }
  if (!request->begun) {
    const char *declared = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    request->begun = 1;
    request->method = method;
    request->refusal = pick_headers(request, connection);
    if (request->refusal == NEN_OK) {
      request->refusal = let_in(request);
    }
    if (declared != NULL && strtoull(declared, NULL, 10) > request->most_body) {
      /* An answer before the body makes libmicrohttpd read none of it. What takes none, gets its answer. */
      if (request->refusal == NEN_OK && request->most_body > 0) {
        request->refusal = NEN_ISO_WIRE_INVALID_PAYLOAD_FORMAT;
        request->why = "the body is over the size limit";
      }
      return answer(request, connection);
    }
    return MHD_YES;
  }
  if (*length > 0) {
    /* A body of no declared length that goes beyond the limit: the connection is cut. */
    int kept = keep(request, piece, *length);
    *length = 0;
    return kept ? MHD_YES : MHD_NO;
  }
  return answer(request, connection);
}

/* ── the process ── */

static int port_from_environment(uint16_t *port) {
  const char *text = getenv("PORT");
  char *end = NULL;
  long number = text == NULL || *text == '\0' ? 0 : strtol(text, &end, 10);
  *port = (uint16_t)number;
  return number >= 0 && number <= UINT16_MAX && (end == NULL || *end == '\0');
}

static int32_t make_server(void) {
  nen_server_options *options = NULL;
  int32_t code = nen_server_options_new(&options);
  if (code == NEN_OK) {
    code = nen_server_options_set_max_body(options, MOST_BODY);
  }
  if (code == NEN_OK) {
    code = nen_server_new(options, &server);
  }
  nen_server_options_free(options);
  return code;
}

static int32_t open_store(void) {
  const char *url = getenv("NEN_REDIS_URL");
  return url == NULL || *url == '\0' ? nen_store_memory_new(0, 0, 0, &store) : redis_store_new(url, &store);
}

static struct MHD_Daemon *listen_on(uint16_t port) {
  struct sockaddr_in address = {0};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  /* A thread for each connection may wait: for Redis, or for the next word of a stream. */
  return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ERROR_LOG,
                          port, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &address,
                          MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                          on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS,
                          MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
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
  json_set_alloc_funcs(malloc, wiped_free);

  int32_t code = make_server();
  if (code == NEN_OK) {
    code = open_store();
  }
  if (code != NEN_OK) {
    log_failure("start", code, NULL);
    return 1;
  }
  struct MHD_Daemon *daemon = pipe(stopping) == 0 ? listen_on(port) : NULL;
  if (daemon == NULL) {
    perror("listen");
    return 1;
  }
  printf("listening on http://127.0.0.1:%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
  fflush(stdout);

  sigwait(&signals, &caught);
  close(stopping[1]);
  MHD_stop_daemon(daemon);
  close(stopping[0]);
  nen_store_free(store);
  nen_server_free(server);
  return 0;
}
