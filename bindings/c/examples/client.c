/* A client of nen on libcurl, for server.c: a request, a stream, and a key by which the server knows it
 * again. How requests are sealed, sent and opened is in sealed_client.c.
 *
 *     cc -std=c99 -D_DEFAULT_SOURCE client.c sealed_client.c http.c identity_file.c -pthread -o client \
 *       $(pkg-config --cflags --libs nen libcurl libcrypto)
 *     ./client http://127.0.0.1:8000 identity.der
 */

#include <curl/curl.h>
#include <stdio.h>

#include "http.h"
#include "identity_file.h"
#include "sealed_client.h"

static int32_t print(void *context, nen_buffer chunk) {
  (void)context;
  fwrite(chunk.data, 1, chunk.len, stdout);
  fflush(stdout);
  return NEN_OK;
}

/* Nothing has shaken hands yet: the first request does. */
static int32_t talk(sealed_client *client) {
  static const char secret[] = "{\"secret\":\"Only the endpoint that needs this can read it\"}";
  static const char prompt[] = "{\"prompt\":\"one word at a time\",\"delayMs\":200}";
  uint16_t status;
  nen_buffer answer = {0};
  int32_t code = sealed_client_request(client, "POST", "/api/secure-data", secret, &status, &answer);
  if (code == NEN_OK) {
    printf("%u %.*s\n", status, (int)answer.len, (const char *)answer.data);
    nen_buffer_free(&answer);
    code = sealed_client_stream(client, "POST", "/api/chat", prompt, print, NULL);
    putchar('\n');
  }
  return code;
}

static int32_t use_identity(nen_client_options *options, const char *path) {
  nen_identity *identity = NULL;
  int32_t code = identity_file_open(path, &identity);
  if (code == NEN_OK) {
    code = nen_client_options_set_identity(options, identity);
  }
  nen_identity_free(identity);
  return code;
}

static void explain(int32_t code) {
  const char *iso = nen_error_code(code);
  if (code == IDENTITY_FILE_FAILED) {
    perror("the identity file");
  } else if (code != SEALED_NO_ANSWER) { /* of which http.c has told */
    fprintf(stderr, "%s: %s %s\n%s\n", iso ? iso : nen_error_name(code), nen_error_message(code),
            nen_last_detail(), nen_error_hint(code));
  }
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 3) {
    fputs("usage: client BASE_URL [IDENTITY_FILE]\n", stderr);
    return 2;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  nen_client_options *options = NULL;
  sealed_client *client = NULL;
  http *http = http_new(argv[1], nen_stream_nonce_header());
  int32_t code = http == NULL ? NEN_ISO_INTERNAL : nen_client_options_new(&options);
  if (code == NEN_OK && argc == 3) {
    code = use_identity(options, argv[2]);
  }
  if (code == NEN_OK) {
    code = sealed_client_new(http, options, &client);
  }
  if (code == NEN_OK) {
    code = talk(client);
  }
  if (code != NEN_OK) {
    explain(code);
  }
  sealed_client_free(client);
  nen_client_options_free(options);
  http_free(http);
  curl_global_cleanup();
  return code == NEN_OK ? 0 : 1;
}
