#include "sealed_client.h"

#include <pthread.h>

#include "common.h"

struct sealed_client {
  nen_client *nen;
  http *http;
  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t ended; /* a handshake was, well or not */
  int shaking_hands;
  unsigned failures;
  int32_t last_failure;
};

int32_t sealed_client_new(http *http, const nen_client_options *options, sealed_client **out) {
  sealed_client *made = calloc(1, sizeof *made);
  int32_t code = made == NULL ? NEN_ISO_INTERNAL : nen_client_new(options, &made->nen);
  if (code != NEN_OK) {
    free(made);
    return code;
  }
  made->http = http;
  pthread_mutex_init(&made->lock, NULL);
  pthread_cond_init(&made->ended, NULL);
  *out = made;
  return NEN_OK;
}

void sealed_client_free(sealed_client *client) {
  if (client != NULL) {
    nen_client_free(client->nen);
    pthread_cond_destroy(&client->ended);
    pthread_mutex_destroy(&client->lock);
    free(client);
  }
}

/* ── sending ── */

/* One attempt: what was sealed, and what came back. */
typedef struct {
  nen_signed_headers headers;
  nen_buffer body;
  http_answer answer;
} attempt;

static void attempt_free(attempt *attempt) {
  nen_buffer_free(&attempt->body);
  http_answer_free(&attempt->answer);
}

static int32_t send_attempt(sealed_client *client, const char *method, const char *target, attempt *attempt,
                            http_reader *reader, void *context) {
  const nen_signed_headers *made = &attempt->headers;
  const http_header headers[] = {
      {nen_session_header(), made->session}, {nen_timestamp_header(), made->timestamp},
      {nen_nonce_header(), made->nonce},     {nen_signature_header(), made->signature},
      {"Content-Type", "application/json"},  {NULL, NULL},
  };
  const http_request request = {method, target, headers, attempt->body.data, attempt->body.len};
  int failed = http_send(client->http, &request, reader, context, &attempt->answer);
  return failed ? SEALED_NO_ANSWER : NEN_OK;
}

/* Status, Date and body, as the functions that read an answer want them. */
#define DATE(answer) (answer).date, (answer).date ? strlen((answer).date) : 0
#define ANSWER(answer) (answer).status, DATE(answer), (answer).body, (answer).body_len

/* ── the session ── */

static int32_t shake_hands(sealed_client *client) {
  static const http_header headers[] = {{"Content-Type", "application/json"}, {NULL, NULL}};
  nen_handshake *handshake = NULL;
  nen_buffer body = {0};
  http_answer answer = {0};
  int32_t code = nen_client_handshake(client->nen, &handshake, &body);
  if (code == NEN_OK) {
    const http_request request = {"POST", "/api/nen/handshake", headers, body.data, body.len};
    int failed = http_send(client->http, &request, NULL, NULL, &answer);
    code = failed ? NEN_ISO_HANDSHAKE_NETWORK : NEN_OK;
  }
  if (code == NEN_OK) {
    code =
        nen_client_establish(client->nen, handshake, answer.status, answer.body, answer.body_len, now_ms());
  }
  nen_handshake_free(handshake);
  nen_buffer_free(&body);
  http_answer_free(&answer);
  return code;
}

/* With the lock held, which is open meanwhile. */
static int32_t handshake_locked(sealed_client *client) {
  client->shaking_hands = 1;
  pthread_mutex_unlock(&client->lock);
  int32_t code = shake_hands(client);
  pthread_mutex_lock(&client->lock);
  client->shaking_hands = 0;
  if (code != NEN_OK) {
    client->failures++;
    client->last_failure = code;
  }
  pthread_cond_broadcast(&client->ended);
  return code;
}

static void wait_locked(sealed_client *client) {
  while (client->shaking_hands) {
    pthread_cond_wait(&client->ended, &client->lock);
  }
}

int32_t sealed_client_handshake(sealed_client *client) {
  pthread_mutex_lock(&client->lock);
  wait_locked(client);
  int32_t code = handshake_locked(client);
  pthread_mutex_unlock(&client->lock);
  return code;
}

/* Of all calls that found the session gone, the first shakes hands, and what becomes of that is for the
 * others, too. */
static int32_t reestablish(sealed_client *client, const char *gone) {
  char id[NEN_SESSION_ID_SIZE];
  pthread_mutex_lock(&client->lock);
  unsigned failures = client->failures;
  wait_locked(client);
  int32_t code = failures != client->failures ? client->last_failure : sealed_client_session_id(client, id);
  if (code == NEN_OK && (id[0] == '\0' || strcmp(id, gone) == 0)) {
    code = handshake_locked(client);
  }
  pthread_mutex_unlock(&client->lock);
  return code;
}

int32_t sealed_client_session_id(sealed_client *client, char *out) {
  nen_session *session = NULL;
  int32_t code = nen_client_session(client->nen, &session);
  out[0] = '\0';
  if (code == NEN_OK && session != NULL) {
    code = nen_session_id(session, out, NEN_SESSION_ID_SIZE);
  }
  nen_session_free(session);
  return code;
}

/* Where there is no session yet, the first call shakes hands. */
static int32_t ensure_session(sealed_client *client) {
  char id[NEN_SESSION_ID_SIZE];
  int32_t code = sealed_client_session_id(client, id);
  return code == NEN_OK && id[0] == '\0' ? reestablish(client, "") : code;
}

/* Rotate, terminate, status. */
static int32_t lifecycle(sealed_client *client, int32_t route, const char *method, const char *target,
                         int32_t *done) {
  nen_lifecycle_call *call = NULL;
  int32_t outcome = NEN_OUTCOME_REPEAT;
  int32_t code = nen_lifecycle_call_new(route, TEXT(target), &call);
  while (code == NEN_OK && outcome == NEN_OUTCOME_REPEAT) {
    attempt attempt = {0};
    code = nen_lifecycle_call_seal(call, client->nen, now_ms(), &attempt.headers, &attempt.body);
    if (code == NEN_OK) {
      code = send_attempt(client, method, target, &attempt, NULL, NULL);
    }
    if (code == NEN_OK) {
      code = nen_lifecycle_call_open(call, client->nen, ANSWER(attempt.answer), now_ms(), &outcome, done);
    }
    if (code == NEN_OK && outcome == NEN_OUTCOME_REESTABLISH) {
      code = reestablish(client, attempt.headers.session);
    }
    attempt_free(&attempt);
  }
  nen_lifecycle_call_free(call);
  return code;
}

int32_t sealed_client_rotate(sealed_client *client) {
  int32_t done;
  return lifecycle(client, NEN_ROUTE_ROTATE, "POST", "/api/nen/rotate", &done);
}

int32_t sealed_client_terminate(sealed_client *client) {
  int32_t done;
  return lifecycle(client, NEN_ROUTE_TERMINATE, "POST", "/api/nen/terminate", &done);
}

int32_t sealed_client_status(sealed_client *client, int *out_alive) {
  int32_t alive = 0;
  int32_t code = lifecycle(client, NEN_ROUTE_STATUS, "GET", "/api/nen/status", &alive);
  *out_alive = alive;
  return code == NEN_ISO_SESSION_NOT_INITIALIZED ? NEN_OK : code;
}

/* ── requests ── */

static int once_more(int32_t outcome) {
  return outcome == NEN_OUTCOME_REPEAT || outcome == NEN_OUTCOME_REESTABLISH;
}

static const uint8_t *bytes(const char *json) {
  return (const uint8_t *)json;
}

static size_t length(const char *json) {
  return json ? strlen(json) : 0;
}

int32_t sealed_client_request(sealed_client *client, const char *method, const char *target, const char *json,
                              uint16_t *out_status, nen_buffer *out_json) {
  nen_call *call = NULL;
  int32_t outcome = NEN_OUTCOME_REPEAT;
  int32_t code = nen_call_new(TEXT(method), TEXT(target), &call);
  if (code == NEN_OK) {
    code = ensure_session(client);
  }
  while (code == NEN_OK && once_more(outcome)) {
    attempt attempt = {0};
    code = nen_call_seal(call, client->nen, bytes(json), length(json), now_ms(), &attempt.headers,
                         &attempt.body);
    if (code == NEN_OK) {
      code = send_attempt(client, method, target, &attempt, NULL, NULL);
    }
    if (code == NEN_OK) {
      *out_status = attempt.answer.status;
      code = nen_call_open(call, client->nen, ANSWER(attempt.answer), now_ms(), &outcome, out_json);
    }
    if (code == NEN_OK && outcome == NEN_OUTCOME_REESTABLISH) {
      code = reestablish(client, attempt.headers.session);
    }
    attempt_free(&attempt);
  }
  nen_call_free(call);
  return code;
}

/* ── streams ── */

typedef struct {
  sealed_client *client;
  nen_call *call;
  nen_stream_opener *opener; /* once a 2xx answer has begun */
  sealed_reader *reader;
  void *context;
  int32_t code;
  int finished; /* the end mark has come */
} stream;

static int32_t begin_stream(stream *stream, const http_answer *answer) {
  const char *nonce = answer->stream_nonce;
  return nen_call_open_stream(stream->call, stream->client->nen, nonce, length(nonce), &stream->opener);
}

/* Hands over what is complete. */
static int32_t read_chunks(stream *stream) {
  for (;;) {
    int32_t state;
    nen_buffer chunk;
    int32_t code = nen_stream_opener_next(stream->opener, &state, &chunk);
    if (code != NEN_OK) {
      return code;
    }
    if (state != NEN_STREAM_CHUNK) {
      stream->finished = state == NEN_STREAM_FINISHED;
      return NEN_OK;
    }
    code = stream->reader(stream->context, chunk);
    nen_buffer_free(&chunk);
    if (code != NEN_OK) {
      return code;
    }
  }
}

static int on_piece(void *context, const http_answer *answer, const uint8_t *piece, size_t length) {
  stream *stream = context;
  if (stream->opener == NULL) {
    stream->code = begin_stream(stream, answer);
  }
  if (stream->code == NEN_OK) {
    stream->code = nen_stream_opener_push(stream->opener, piece, length);
  }
  if (stream->code == NEN_OK) {
    stream->code = read_chunks(stream);
  }
  /* A peer that never closes does not keep a stream that is complete. */
  return stream->code != NEN_OK || stream->finished;
}

/* What one attempt came to, now that the transport has ended, by itself or not. */
static int32_t end_stream(stream *stream, const http_answer *answer, int32_t sent, int32_t *outcome) {
  if (stream->code != NEN_OK) {
    return stream->code;
  }
  if (stream->opener != NULL) {
    *outcome = NEN_OUTCOME_ANSWER;
    return nen_stream_opener_end(stream->opener);
  }
  if (sent != NEN_OK) {
    return NEN_ISO_STREAM_REQUEST_FAILED;
  }
  if (answer->status / 100 == 2) {
    int32_t code = begin_stream(stream, answer);
    return code == NEN_OK ? end_stream(stream, answer, sent, outcome) : code;
  }
  return nen_call_refuse_stream(stream->call, stream->client->nen, ANSWER(*answer), now_ms(), outcome);
}

int32_t sealed_client_stream(sealed_client *client, const char *method, const char *target, const char *json,
                             sealed_reader *reader, void *context) {
  stream stream = {client, NULL, NULL, reader, context, NEN_OK, 0};
  int32_t outcome = NEN_OUTCOME_REPEAT;
  int32_t code = nen_call_new(TEXT(method), TEXT(target), &stream.call);
  if (code == NEN_OK) {
    code = ensure_session(client);
  }
  while (code == NEN_OK && once_more(outcome)) {
    attempt attempt = {0};
    code = nen_call_seal(stream.call, client->nen, bytes(json), length(json), now_ms(), &attempt.headers,
                         &attempt.body);
    if (code == NEN_OK) {
      int32_t sent = send_attempt(client, method, target, &attempt, on_piece, &stream);
      code = end_stream(&stream, &attempt.answer, sent, &outcome);
    }
    if (code == NEN_OK && outcome == NEN_OUTCOME_REESTABLISH) {
      code = reestablish(client, attempt.headers.session);
    }
    attempt_free(&attempt);
  }
  nen_stream_opener_free(stream.opener);
  nen_call_free(stream.call);
  return code;
}
