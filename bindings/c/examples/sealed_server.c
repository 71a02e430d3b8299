/* Read it from the end: how a request is taken in, let in, and answered. */

#include "sealed_server.h"

#include <microhttpd.h>
#include <netinet/in.h>

#include "common.h"
#include "wiped_free.h"

#define MOST_CONNECTIONS 1000
#define IDLE_SECONDS 30
#define MOST_BODY ((size_t)1024 * 1024)
#define MOST_PLAIN_BODY ((size_t)64 * 1024)

struct sealed_server {
  nen_server *nen;
  nen_store *store;
  const char *protected_prefix;
  const sealed_route *routes;
  struct MHD_Daemon *daemon;
};

/* One HTTP request, from its first line until its answer is sent. */
typedef struct {
  const sealed_server *server;
  char *target; /* percent-encoded, as it travelled and was signed */
  const char *method;
  nen_request_headers headers;
  int begun;
  int32_t route;
  nen_exchange *exchange; /* if it was admitted */
  int32_t refusal;        /* why it was not */
  uint8_t *body;
  size_t body_len, body_room, most_body;
  sealed_answer answer;
  char *plain;       /* the answer as it is sent, if not sealed */
  nen_buffer sealed; /* if sealed; of a stream the chunk on its way, and how much of it went */
  size_t sent;
  nen_stream_sealer *sealer;
  int finished;
} request;

int32_t sealed_failure(sealed_answer *answer, const char *why) {
  answer->why = why;
  return NEN_ISO_INTERNAL;
}

/* ── the routes ── */

/* HEAD is answered like GET: the HTTP library leaves the body out. */
static int names(const char *methods, const char *method) {
  const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
  const char *found = methods == NULL ? NULL : strstr(methods, wanted);
  return methods == NULL || (found != NULL && (found == methods || found[-1] == ' ') &&
                             strchr(" ", found[strlen(wanted)]) != NULL);
}

static int32_t no_route(const sealed_request *request, sealed_answer *answer) {
  (void)request;
  answer->status = MHD_HTTP_NOT_FOUND;
  answer->json = json_pack("{s:s}", "error", "not found");
  return NEN_OK;
}

/* The path as it travelled is what was signed, and what is compared: nothing can read it in another way. */
static sealed_handler *find_handler(const request *request) {
  size_t length = strcspn(request->target, "?");
  for (const sealed_route *route = request->server->routes; route->path != NULL; route++) {
    size_t wanted = strlen(route->path);
    int below = route->path[wanted - 1] == '/' && length > wanted;
    if ((length == wanted || below) && strncmp(request->target, route->path, wanted) == 0 &&
        names(route->methods, request->method)) {
      return route->handler;
    }
  }
  return no_route;
}

/* Runs the handler on JSON, which may be empty. */
static int32_t run_handler(request *request, nen_buffer json) {
  json_t *body = NULL;
  if (json.len > 0) {
    body = json_loadb((const char *)json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (body == NULL) {
      request->answer.status = MHD_HTTP_BAD_REQUEST;
      request->answer.json = json_pack("{s:s}", "error", "the body cannot be read");
      return NEN_OK;
    }
  }
  const sealed_request seen = {request->target, request->exchange, body};
  int32_t code = find_handler(request)(&seen, &request->answer);
  json_decref(body);
  return code;
}

/* ── what nen does around them ── */

static int is_protected(const request *request) {
  const char *prefix = request->server->protected_prefix;
  return strncmp(request->target, prefix, strlen(prefix)) == 0;
}

/* The headers alone say whether a request is let in, and how much of its body is kept: of a stranger's, what
 * a session endpoint or a route that is not protected takes. */
static int32_t let_in(request *request) {
  const sealed_server *server = request->server;
  request->most_body = MOST_BODY;
  int32_t code = nen_server_route(server->nen, TEXT(request->method), TEXT(request->target), &request->route);
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
  return nen_server_admit(server->nen, server->store, &request->headers, TEXT(request->method),
                          TEXT(request->target), now_ms(), &request->exchange);
}

/* A session endpoint. */
static int32_t answer_endpoint(request *request) {
  const sealed_server *server = request->server;
  if (request->route == NEN_ROUTE_NOT_FOUND) {
    request->answer.status = MHD_HTTP_NOT_FOUND;
    return NEN_OK;
  }
  return nen_server_respond(server->nen, server->store, request->route, &request->headers,
                            TEXT(request->method), TEXT(request->target), request->body, request->body_len,
                            now_ms(), &request->answer.status, &request->sealed);
}

/* The application: what it gets was opened, what it answers is sealed. */
static int32_t answer_application(request *request) {
  sealed_answer *answer = &request->answer;
  nen_buffer json = {request->body, request->body_len, 0};
  int32_t code = NEN_OK;
  if (request->exchange != NULL) {
    code = nen_exchange_open(request->exchange, request->body, request->body_len, &json);
  }
  if (code == NEN_OK) {
    code = run_handler(request, json);
  }
  if (request->exchange != NULL) {
    nen_buffer_free(&json);
  }
  if (code != NEN_OK) {
    return code;
  }
  if (answer->stream.next != NULL) {
    return nen_exchange_stream(request->exchange, &request->sealer);
  }
  request->plain = json_dumps(answer->json, JSON_COMPACT | JSON_ENCODE_ANY);
  json_decref(answer->json);
  answer->json = NULL;
  if (request->plain == NULL) {
    return sealed_failure(answer, "the handler made no JSON");
  }
  return request->exchange == NULL
             ? NEN_OK
             : nen_exchange_seal(request->exchange, answer->status, BYTES(request->plain), &answer->status,
                                 &request->sealed);
}

/* The next chunk, or the end mark after the last one. */
static int32_t seal_next(request *request) {
  const sealed_stream *stream = &request->answer.stream;
  nen_str chunk = {NULL, 0};
  nen_buffer_free(&request->sealed);
  request->sent = 0;
  int32_t code = stream->next(stream->context, &chunk);
  if (code == NEN_OK && chunk.data == NULL) {
    request->finished = 1;
    return nen_stream_sealer_finish(request->sealer, &request->sealed);
  }
  return code == NEN_OK ? nen_stream_sealer_seal(request->sealer, (const uint8_t *)chunk.data, chunk.len,
                                                 &request->sealed)
                        : code;
}

/* libmicrohttpd sends what this returns as one piece, at once. */
static ssize_t read_stream(void *context, uint64_t position, char *room, size_t size) {
  (void)position;
  request *request = context;
  if (request->sent == request->sealed.len) {
    if (request->finished) {
      return MHD_CONTENT_READER_END_OF_STREAM;
    }
    int32_t code = seal_next(request);
    if (code != NEN_OK) {
      log_failure("stream", code, NULL);
      return MHD_CONTENT_READER_END_WITH_ERROR;
    }
  }
  size_t left = request->sealed.len - request->sent, taken = left < size ? left : size;
  memcpy(room, request->sealed.data + request->sent, taken);
  request->sent += taken;
  return (ssize_t)taken;
}

/* ── HTTP ── */

/* Called with the target before libmicrohttpd decodes it. */
static void *on_target(void *context, const char *target, struct MHD_Connection *connection) {
  (void)connection;
  request *made = calloc(1, sizeof *made);
  if (made != NULL && (made->target = strdup(target)) == NULL) {
    free(made);
    made = NULL;
  }
  if (made != NULL) {
    made->server = context;
    made->answer.status = MHD_HTTP_OK;
  }
  return made;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
  (void)context, (void)connection, (void)why;
  request *request = *state;
  if (request != NULL) {
    const sealed_stream *stream = &request->answer.stream;
    if (stream->free != NULL) {
      stream->free(stream->context);
    }
    json_decref(request->answer.json);
    nen_stream_sealer_free(request->sealer);
    nen_exchange_free(request->exchange);
    nen_buffer_free(&request->sealed);
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
    return sealed_failure(&request->answer, "out of memory");
  }
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, add_header, &list);
  int32_t code = nen_request_headers_pick(list.all, list.count, &request->headers);
  free(list.all);
  return code;
}

static struct MHD_Response *stream_response(request *request) {
  char nonce[NEN_NONCE_TEXT_SIZE];
  if (nen_stream_sealer_nonce_header(request->sealer, nonce, sizeof nonce) != NEN_OK) {
    return NULL;
  }
  struct MHD_Response *made =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, request, NULL);
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
  nen_buffer body = request->sealed;
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
  int32_t code = request->refusal;
  if (code == NEN_OK) {
    code = request->route == NEN_ROUTE_APPLICATION ? answer_application(request) : answer_endpoint(request);
  }
  if (code != NEN_OK) {
    log_failure("request", code, request->answer.why);
    if (nen_error_answer(code, &request->answer.status, &request->sealed) != NEN_OK) {
      return MHD_NO;
    }
  }
  struct MHD_Response *response = request->sealer ? stream_response(request) : json_response(request);
  if (response == NULL) {
    return MHD_NO;
  }
  enum MHD_Result queued = MHD_queue_response(connection, request->answer.status, response);
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
        request->answer.why = "the body is over the size limit";
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

/* ── the server ── */

static int32_t make_nen(nen_server **out) {
  nen_server_options *options = NULL;
  int32_t code = nen_server_options_new(&options);
  if (code == NEN_OK) {
    code = nen_server_options_set_max_body(options, MOST_BODY);
  }
  if (code == NEN_OK) {
    code = nen_server_new(options, out);
  }
  nen_server_options_free(options);
  return code;
}

static struct MHD_Daemon *listen_on(uint16_t port, sealed_server *server) {
  struct sockaddr_in address = {0};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  /* A thread for each connection may wait: for the store, or for the next chunk of a stream. */
  return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ERROR_LOG,
                          port, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &address,
                          MHD_OPTION_URI_LOG_CALLBACK, on_target, server, MHD_OPTION_NOTIFY_COMPLETED,
                          on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS,
                          MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
}

sealed_server *sealed_server_start(uint16_t port, nen_store *store, const char *protected_prefix,
                                   const sealed_route *routes) {
  nen_server *nen = NULL;
  int32_t code = make_nen(&nen);
  if (code != NEN_OK) {
    log_failure("start", code, NULL);
    return NULL;
  }
  /* JSON holds what was opened. */
  json_set_alloc_funcs(malloc, wiped_free);
  sealed_server *made = malloc(sizeof *made);
  if (made != NULL) {
    *made = (sealed_server){nen, store, protected_prefix, routes, NULL};
    made->daemon = listen_on(port, made);
  }
  if (made == NULL || made->daemon == NULL) {
    perror("listen");
    nen_server_free(nen);
    free(made);
    return NULL;
  }
  return made;
}

uint16_t sealed_server_port(const sealed_server *server) {
  return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void sealed_server_stop(sealed_server *server) {
  if (server != NULL) {
    MHD_stop_daemon(server->daemon);
    nen_server_free(server->nen);
    free(server);
  }
}
