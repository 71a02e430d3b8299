/* nen.hpp: both endpoints in one process, what is thrown, and what becomes of handles that are moved. */

#include <nen.hpp>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
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

/* A copy, of a temporary too. */
static std::string text(const nen::buffer &buffer) {
  return std::string(buffer.view());
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
  CHECK(text(exchange.open(request.body)) == R"({"amount":1840})");
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
    const auto frame = sealer.seal(chunk);
    opener.push(frame);
    std::string text;
    for (auto step = opener.next(); step.state == nen::stream_state::chunk; step = opener.next()) {
      text += step.chunk.view();
    }
    CHECK(text == chunk);
  }
  THROWS(NEN_ISO_STREAM_TRUNCATED, opener.end());
  const auto end = sealer.finish();
  opener.push(end);
  CHECK(opener.next().state == nen::stream_state::finished);
  opener.end();

  THROWS(NEN_ISO_STREAM_MISSING_NONCE_HEADER, (void)call.open_stream(world.client, {}));
  THROWS(NEN_ISO_STREAM_REQUEST_FAILED, (void)call.refuse_stream(world.client, {502, {}, "no"}, now));

  const auto session = *world.client.session();
  nen::stream_sealer own(session);
  nen::stream_opener small(session, own.nonce_header(), 3);
  const auto large = own.seal("a chunk over the limit");
  small.push(large);
  THROWS(NEN_ISO_WIRE_INVALID_PAYLOAD_FORMAT, (void)small.next());
}

static void identity() {
  const auto identity = nen::identity::generate();
  const auto secret = identity.to_pkcs8();
  const auto loaded = nen::identity::from_pkcs8(secret);
  CHECK(secret.size() == NEN_IDENTITY_PKCS8_SIZE);
  const auto public_key = identity.public_key();
  CHECK(text(loaded.public_key()) == public_key.view());
  THROWS(NEN_ISO_AUTH_IDENTITY_SIGNATURE_INVALID, (void)nen::identity::from_pkcs8("no key"));

  const auto signature = identity.sign("message");
  nen::identity::verify(public_key, "message", signature);
  THROWS(NEN_ISO_AUTH_IDENTITY_SIGNATURE_INVALID, nen::identity::verify(public_key, "another", signature));

  world world;
  world.client = nen::client(nen::client_options().identity(loaded).correct_clock(false).max_chunk(9));
  world.server = nen::server(nen::server_options().allow_identity(public_key).max_body(99));
  CHECK(world.server.max_body() == 99);
  world.shake_hands();
  const auto id = world.client.session()->id();
  CHECK(text(world.store.find(id, now)->identity()) == public_key.view());

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
  CHECK(text(accepted.session.open(nonce, sealed)) == "plain");
  THROWS(NEN_ISO_CRYPTO_DECRYPT_FAILED, (void)session.open(nen::random_nonce(), sealed));
  THROWS(NEN_ISO_AUTH_SIGNATURE_INVALID,
         accepted.session.verify("GET", "/a", std::to_string(now), "AAAAAAAAAAAAAAAA", signature));

  const auto id = session.id();
  const auto record = accepted.session.to_record();
  const auto copy = nen::session::from_record(id, record, 1);
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

/* A store in a map, which fails on demand, and on demand returns what it has moved away. */
class map_store : public nen::custom_store {
public:
  explicit map_store(bool &gone) : gone_(gone) {}
  ~map_store() override {
    gone_ = true;
  }

  std::optional<nen::session> get(std::string_view id, uint64_t now_ms) override {
    fail_if_asked();
    const auto found = sessions_.find(std::string(id));
    const bool live = found != sessions_.end() && found->second.expires_ms() > now_ms;
    if (live && returning_moved) {
      return nen::session(nullptr);
    }
    return live ? std::optional(found->second.clone()) : std::nullopt;
  }
  void set(nen::session session, uint64_t) override {
    fail_if_asked();
    auto id = session.id();
    sessions_.insert_or_assign(std::move(id), std::move(session));
  }
  void remove(std::string_view id) override {
    sessions_.erase(std::string(id));
  }
  nen::claim claim_nonce(std::string_view id, const nen::nonce_bytes &nonce, uint64_t, uint64_t) override {
    const bool fresh = nonces_.insert(nen::nonce_key(id, nonce)).second;
    return fresh ? nen::claim::fresh : nen::claim::replay;
  }

  bool failing = false, returning_moved = false;

private:
  void fail_if_asked() const {
    if (failing) {
      throw std::runtime_error("out of reach");
    }
  }

  bool &gone_;
  std::map<std::string, nen::session> sessions_;
  std::set<std::string> nonces_;
};

static void custom_store() {
  bool gone = false;
  {
    auto own = std::make_unique<map_store>(gone);
    auto &map = *own;
    world world;
    world.store = nen::store::custom(std::move(own));
    world.shake_hands();
    nen::call call("POST", "/");
    const auto request = call.seal(world.client, "1", now);
    const auto exchange = world.server.admit(world.store, received(request), "POST", "/", now);
    CHECK(text(exchange.open(request.body)) == "1");
    THROWS(NEN_ISO_REPLAY_NONCE_REUSED,
           (void)world.server.admit(world.store, received(request), "POST", "/", now));
    const auto old = world.client.session()->id();
    nen::lifecycle_call rotate(nen::route::rotate, "/api/nen/rotate");
    const auto rotation = rotate.seal(world.client, now);
    const auto answer = world.server.respond(world.store, nen::route::rotate, received(rotation), "POST",
                                             "/api/nen/rotate", rotation.body, now);
    CHECK(rotate.open(world.client, {answer.status, {}, answer.body}, now).outcome == nen::outcome::done);
    CHECK(!world.store.find(old, now) && world.store.find(world.client.session()->id(), now));
    map.returning_moved = true;
    THROWS(NEN_ISO_STORE_UNAVAILABLE, (void)world.store.find(world.client.session()->id(), now));
    map.failing = true;
    THROWS(NEN_ISO_STORE_UNAVAILABLE, (void)world.store.find(old, now));
    THROWS(NEN_ISO_STORE_UNAVAILABLE, world.shake_hands());
    THROWS(NEN_ERR_VALUE, (void)world.store.count());
    CHECK(!gone);
  }
  CHECK(gone);
  THROWS(NEN_ERR_NULL, (void)nen::store::custom(nullptr));
}

static void endpoint_in_steps() {
  world world;
  auto handshake = world.client.handshake();
  nen::endpoint_call accept(world.server, nen::route::handshake, {}, "POST", "/api/nen/handshake",
                            handshake.body(), now);
  CHECK(accept.step() == nen::step::set);
  THROWS(NEN_ERR_STEP, accept.got(nullptr));
  world.store.set(accept.session(), now);
  accept.stored();
  CHECK(accept.step() == nen::step::answer);
  auto answer = accept.answer();
  world.client.establish(handshake, answer.status, answer.body, now);

  const auto old = world.client.session()->id();
  nen::lifecycle_call rotate(nen::route::rotate, "/api/nen/rotate");
  const auto request = rotate.seal(world.client, now);
  nen::endpoint_call call(world.server, nen::route::rotate, received(request), "POST", "/api/nen/rotate",
                          request.body, now);
  CHECK(call.step() == nen::step::get && call.session_id() == old);
  const auto session = world.store.find(old, now);
  call.got(&*session);
  CHECK(call.step() == nen::step::claim);
  const auto wanted = call.claim();
  call.claimed(world.store.claim_nonce(call.session_id(), wanted.nonce, wanted.until_ms, now));
  CHECK(call.step() == nen::step::replace && call.session_id() == old);
  world.store.set(call.session(), now);
  world.store.remove(call.session_id());
  call.stored();
  answer = call.answer();
  CHECK(rotate.open(world.client, {answer.status, {}, answer.body}, now).outcome == nen::outcome::done);
  CHECK(world.client.session()->id() != old);
}

static void store_keys() {
  world world;
  world.shake_hands();
  const auto session = *world.client.session();
  const nen::store_keys keys("bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4="), plain("plain");
  const auto record = keys.write(session);
  CHECK(record.view().find("sharedSecret") == std::string_view::npos);
  CHECK(text(keys.read(session.id(), record, 1).to_record()) == text(plain.write(session)));
  THROWS(NEN_ISO_STORE_UNAVAILABLE, (void)plain.read(session.id(), record, 1));
  THROWS(NEN_ERR_OPTION, nen::store_keys("no key"));
}

static void derandomized() {
  const std::string client(NEN_CLIENT_DRAWS_SIZE, 'c'), server(NEN_SERVER_DRAWS_SIZE, 's');
  auto handshake = nen::handshake::derandomized(client);
  const auto accepted = nen::server().accept_derandomized(server, handshake.body(), now);
  CHECK(handshake.finish(200, accepted.answer, now).id() == accepted.session.id());
  const auto again = nen::handshake::derandomized(client);
  CHECK(again.body() == handshake.body());
  THROWS(NEN_ERR_LENGTH, (void)nen::handshake::derandomized("short"));
}

static void forms() {
  CHECK(nen::answer_form(200, "application/json", {}, {}) == nen::form::json);
  CHECK(nen::answer_form(404, "text/plain", {}, {}) == nen::form::text);
  CHECK(nen::answer_form(200, "text/event-stream", {}, {}) == nen::form::stream);
  THROWS(NEN_ISO_INTERNAL, (void)nen::answer_form(200, "application/json", "gzip", {}));
  world world;
  world.shake_hands();
  nen::call call("GET", "/");
  const auto request = call.seal(world.client, {}, now);
  const auto exchange = world.server.admit(world.store, received(request), "GET", "/", now);
  const auto answer = exchange.seal_as(nen::form::text, 404, "not found");
  const auto opened = call.open(world.client, {answer.status, {}, answer.body}, now);
  CHECK(answer.status == 404 && opened.plaintext.view() == "\"not found\"");
  CHECK(answer.body.size() == nen_sealed_answer_size(opened.plaintext.size()));
  const auto id = world.client.session()->id();
  CHECK(nen::record_key(id) == "nen:session:" + id);
  CHECK(nen::nonce_key(id, {}) == "nen:session:" + id + ":n:AAAAAAAAAAAAAAAA");
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
              moves_only<nen::client_options>() && moves_only<nen::endpoint_call>() &&
              moves_only<nen::exchange>() && moves_only<nen::handshake>() && moves_only<nen::identity>() &&
              moves_only<nen::lifecycle_call>() && moves_only<nen::request>() && moves_only<nen::server>() &&
              moves_only<nen::server_options>() && moves_only<nen::session>() && moves_only<nen::store>() &&
              moves_only<nen::store_keys>() && moves_only<nen::stream_opener>() &&
              moves_only<nen::stream_sealer>() && moves_only<nen::verified>());

/* A view that would outlive its bytes does not compile. */
struct view {
  template <typename Class> auto operator()(Class &&of) -> decltype(std::forward<Class>(of).view());
};
struct body {
  template <typename Class> auto operator()(Class &&of) -> decltype(std::forward<Class>(of).body());
};

static_assert(std::is_convertible_v<const nen::buffer &, std::string_view> &&
              !std::is_convertible_v<nen::buffer, std::string_view>);
static_assert(std::is_invocable_v<view, const nen::buffer &> && !std::is_invocable_v<view, nen::buffer>);
static_assert(std::is_invocable_v<body, const nen::handshake &> &&
              !std::is_invocable_v<body, nen::handshake>);

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

/* Where NULL has a meaning, what was moved from does not take it on. */
static void moved_is_not_absent() {
  nen::client_options client_options;
  nen::server_options server_options;
  auto identity = nen::identity::generate();
  (void)nen::client_options(std::move(client_options));
  (void)nen::server_options(std::move(server_options));
  (void)nen::identity(std::move(identity));
  THROWS(NEN_ERR_NULL, (void)nen::client(client_options));
  THROWS(NEN_ERR_NULL, (void)nen::server(server_options));
  THROWS(NEN_ERR_NULL, (void)nen::handshake(&identity));

  world world;
  world.shake_hands();
  auto session = world.client.session();
  const nen::session taken(std::move(*session));
  nen::lifecycle_call status(nen::route::status, "/api/nen/status");
  const auto sealed = status.seal(world.client, now);
  const nen::request request(received(sealed), "GET", "/api/nen/status");
  nen::endpoint_call endpoint(world.server, nen::route::status, received(sealed), "GET", "/api/nen/status",
                              {}, now);
  THROWS(NEN_ERR_NULL, (void)world.server.verify(request, &*session, now));
  THROWS(NEN_ERR_NULL, (void)world.server.verify_lifecycle(request, &*session, now));
  THROWS(NEN_ERR_NULL, endpoint.got(&*session));
  endpoint.got(&taken);

  nen::handshake handshake, started(std::move(handshake));
  CHECK(handshake.body().empty() && !started.body().empty());
}

int main() {
  request_and_answer();
  stream();
  identity();
  lifecycle();
  step_by_step();
  custom_store();
  endpoint_in_steps();
  store_keys();
  derandomized();
  forms();
  errors();
  moves();
  moved_is_not_absent();
}
