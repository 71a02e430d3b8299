/* A client of nen over HTTP: what to send, what to do with the answer, when to shake hands again. */

#ifndef SEALED_CLIENT_H
#define SEALED_CLIENT_H

#include <nen.h>

#include "http.h"

/* Any number of threads may use it at once. */
typedef struct sealed_client sealed_client;

/* Beside the codes of nen.h: the request did not come to its end. The handshake says 1003 instead, a stream
 * 7002. */
#define SEALED_NO_ANSWER INT32_MIN

/* Takes one chunk of a stream. Anything but NEN_OK ends it, and is returned. */
typedef int32_t sealed_reader(void *context, nen_buffer chunk);

/* A client of the origin to which `http` goes, which must live longer. `options` may be NULL. */
int32_t sealed_client_new(http *http, const nen_client_options *options, sealed_client **out);
void sealed_client_free(sealed_client *client);

/* Requests shake hands by themselves, where there is no session or the server has none. */
int32_t sealed_client_handshake(sealed_client *client);
int32_t sealed_client_rotate(sealed_client *client);
int32_t sealed_client_terminate(sealed_client *client);
int32_t sealed_client_status(sealed_client *client, int *out_alive);
/* The id of the session, into NEN_SESSION_ID_SIZE bytes; empty if there is none. */
int32_t sealed_client_session_id(sealed_client *client, char *out);

/* `json` NULL is a request without a body. The outputs are the HTTP status and the opened answer: empty for
 * HEAD, and if something that does not speak nen answered, which then was not 2xx. */
int32_t sealed_client_request(sealed_client *client, const char *method, const char *target, const char *json,
                              uint16_t *out_status, nen_buffer *out_json);
/* Hands the chunks over one by one, as they come. */
int32_t sealed_client_stream(sealed_client *client, const char *method, const char *target, const char *json,
                             sealed_reader *reader, void *context);

#endif
