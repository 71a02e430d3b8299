#include "redis_store.h"

#include <curl/curl.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request waits for two of them at most, which leaves a server time to stop. */
#define TIMEOUT_MS 500
#define MOST_IDLE 32
#define DEFAULT_PORT 6379

typedef struct {
  char *host, *user, *password; /* allocated by curl; NULL if absent */
  int port, database;
  nen_store_keys *keys;
  pthread_mutex_t lock;
  redisContext *idle[MOST_IDLE];
  size_t idle_count;
} redis;

/* ── connections ── */

/* Runs a command that sets a connection up. Its error is not logged: it may repeat what it was given. */
static int set_up(redisContext *connection, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  redisReply *reply = redisvCommand(connection, format, arguments);
  va_end(arguments);
  int done = reply != NULL && reply->type != REDIS_REPLY_ERROR;
  freeReplyObject(reply);
  return done;
}

static redisContext *connect_to(const redis *redis) {
  const struct timeval timeout = {TIMEOUT_MS / 1000, TIMEOUT_MS % 1000 * 1000};
  redisContext *made = redisConnectWithTimeout(redis->host, redis->port, timeout);
  int ready = made != NULL && made->err == 0 && redisSetTimeout(made, timeout) == REDIS_OK;
  if (ready && redis->password != NULL && redis->user != NULL) {
    ready = set_up(made, "AUTH %s %s", redis->user, redis->password);
  } else if (ready && redis->password != NULL) {
    ready = set_up(made, "AUTH %s", redis->password);
  }
  if (ready && redis->database != 0) {
    ready = set_up(made, "SELECT %d", redis->database);
  }
  if (!ready) {
    fprintf(stderr, "redis: cannot connect to %s:%d: %s\n", redis->host, redis->port,
            made != NULL && made->err != 0 ? made->errstr : "it refuses AUTH or SELECT");
    redisFree(made);
    return NULL;
  }
  return made;
}

static redisContext *take_idle(redis *redis) {
  pthread_mutex_lock(&redis->lock);
  redisContext *taken = redis->idle_count > 0 ? redis->idle[--redis->idle_count] : NULL;
  pthread_mutex_unlock(&redis->lock);
  return taken;
}

static void give_back(redis *redis, redisContext *connection) {
  pthread_mutex_lock(&redis->lock);
  if (redis->idle_count < MOST_IDLE) {
    redis->idle[redis->idle_count++] = connection;
    connection = NULL;
  }
  pthread_mutex_unlock(&redis->lock);
  redisFree(connection);
}

/* Runs a command; NULL if it failed. One that fails on an idle connection, which Redis may have closed
 * meanwhile, is run once more on a new one: every command here may be sent twice. */
static redisReply *run(redis *redis, const char *format, ...) {
  redisContext *connection = take_idle(redis);
  int again = connection != NULL;
  redisReply *reply = NULL;
  while (reply == NULL) {
    connection = connection != NULL ? connection : connect_to(redis);
    if (connection == NULL) {
      return NULL;
    }
    va_list arguments;
    va_start(arguments, format);
    reply = redisvCommand(connection, format, arguments);
    va_end(arguments);
    if (reply == NULL) {
      fprintf(stderr, "redis: %s\n", connection->errstr);
      redisFree(connection);
      connection = NULL;
      if (!again--) {
        return NULL;
      }
    }
  }
  give_back(redis, connection);
  if (reply->type == REDIS_REPLY_ERROR) {
    /* "ERR", "OOM": what follows may repeat the command, and with it the keys of a session. */
    fprintf(stderr, "redis: %.*s\n", (int)strcspn(reply->str, " "), reply->str);
    freeReplyObject(reply);
    return NULL;
  }
  return reply;
}

/* Whether a command was done: this is the type of its reply then, whose content does not matter. */
static int32_t done(redisReply *reply, int type) {
  int32_t code = reply != NULL && reply->type == type ? NEN_OK : NEN_ISO_STORE_UNAVAILABLE;
  freeReplyObject(reply);
  return code;
}

/* ── the store ── */

/* A record in the clear holds the keys of its session. */
static void wipe(redisReply *reply) {
  if (reply->type == REDIS_REPLY_STRING) {
    explicit_bzero(reply->str, reply->len);
  }
}

static int32_t get(void *context, const char *id, size_t id_len, uint64_t now_ms, nen_session **out) {
  redis *redis = context;
  char key[NEN_RECORD_KEY_SIZE];
  nen_session *session = NULL;
  uint64_t expires_ms = 0;
  int32_t code = nen_record_key(id, id_len, key, sizeof key);
  redisReply *reply = code == NEN_OK ? run(redis, "GET %s", key) : NULL;
  if (reply == NULL) {
    return NEN_ISO_STORE_UNAVAILABLE;
  }
  if (reply->type == REDIS_REPLY_STRING) {
    code = nen_store_keys_read(redis->keys, id, id_len, (const uint8_t *)reply->str, reply->len,
                               NEN_DEFAULT_SESSION_TTL_MS, &session);
    if (code != NEN_OK) {
      /* Servers whose keys differ must be heard, and by the code alone Redis might be away. */
      fprintf(stderr, "redis: %s\n", nen_last_detail());
    }
  }
  if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_NIL) {
    code = NEN_ISO_STORE_UNAVAILABLE;
  }
  wipe(reply);
  freeReplyObject(reply);
  if (code == NEN_OK && session != NULL) {
    code = nen_session_expires_ms(session, &expires_ms);
  }
  if (code == NEN_OK && session != NULL && expires_ms > now_ms) {
    *out = session;
  } else {
    nen_session_free(session);
  }
  return code;
}

/* Redis is told how long it keeps something and never until when: its clock may not agree with that of a
 * server, and what is over already it would acknowledge and not keep. */
static int32_t set(void *context, const nen_session *session, uint64_t now_ms) {
  redis *redis = context;
  char id[NEN_SESSION_ID_SIZE], key[NEN_RECORD_KEY_SIZE];
  nen_buffer record = {0};
  uint64_t expires_ms = 0;
  int32_t code = nen_session_id(session, id, sizeof id);
  if (code == NEN_OK) {
    code = nen_record_key(id, strlen(id), key, sizeof key);
  }
  if (code == NEN_OK) {
    code = nen_session_expires_ms(session, &expires_ms);
  }
  if (code != NEN_OK || expires_ms <= now_ms) {
    return code;
  }
  code = nen_store_keys_write(redis->keys, session, &record);
  if (code == NEN_OK) {
    code = done(run(redis, "SET %s %b PX %llu", key, record.data, record.len,
                    (unsigned long long)(expires_ms - now_ms)),
                REDIS_REPLY_STATUS);
  }
  nen_buffer_free(&record);
  return code;
}

static int32_t remove_session(void *context, const char *id, size_t id_len) {
  char key[NEN_RECORD_KEY_SIZE];
  int32_t code = nen_record_key(id, id_len, key, sizeof key);
  return code == NEN_OK ? done(run(context, "DEL %s", key), REDIS_REPLY_INTEGER) : code;
}

/* The key is there: was it our own command that set it, sent twice by run()? */
static int32_t who_claimed(redis *redis, const char *key, const uint8_t *token, size_t token_len,
                           int32_t *out_claim) {
  redisReply *reply = run(redis, "GET %s", key);
  if (reply == NULL) {
    return NEN_ISO_STORE_UNAVAILABLE;
  }
  int ours = reply->type == REDIS_REPLY_STRING && reply->len == token_len &&
             memcmp(reply->str, token, token_len) == 0;
  *out_claim = ours ? NEN_CLAIM_FRESH : NEN_CLAIM_REPLAY;
  freeReplyObject(reply);
  return NEN_OK;
}

/* How long to remember a nonce: servers whose clocks differ must not see it end early. What is too long,
 * Redis refuses. */
static unsigned long long lifetime(uint64_t until_ms, uint64_t now_ms) {
  uint64_t left = until_ms - now_ms;
  return left > UINT64_MAX - NEN_REMOTE_CLOCK_SLACK_MS ? UINT64_MAX : left + NEN_REMOTE_CLOCK_SLACK_MS;
}

static int32_t claim_nonce(void *context, const char *id, size_t id_len, const uint8_t *nonce,
                           size_t nonce_len, uint64_t until_ms, uint64_t now_ms, int32_t *out_claim) {
  char key[NEN_NONCE_KEY_SIZE];
  uint8_t token[NEN_NONCE_SIZE];
  int32_t code = nen_nonce_key(id, id_len, nonce, nonce_len, key, sizeof key);
  if (code == NEN_OK) {
    code = nen_nonce_random(token, sizeof token);
  }
  if (code != NEN_OK) {
    return code;
  }
  if (until_ms < now_ms) {
    /* It may have been forgotten. */
    *out_claim = NEN_CLAIM_REPLAY;
    return NEN_OK;
  }
  redisReply *reply =
      run(context, "SET %s %b NX PX %llu", key, token, sizeof token, lifetime(until_ms, now_ms));
  if (reply != NULL && reply->type == REDIS_REPLY_NIL) {
    freeReplyObject(reply);
    return who_claimed(context, key, token, sizeof token, out_claim);
  }
  *out_claim = NEN_CLAIM_FRESH;
  return done(reply, REDIS_REPLY_STATUS);
}

static void destroy(void *context) {
  redis *redis = context;
  while (redis->idle_count > 0) {
    redisFree(redis->idle[--redis->idle_count]);
  }
  pthread_mutex_destroy(&redis->lock);
  curl_free(redis->host);
  curl_free(redis->user);
  curl_free(redis->password);
  nen_store_keys_free(redis->keys);
  free(redis);
}

/* ── its address ── */

static char *part(CURLU *url, CURLUPart which) {
  char *text = NULL;
  return curl_url_get(url, which, &text, CURLU_URLDECODE) == CURLUE_OK ? text : NULL;
}

static int has(CURLU *url, CURLUPart which) {
  char *text = part(url, which);
  curl_free(text);
  return text != NULL;
}

/* Takes off the brackets of an IPv6 address, which curl keeps. */
static void strip_brackets(char *host) {
  size_t length = host != NULL ? strlen(host) : 0;
  if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
    memmove(host, host + 1, length - 2);
    host[length - 2] = '\0';
  }
}

/* A number that stands alone, after `skip` bytes; the default if there is none, and -1 if it is no number. */
static int number_part(CURLU *url, CURLUPart which, size_t skip, int otherwise) {
  char *text = part(url, which), *end = NULL;
  int number = otherwise;
  if (text != NULL && strlen(text) > skip) {
    long read = strtol(text + skip, &end, 10);
    number = *end == '\0' && read >= 0 && read <= UINT16_MAX ? (int)read : -1;
  }
  curl_free(text);
  return number;
}

static int read_url(redis *redis, const char *text) {
  CURLU *url = curl_url();
  int read = url != NULL && strncmp(text, "redis://", strlen("redis://")) == 0 &&
             curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
  /* Some clients take options there: one that is not followed must not be passed over. */
  read = read && !has(url, CURLUPART_QUERY) && !has(url, CURLUPART_FRAGMENT);
  if (read) {
    redis->host = part(url, CURLUPART_HOST);
    strip_brackets(redis->host);
    redis->user = part(url, CURLUPART_USER);
    redis->password = part(url, CURLUPART_PASSWORD);
    redis->port = number_part(url, CURLUPART_PORT, 0, DEFAULT_PORT);
    redis->database = number_part(url, CURLUPART_PATH, strlen("/"), 0);
    if (redis->user != NULL && *redis->user == '\0') {
      curl_free(redis->user);
      redis->user = NULL;
    }
  }
  curl_url_cleanup(url);
  return read && redis->host != NULL && redis->port > 0 && redis->database >= 0;
}

int32_t redis_store_new(const char *url, const char *keys, nen_store **out) {
  static const nen_store_vtable vtable = {
      .size = sizeof vtable,
      .get = get,
      .set = set,
      .remove = remove_session,
      .claim_nonce = claim_nonce,
      .destroy = destroy,
  };
  redis *made = calloc(1, sizeof *made);
  if (made == NULL) {
    return NEN_ISO_STORE_UNAVAILABLE;
  }
  pthread_mutex_init(&made->lock, NULL);
  int32_t code = nen_store_keys_new(keys, keys != NULL ? strlen(keys) : 0, &made->keys);
  if (code != NEN_OK) {
    fprintf(stderr, "redis: the store keys: %s\n", nen_last_detail());
  } else if (read_url(made, url)) {
    code = nen_store_custom_new(&vtable, made, out);
  } else {
    code = NEN_ERR_OPTION;
    fputs("redis: the URL is not redis://[[user]:password@]host[:port][/database], and nothing else\n",
          stderr);
  }
  if (code != NEN_OK) {
    destroy(made);
  }
  return code;
}
