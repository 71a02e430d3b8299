/* nen.hpp: both endpoints in one process, what is thrown, and what becomes of handles that are moved. */

#include <nen.hpp>

#include <cstdio>
#include <cstdlib>
#include <type_traits>

using namespace std::string_view_literals;

#define CHECK(...) check_that((__VA_ARGS__), #__VA_ARGS__, __LINE__)
#define THROWS(code, ...) check_that(thrown_by([&] { __VA_ARGS__; }) == (code), #__VA_ARGS__, __LINE__)

static void check_that(bool holds, const char *what, int line) {
  if (!holds) {
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, line, what);
    std::exit(1);
  }
}

template <typename Function> int32_t thrown_by(Function function) {
  try {
    function();
  } catch (const nen::error &error) {
    return error.code();
  }
  return NEN_OK;
}

constexpr uint64_t now = 1763750000000;

/* A client's headers as its server receives them. */
static nen_request_headers received(const nen::sealed_request &request) {
  return {nen::str(request.headers.session), nen::str(request.headers.timestamp),
          nen::str(request.headers.nonce), nen::str(request.headers.signature)};
}

struct world {
  nen::client client;
  nen::server server;
  nen::store store = nen::store::memory();

  void shake_hands() const {
    auto handshake = client.handshake();
    const auto answer =
        server.respond(store, nen::route::handshake, {}, "POST", "/api/nen/handshake", handshake.body(), now);
    client.establish(handshake, answer.status, answer.body, now);
  }
};

static void request_and_answer() {
  world world;
  THROWS(NEN_ISO_SESSION_NOT_INITIALIZED,
         (void)nen::call("GET", "/api/secure-data").seal(world.client, {}, now));
  CHECK(!world.client.session());
  world.shake_hands();

  nen::call call("POST", "/api/secure-data");
  const auto request = call.seal(world.client, R"({"amount":1840})", now);
  CHECK(request.body.view().find("1840") == std::string_view::npos);
  const auto exchange = world.server.admit(world.store, received(request), "POST", "/api/secure-data", now);
  CHECK(exchange.open(request.body).view() == R"({"amount":1840})");
  CHECK(exchange.max_body() > 0 && exchange.session().id() == world.client.session()->id());
  const auto answer = exchange.seal(201, R"({"made":true})");
  const auto opened = call.open(world.client, {answer.status, {}, answer.body}, now);
  CHECK(answer.status == 201 && opened.outcome == nen::outcome::answer);
  CHECK(opened.plaintext.view() == R"({"made":true})");
  CHECK(call.open(world.client, {502, {}, "Bad Gateway"}, now).outcome == nen::outcome::foreign);

  THROWS(NEN_ISO_REPLAY_NONCE_REUSED,
         (void)world.server.admit(world.store, received(request), "POST", "/api/secure-data", now));
  THROWS(NEN_ISO_AUTH_SIGNATURE_INVALID,
         (void)world.server.admit(world.store, received(request), "POST", "/other", now));
}

static void stream() {
  world world;
  world.shake_hands();
  nen::call call("POST", "/api/chat");
  const auto request = call.seal(world.client, "{}", now);
  auto sealer = world.server.admit(world.store, received(request), "POST", "/api/chat", now).stream();
  auto opener = call.open_stream(world.client, sealer.nonce_header());

  CHECK(opener.next().state == nen::stream_state::pending);
  for (const auto chunk : {"one "sv, "__FIN__"sv, ""sv}) {
    opener.push(sealer.seal(chunk));
    std::string text;
    for (auto step = opener.next(); step.state == nen::stream_state::chunk; step = opener.next()) {
      text += step.chunk.view();
    }
    CHECK(text == chunk);
  }
  THROWS(NEN_ISO_STREAM_TRUNCATED, opener.end());
  opener.push(sealer.finish());
  CHECK(opener.next().state == nen::stream_state::finished);
  opener.end();

  THROWS(NEN_ISO_STREAM_MISSING_NONCE_HEADER, (void)call.open_stream(world.client, {}));
  THROWS(NEN_ISO_STREAM_REQUEST_FAILED, (void)call.refuse_stream(world.client, {502, {}, "no"}, now));

  const auto session = *world.client.session();
  nen::stream_sealer own(session);
  nen::stream_opener small(session, own.nonce_header(), 3);
  small.push(own.seal("a chunk over the limit"));
  THROWS(NEN_ISO_WIRE_INVALID_PAYLOAD_FORMAT, (void)small.next());
}

static void identity() {
  const auto identity = nen::identity::generate();
  const auto secret = identity.to_pkcs8();
  const auto loaded = nen::identity::from_pkcs8(secret);
  CHECK(secret.size() == NEN_IDENTITY_PKCS8_SIZE);
  CHECK(loaded.public_key().view() == identity.public_key().view());
  THROWS(NEN_ISO_AUTH_IDENTITY_SIGNATURE_INVALID, (void)nen::identity::from_pkcs8("no key"));

  world world;
  world.client = nen::client(nen::client_options().identity(loaded).correct_clock(false).max_chunk(9));
  world.server = nen::server(nen::server_options().allow_identity(loaded.public_key()).max_body(99));
  world.shake_hands();
  const auto id = world.client.session()->id();
  CHECK(world.store.find(id, now)->identity().view() == loaded.public_key().view());

  world.client = nen::client();
  THROWS(NEN_ISO_AUTH_IDENTITY_SIGNATURE_INVALID, world.shake_hands());
  THROWS(NEN_ERR_OPTION, nen::server(nen::server_options().prefix("no slash")));
}

static void lifecycle() {
  world world;
  world.shake_hands();
  const auto old = world.client.session()->id();
  const auto act = [&](nen::route route, std::string_view method, std::string_view target) {
    nen::lifecycle_call call(route, target);
    const auto request = call.seal(world.client, now);
    CHECK(world.server.route(method, target) == route);
    const auto answer =
        world.server.respond(world.store, route, received(request), method, target, request.body, now);
    return call.open(world.client, {answer.status, {}, answer.body}, now);
  };
  CHECK(act(nen::route::status, "GET", "/api/nen/status").done);
  CHECK(act(nen::route::rotate, "POST", "/api/nen/rotate").outcome == nen::outcome::done);
  CHECK(world.client.session()->id() != old && !world.store.find(old, now));
  CHECK(act(nen::route::terminate, "POST", "/api/nen/terminate").outcome == nen::outcome::done);
  CHECK(!world.client.session() && world.store.count().sessions == 0);
  CHECK(world.server.route("GET", "/elsewhere") == nen::route::application);
}

static void step_by_step() {
  world world;
  nen::handshake handshake;
  auto accepted = world.server.accept(handshake.body(), now);
  const auto session = handshake.finish(200, accepted.answer, now);
  CHECK(session.id() == accepted.session.id());
  world.store.set(accepted.session, now);

  const auto nonce = nen::random_nonce();
  const auto signature = session.sign("GET", "/a?query", now, nonce);
  const auto sealed = session.seal(nonce, "plain");
  CHECK(accepted.session.open(nonce, sealed).view() == "plain");
  THROWS(NEN_ISO_CRYPTO_DECRYPT_FAILED, (void)session.open(nen::random_nonce(), sealed));
  THROWS(NEN_ISO_AUTH_SIGNATURE_INVALID,
         accepted.session.verify("GET", "/a", std::to_string(now), "AAAAAAAAAAAAAAAA", signature));

  const auto id = session.id();
  const auto copy = nen::session::from_record(id, accepted.session.to_record(), 1);
  CHECK(copy.created_ms() == now && copy.expires_ms() == accepted.session.expires_ms());

  const nen_header all[] = {{nen::str("x-nen-session"), nen::str(id)}};
  const nen::request bare(nen::pick_headers(all, 1), "GET", "/api/nen/status");
  CHECK(bare.session_id() == id);
  CHECK(!world.server.verify_lifecycle(bare, &copy, now));
  THROWS(NEN_ISO_AUTH_NONCE_MISSING, (void)world.server.verify(bare, &copy, now));
  THROWS(NEN_ISO_SESSION_INVALID_OR_EXPIRED, (void)world.server.verify(bare, nullptr, now));

  world.shake_hands();
  nen::call call("GET", "/a");
  const auto signed_request = call.seal(world.client, {}, now);
  const nen::request request(received(signed_request), "GET", "/a");
  const auto loaded = world.store.find(request.session_id(), now);
  auto verified = world.server.verify(request, &*loaded, now);
  const auto wanted = verified.claim();
  const auto claim = [&] {
    return world.store.claim_nonce(request.session_id(), wanted.nonce, wanted.until_ms, now);
  };
  const auto exchange = verified.admit(claim());
  CHECK(exchange.open({}).empty());
  CHECK(claim() == nen::claim::replay);
  THROWS(NEN_ERR_USED_UP, (void)verified.claim());
  world.store.remove(request.session_id());
  world.store.sweep(now + NEN_DEFAULT_SESSION_TTL_MS);
  CHECK(world.store.count().sessions == 0 && world.store.count().nonces == 0);
}

static void errors() {
  const auto before = nen::now_ms();
  CHECK(before > now && nen::now_ms() >= before);
  nen::check(NEN_OK);
  try {
    (void)nen::server().admit(nen::store::memory(), {}, "GET", "/", now);
    CHECK(false);
  } catch (const nen::error &error) {
    CHECK(error.code() == 2003 && error.iso_code() == "ISO-2003" && error.name() == "SESSION_HEADER_MISSING");
    CHECK(error.category() == "session" && error.http_status() == 401);
    CHECK(error.message() == nen_error_message(2003) && error.hint() == nen_error_hint(2003));
    CHECK(error.detail() == nen_last_detail());
    CHECK(std::string_view(error.what()).find("ISO-2003 SESSION_HEADER_MISSING") == 0);
    const auto answer = error.answer();
    CHECK(answer.status == 401 && answer.body.view().find("ISO-2003") != std::string_view::npos);
  }
  const nen::error misuse(NEN_ERR_NULL);
  CHECK(misuse.iso_code().empty() && misuse.name() == "NEN_ERR_NULL" && misuse.answer().status == 500);
}

template <typename Class> constexpr bool moves_only() {
  return std::is_nothrow_move_constructible_v<Class> && std::is_nothrow_move_assignable_v<Class> &&
         !std::is_copy_constructible_v<Class> && !std::is_copy_assignable_v<Class>;
}

static_assert(moves_only<nen::buffer>() && moves_only<nen::call>() && moves_only<nen::client>() &&
              moves_only<nen::client_options>() && moves_only<nen::exchange>() &&
              moves_only<nen::handshake>() && moves_only<nen::identity>() &&
              moves_only<nen::lifecycle_call>() && moves_only<nen::request>() && moves_only<nen::server>() &&
              moves_only<nen::server_options>() && moves_only<nen::session>() && moves_only<nen::store>() &&
              moves_only<nen::stream_opener>() && moves_only<nen::stream_sealer>() &&
              moves_only<nen::verified>());

/* A handle has one owner at a time; what it moved from refuses and can be used again. */
static void moves() {
  world world;
  world.shake_hands();
  nen::client taken(std::move(world.client));
  CHECK(taken.session().has_value() && world.client.get() == nullptr);
  THROWS(NEN_ERR_NULL, (void)world.client.session());
  world.client = std::move(taken);
  CHECK(world.client.session().has_value());
  auto &itself = world.client;
  world.client = std::move(itself);
  CHECK(world.client.session().has_value());

  auto secret = nen::identity::generate().to_pkcs8();
  nen::buffer other(std::move(secret));
  CHECK(secret.empty() && secret.data() == nullptr && other.size() == NEN_IDENTITY_PKCS8_SIZE);
  other = nen::buffer();
  CHECK(other.empty());

  nen::session kept(world.client.session()->release());
  CHECK(kept.id() == world.client.session()->id());
}

int main() {
  request_and_answer();
  stream();
  identity();
  lifecycle();
  step_by_step();
  errors();
  moves();
}
