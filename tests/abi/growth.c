/* A server and a client at work do not grow: 100,000 operations leave the heap as large as they found it.
 * Time moves on, so that sessions end and nonces can be forgotten. */

#include <malloc.h>

#include "check.h"

#define OPERATIONS 100000
#define OPERATIONS_PER_ROUND 8
#define ROUNDS_PER_SESSION 500
#define STEP_MS 1000
/* Less than any leak of one allocation in each round. */
#define SLACK ((size_t)128 * 1024)

static size_t heap(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static void play(const world *world, uint64_t now) {
  nen_call *call;
  nen_signed_headers headers;
  nen_exchange *exchange, *none;
  nen_buffer request, body, answer, opened, frame;
  nen_stream_sealer *sealer;
  uint16_t status;
  int32_t outcome;
  OK(nen_call_new(TEXT("POST"), TEXT("/"), &call));
  OK(nen_call_seal(call, world->client, BYTES("{\"a\":1}"), now, &headers, &request));
  nen_request_headers lent = received(&headers);
  OK(nen_server_admit(world->server, world->store, &lent, TEXT("POST"), TEXT("/"), now, &exchange));
  FAILS(5001, nen_server_admit(world->server, world->store, &lent, TEXT("POST"), TEXT("/"), now, &none));
  OK(nen_exchange_open(exchange, CONTENT(request), &body));
  OK(nen_exchange_seal(exchange, 200, CONTENT(body), &status, &answer));
  OK(nen_exchange_stream(exchange, &sealer));
  OK(nen_stream_sealer_finish(sealer, &frame));
  OK(nen_call_open(call, world->client, status, NOTHING, CONTENT(answer), now, &outcome, &opened));
  nen_stream_sealer_free(sealer);
  nen_exchange_free(exchange);
  nen_call_free(call);
  nen_buffer_free(&request);
  nen_buffer_free(&body);
  nen_buffer_free(&answer);
  nen_buffer_free(&opened);
  nen_buffer_free(&frame);
}

static uint64_t play_rounds(const world *world, uint64_t now, int rounds) {
  for (int i = 0; i < rounds; i++, now += STEP_MS) {
    if (i % ROUNDS_PER_SESSION == 0) {
      OK(shake_hands(world, now));
    }
    play(world, now);
  }
  return now;
}

int main(void) {
  world world = new_world(NULL, NULL);
  /* Until the first sessions have ended the store grows, as it should. */
  uint64_t now = play_rounds(&world, NOW, 2 * (int)(NEN_DEFAULT_SESSION_TTL_MS / STEP_MS));
  size_t before = heap();
  play_rounds(&world, now, OPERATIONS / OPERATIONS_PER_ROUND);
  size_t after = heap();
  if (after > before + SLACK) {
    fprintf(stderr, "the heap grew from %zu to %zu bytes\n", before, after);
    return 1;
  }
  free_world(&world);
  return 0;
}
