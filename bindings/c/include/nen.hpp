/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * nen for C++17: what nen.h declares, with handles that free themselves and errors that are thrown.
 *
 * Each class holds one handle of nen.h and can be moved, not copied; its methods are the functions of that
 * handle, which nen.h documents with their errors. A method that is const may be called by any number of
 * threads at once, any other one by one thread at a time. An object that was moved from can be assigned to
 * and destroyed; any other use of it throws NEN_ERR_NULL. Only a buffer and handshake::body() are then empty
 * and do not throw.
 *
 * Texts and bytes come in as std::string_view and are not kept. Where a header may be absent,
 * std::string_view{} says so. Whatever the library returns by a nen_buffer is a nen::buffer, which must have
 * a name to be read: a view of a temporary one would outlive its bytes.
 */

#ifndef NEN_HPP
#define NEN_HPP

#if (defined(_MSVC_LANG) && _MSVC_LANG < 201703L) || (!defined(_MSVC_LANG) && __cplusplus < 201703L)
#error "nen.hpp needs C++17"
#endif

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nen.h>

namespace nen {

/** Now, in Unix milliseconds: what every now_ms wants. The library never looks at a clock. */
inline uint64_t now_ms() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

/** Bytes of the library's, wiped and freed at the end. */
class buffer {
public:
  buffer() = default;
  explicit buffer(nen_buffer taken) noexcept : raw_(taken) {}
  buffer(buffer &&other) noexcept : raw_(std::exchange(other.raw_, nen_buffer{})) {}
  buffer &operator=(buffer &&other) noexcept {
    buffer before(std::exchange(raw_, std::exchange(other.raw_, nen_buffer{})));
    return *this;
  }
  ~buffer() {
    nen_buffer_free(&raw_);
  }

  const uint8_t *data() const noexcept {
    return raw_.data;
  }
  std::size_t size() const noexcept {
    return raw_.len;
  }
  bool empty() const noexcept {
    return raw_.len == 0;
  }
  /** Valid as long as the buffer. */
  std::string_view view() const & noexcept {
    return {reinterpret_cast<const char *>(raw_.data), raw_.len};
  }
  std::string_view view() const && = delete;
  operator std::string_view() const & noexcept {
    return view();
  }
  operator std::string_view() const && = delete;

private:
  nen_buffer raw_{};
};

/** What a server sends: HTTP status and body, application/json. */
struct response {
  uint16_t status;
  buffer body;
};

/** A code of the protocol (positive) or of misuse (NEN_ERR_*), and what was found. what() is for the log. */
class error : public std::runtime_error {
public:
  /** Describes the call of the library that failed last on this thread. */
  explicit error(int32_t code) : error(code, nen_last_detail()) {}
  error(int32_t code, const std::string &detail)
      : std::runtime_error(describe(code, detail)), code_(code), detail_(detail) {}

  int32_t code() const noexcept {
    return code_;
  }
  /** As on the wire, "ISO-3002"; empty for misuse. */
  std::string_view iso_code() const noexcept {
    return text(nen_error_code(code_));
  }
  std::string_view name() const noexcept {
    return text(nen_error_name(code_));
  }
  std::string_view category() const noexcept {
    return text(nen_error_category(code_));
  }
  /** One sentence that is safe to send. */
  std::string_view message() const noexcept {
    return text(nen_error_message(code_));
  }
  /** Cause and fix, for the log. */
  std::string_view hint() const noexcept {
    return text(nen_error_hint(code_));
  }
  /** What exactly was found, for the log. */
  const std::string &detail() const noexcept {
    return detail_;
  }
  uint16_t http_status() const noexcept {
    return nen_error_http_status(code_);
  }
  /** What a server answers. */
  response answer() const;

private:
  static std::string_view text(const char *text) noexcept {
    return text ? text : std::string_view{};
  }
  static std::string describe(int32_t code, const std::string &detail) {
    std::string what(text(nen_error_code(code)));
    what.append(what.empty() ? "" : " ").append(text(nen_error_name(code)));
    return detail.empty() ? what : what + ": " + detail;
  }

  int32_t code_;
  std::string detail_;
};

/** Throws what is not NEN_OK. */
inline void check(int32_t code) {
  if (code != NEN_OK) {
    throw error(code);
  }
}

namespace detail {

/** One handle of nen.h and its end. */
template <typename Handle, void (*Free)(Handle *)> class owner {
public:
  using handle_type = Handle;

  /** Takes over a handle. */
  explicit owner(Handle *taken) noexcept : handle_(taken) {}

  /** Lends the handle to a function of nen.h; nullptr if it was moved from. */
  Handle *get() const noexcept {
    return handle_.get();
  }
  /** Gives the handle up: the caller frees it. */
  Handle *release() noexcept {
    return handle_.release();
  }

private:
  struct deleter {
    void operator()(Handle *handle) const noexcept {
      Free(handle);
    }
  };
  std::unique_ptr<Handle, deleter> handle_;
};

/** Calls a function of nen.h and returns its last parameter, the output. */
template <typename Output, typename Function, typename... Arguments>
Output output(Function function, Arguments... arguments) {
  Output out{};
  check(function(arguments..., &out));
  return out;
}

/** Calls a function whose output is a handle. */
template <typename Class, typename Function, typename... Arguments>
Class make(Function function, Arguments... arguments) {
  return Class(output<typename Class::handle_type *>(function, arguments...));
}

/** Like make(), of a function whose output may be NULL. */
template <typename Class, typename Function, typename... Arguments>
std::optional<Class> find(Function function, Arguments... arguments) {
  auto *handle = output<typename Class::handle_type *>(function, arguments...);
  return handle ? std::optional<Class>(std::in_place, handle) : std::nullopt;
}

/** Calls a function whose output is a nen_buffer. */
template <typename Function, typename... Arguments> buffer fill(Function function, Arguments... arguments) {
  return buffer(output<nen_buffer>(function, arguments...));
}

/** Calls a function whose output is terminated text of fixed size. */
template <std::size_t Size, typename Function, typename... Arguments>
std::string text(Function function, Arguments... arguments) {
  std::array<char, Size> room{};
  check(function(arguments..., room.data(), room.size()));
  return room.data();
}

/** Lends a handle where NULL has a meaning of its own, which a moved-from object must not take on. */
template <typename Class> typename Class::handle_type *lent(const Class &object) {
  if (object.get() == nullptr) {
    throw error(NEN_ERR_NULL, "the object was moved from");
  }
  return object.get();
}

/** The same of an object that need not be. */
template <typename Class> typename Class::handle_type *lent(const Class *object) {
  return object ? lent(*object) : nullptr;
}

inline const uint8_t *bytes(std::string_view view) noexcept {
  return reinterpret_cast<const uint8_t *>(view.data());
}

} // namespace detail

inline response error::answer() const {
  uint16_t status = 0;
  nen_buffer body{};
  check(nen_error_answer(code_, &status, &body));
  return {status, buffer(body)};
}

/* ── values ── */

enum class outcome : int32_t {
  answer = NEN_OUTCOME_ANSWER,
  foreign = NEN_OUTCOME_FOREIGN,
  repeat = NEN_OUTCOME_REPEAT,
  reestablish = NEN_OUTCOME_REESTABLISH,
  done = NEN_OUTCOME_DONE,
};

enum class claim : int32_t {
  fresh = NEN_CLAIM_FRESH,
  replay = NEN_CLAIM_REPLAY,
  full = NEN_CLAIM_FULL,
};

enum class route : int32_t {
  application = NEN_ROUTE_APPLICATION,
  handshake = NEN_ROUTE_HANDSHAKE,
  rotate = NEN_ROUTE_ROTATE,
  terminate = NEN_ROUTE_TERMINATE,
  status = NEN_ROUTE_STATUS,
  not_found = NEN_ROUTE_NOT_FOUND,
};

/** What a session endpoint needs of a store, see endpoint_call. */
enum class step : int32_t {
  answer = NEN_STEP_ANSWER,
  get = NEN_STEP_GET,
  claim = NEN_STEP_CLAIM,
  set = NEN_STEP_SET,
  replace = NEN_STEP_REPLACE,
  remove = NEN_STEP_REMOVE,
};

enum class form : int32_t {
  json = NEN_FORM_JSON,
  text = NEN_FORM_TEXT,
  stream = NEN_FORM_STREAM,
};

enum class stream_state : int32_t {
  pending = NEN_STREAM_PENDING,
  chunk = NEN_STREAM_CHUNK,
  finished = NEN_STREAM_FINISHED,
};

using nonce_bytes = std::array<uint8_t, NEN_NONCE_SIZE>;
using signature_bytes = std::array<uint8_t, NEN_SIGNATURE_SIZE>;

inline nonce_bytes random_nonce() {
  nonce_bytes drawn{};
  check(nen_nonce_random(drawn.data(), drawn.size()));
  return drawn;
}

/** A nonce to claim in a store, and until when it must be remembered. */
struct nonce_claim {
  nonce_bytes nonce;
  uint64_t until_ms;
};

/** Text for the structs of nen.h. */
inline nen_str str(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

/** The protocol's headers out of all of a request's. Points into them. */
inline nen_request_headers pick_headers(const nen_header *all, std::size_t count) {
  return detail::output<nen_request_headers>(nen_request_headers_pick, all, count);
}

/** How an application's answer is to be sealed, by its headers. */
inline form answer_form(uint16_t status, std::string_view content_type, std::string_view content_encoding,
                        std::string_view content_length) {
  return static_cast<form>(detail::output<int32_t>(
      nen_answer_form, status, content_type.data(), content_type.size(), content_encoding.data(),
      content_encoding.size(), content_length.data(), content_length.size()));
}

/** Where shared stores keep a session. */
inline std::string record_key(std::string_view id) {
  return detail::text<NEN_RECORD_KEY_SIZE>(nen_record_key, id.data(), id.size());
}

/** Where shared stores remember a used nonce. */
inline std::string nonce_key(std::string_view id, const nonce_bytes &nonce) {
  return detail::text<NEN_NONCE_KEY_SIZE>(nen_nonce_key, id.data(), id.size(), nonce.data(), nonce.size());
}

/* ── keys ── */

/** A client's long-lived key pair. */
class identity : public detail::owner<nen_identity, nen_identity_free> {
public:
  using owner::owner;
  [[nodiscard]] static identity generate() {
    return detail::make<identity>(nen_identity_generate);
  }
  [[nodiscard]] static identity from_pkcs8(std::string_view der) {
    return detail::make<identity>(nen_identity_from_pkcs8, detail::bytes(der), der.size());
  }

  [[nodiscard]] buffer to_pkcs8() const {
    return detail::fill(nen_identity_to_pkcs8, get());
  }
  [[nodiscard]] buffer public_key() const {
    return detail::fill(nen_identity_public_key, get());
  }
  [[nodiscard]] buffer sign(std::string_view message) const {
    return detail::fill(nen_identity_sign, get(), detail::bytes(message), message.size());
  }
  /** Throws 3004. */
  static void verify(std::string_view public_key, std::string_view message, std::string_view signature) {
    check(nen_identity_verify(detail::bytes(public_key), public_key.size(), detail::bytes(message),
                              message.size(), detail::bytes(signature), signature.size()));
  }
};

/** The keys that a client and a server share. */
class session : public detail::owner<nen_session, nen_session_free> {
public:
  using owner::owner;
  [[nodiscard]] static session from_record(std::string_view id, std::string_view record, uint64_t ttl_ms) {
    return detail::make<session>(nen_session_from_record, id.data(), id.size(), detail::bytes(record),
                                 record.size(), ttl_ms);
  }

  /** Another hold on the same session. */
  [[nodiscard]] session clone() const {
    return detail::make<session>(nen_session_clone, get());
  }
  [[nodiscard]] buffer to_record() const {
    return detail::fill(nen_session_to_record, get());
  }
  [[nodiscard]] std::string id() const {
    return detail::text<NEN_SESSION_ID_SIZE>(nen_session_id, get());
  }
  [[nodiscard]] uint64_t created_ms() const {
    return detail::output<uint64_t>(nen_session_created_ms, get());
  }
  [[nodiscard]] uint64_t expires_ms() const {
    return detail::output<uint64_t>(nen_session_expires_ms, get());
  }
  [[nodiscard]] buffer identity() const {
    return detail::fill(nen_session_identity, get());
  }

  [[nodiscard]] buffer seal(const nonce_bytes &nonce, std::string_view plaintext) const {
    return detail::fill(nen_session_seal, get(), nonce.data(), nonce.size(), detail::bytes(plaintext),
                        plaintext.size());
  }
  [[nodiscard]] buffer open(const nonce_bytes &nonce, std::string_view ciphertext) const {
    return detail::fill(nen_session_open, get(), nonce.data(), nonce.size(), detail::bytes(ciphertext),
                        ciphertext.size());
  }
  [[nodiscard]] signature_bytes sign(std::string_view method, std::string_view target, uint64_t timestamp_ms,
                                     const nonce_bytes &nonce) const {
    signature_bytes made{};
    check(nen_session_sign(get(), method.data(), method.size(), target.data(), target.size(), timestamp_ms,
                           nonce.data(), nonce.size(), made.data(), made.size()));
    return made;
  }
  /** Throws 3002. `timestamp` and `nonce` are the texts of the headers. */
  void verify(std::string_view method, std::string_view target, std::string_view timestamp,
              std::string_view nonce, const signature_bytes &signature) const {
    check(nen_session_verify(get(), method.data(), method.size(), target.data(), target.size(),
                             timestamp.data(), timestamp.size(), nonce.data(), nonce.size(), signature.data(),
                             signature.size()));
  }
};

/** Under which keys records are sealed in a store: base64 of 32 bytes each, or "plain", separated by commas.
 */
class store_keys : public detail::owner<nen_store_keys, nen_store_keys_free> {
public:
  explicit store_keys(std::string_view list)
      : owner(detail::output<nen_store_keys *>(nen_store_keys_new, list.data(), list.size())) {}

  [[nodiscard]] buffer write(const session &session) const {
    return detail::fill(nen_store_keys_write, get(), session.get());
  }
  /** Throws 9001 for what is no record, and for one that none of the keys opens. */
  [[nodiscard]] session read(std::string_view id, std::string_view record, uint64_t ttl_ms) const {
    return detail::make<session>(nen_store_keys_read, get(), id.data(), id.size(), detail::bytes(record),
                                 record.size(), ttl_ms);
  }
};

/* ── streams ── */

/** Seals the chunks of a stream. */
class stream_sealer : public detail::owner<nen_stream_sealer, nen_stream_sealer_free> {
public:
  using owner::owner;
  explicit stream_sealer(const session &session)
      : owner(detail::output<nen_stream_sealer *>(nen_stream_sealer_new, session.get())) {}

  [[nodiscard]] std::string nonce_header() {
    return detail::text<NEN_NONCE_TEXT_SIZE>(nen_stream_sealer_nonce_header, get());
  }
  [[nodiscard]] buffer seal(std::string_view chunk) {
    return detail::fill(nen_stream_sealer_seal, get(), detail::bytes(chunk), chunk.size());
  }
  [[nodiscard]] buffer finish() {
    return detail::fill(nen_stream_sealer_finish, get());
  }
};

/** Opens the chunks of a stream. */
class stream_opener : public detail::owner<nen_stream_opener, nen_stream_opener_free> {
public:
  struct step {
    stream_state state;
    buffer chunk;
  };

  using owner::owner;
  stream_opener(const session &session, std::string_view nonce_header,
                std::size_t max_chunk = NEN_DEFAULT_MAX_CHUNK)
      : owner(detail::output<nen_stream_opener *>(nen_stream_opener_new, session.get(), nonce_header.data(),
                                                  nonce_header.size(), max_chunk)) {}

  void push(std::string_view data) {
    check(nen_stream_opener_push(get(), detail::bytes(data), data.size()));
  }
  [[nodiscard]] step next() {
    int32_t state = NEN_STREAM_PENDING;
    nen_buffer chunk{};
    check(nen_stream_opener_next(get(), &state, &chunk));
    return {static_cast<stream_state>(state), buffer(chunk)};
  }
  void end() {
    check(nen_stream_opener_end(get()));
  }
};

/* ── client ── */

/** The settings of a client to come. */
class client_options : public detail::owner<nen_client_options, nen_client_options_free> {
public:
  client_options() : owner(detail::output<nen_client_options *>(nen_client_options_new)) {}

  client_options &identity(const nen::identity &identity) {
    check(nen_client_options_set_identity(get(), identity.get()));
    return *this;
  }
  client_options &correct_clock(bool on) {
    check(nen_client_options_set_correct_clock(get(), on));
    return *this;
  }
  client_options &max_chunk(std::size_t bytes) {
    check(nen_client_options_set_max_chunk(get(), bytes));
    return *this;
  }
};

/** The client's half of a key exchange. */
class handshake : public detail::owner<nen_handshake, nen_handshake_free> {
public:
  /** Starts one that belongs to no client. */
  explicit handshake(const identity *identity = nullptr) : handshake(started(identity)) {}
  handshake(nen_handshake *taken, buffer body) noexcept : owner(taken), body_(std::move(body)) {}
  /** From given randomness of NEN_CLIENT_DRAWS_SIZE bytes: for test vectors, and for nothing else. */
  [[nodiscard]] static handshake derandomized(std::string_view draws, const identity *identity = nullptr) {
    nen_handshake *made = nullptr;
    nen_buffer body{};
    check(
        nen_derandomized_handshake(detail::bytes(draws), draws.size(), detail::lent(identity), &made, &body));
    return {made, buffer(body)};
  }

  /** The JSON to POST. */
  std::string_view body() const & noexcept {
    return body_;
  }
  std::string_view body() const && = delete;
  [[nodiscard]] session finish(uint16_t status, std::string_view answer, uint64_t now_ms) {
    return detail::make<session>(nen_handshake_finish, get(), status, detail::bytes(answer), answer.size(),
                                 now_ms);
  }

private:
  static handshake started(const identity *identity) {
    nen_handshake *made = nullptr;
    nen_buffer body{};
    check(nen_handshake_new(detail::lent(identity), &made, &body));
    return {made, buffer(body)};
  }

  buffer body_;
};

/** A client: its session, its identity, its clock. */
class client : public detail::owner<nen_client, nen_client_free> {
public:
  client() : owner(detail::output<nen_client *>(nen_client_new, nullptr)) {}
  explicit client(const client_options &options)
      : owner(detail::output<nen_client *>(nen_client_new, detail::lent(options))) {}

  [[nodiscard]] nen::handshake handshake() const {
    nen_handshake *made = nullptr;
    nen_buffer body{};
    check(nen_client_handshake(get(), &made, &body));
    return {made, buffer(body)};
  }
  void establish(nen::handshake &handshake, uint16_t status, std::string_view answer, uint64_t now_ms) const {
    check(nen_client_establish(get(), handshake.get(), status, detail::bytes(answer), answer.size(), now_ms));
  }
  [[nodiscard]] std::optional<nen::session> session() const {
    return detail::find<nen::session>(nen_client_session, get());
  }
};

/** What a client sends. */
struct sealed_request {
  nen_signed_headers headers;
  buffer body;
};

/** What a client received: HTTP status, Date header, body. They are lent. */
struct received_answer {
  uint16_t status;
  std::string_view date;
  std::string_view body;
};

/** One logical request to a protected endpoint. */
class call : public detail::owner<nen_call, nen_call_free> {
public:
  struct opened {
    nen::outcome outcome;
    buffer plaintext;
  };

  call(std::string_view method, std::string_view target)
      : owner(detail::output<nen_call *>(nen_call_new, method.data(), method.size(), target.data(),
                                         target.size())) {}

  [[nodiscard]] sealed_request seal(const client &client, std::string_view json, uint64_t now_ms) {
    sealed_request made{};
    nen_buffer body{};
    check(nen_call_seal(get(), client.get(), detail::bytes(json), json.size(), now_ms, &made.headers, &body));
    made.body = buffer(body);
    return made;
  }
  [[nodiscard]] opened open(const client &client, const received_answer &answer, uint64_t now_ms) {
    int32_t outcome = NEN_OUTCOME_FOREIGN;
    nen_buffer plaintext{};
    check(nen_call_open(get(), client.get(), answer.status, answer.date.data(), answer.date.size(),
                        detail::bytes(answer.body), answer.body.size(), now_ms, &outcome, &plaintext));
    return {static_cast<nen::outcome>(outcome), buffer(plaintext)};
  }
  [[nodiscard]] stream_opener open_stream(const client &client, std::string_view nonce_header) {
    return detail::make<stream_opener>(nen_call_open_stream, get(), client.get(), nonce_header.data(),
                                       nonce_header.size());
  }
  [[nodiscard]] outcome refuse_stream(const client &client, const received_answer &answer, uint64_t now_ms) {
    return static_cast<outcome>(detail::output<int32_t>(
        nen_call_refuse_stream, get(), client.get(), answer.status, answer.date.data(), answer.date.size(),
        detail::bytes(answer.body), answer.body.size(), now_ms));
  }
};

/** A request to rotate, terminate or ask after the session. */
class lifecycle_call : public detail::owner<nen_lifecycle_call, nen_lifecycle_call_free> {
public:
  struct opened {
    nen::outcome outcome;
    bool done;
  };

  lifecycle_call(route route, std::string_view target)
      : owner(detail::output<nen_lifecycle_call *>(nen_lifecycle_call_new, static_cast<int32_t>(route),
                                                   target.data(), target.size())) {}

  [[nodiscard]] sealed_request seal(const client &client, uint64_t now_ms) {
    sealed_request made{};
    nen_buffer body{};
    check(nen_lifecycle_call_seal(get(), client.get(), now_ms, &made.headers, &body));
    made.body = buffer(body);
    return made;
  }
  [[nodiscard]] opened open(const client &client, const received_answer &answer, uint64_t now_ms) {
    int32_t outcome = NEN_OUTCOME_FOREIGN, done = 0;
    check(nen_lifecycle_call_open(get(), client.get(), answer.status, answer.date.data(), answer.date.size(),
                                  detail::bytes(answer.body), answer.body.size(), now_ms, &outcome, &done));
    return {static_cast<nen::outcome>(outcome), done == 1};
  }
};

/* ── server ── */

/**
 * A store of the caller's own, to derive from; nen_store_vtable says what each wrong answer costs. Several
 * threads call it at once. What it throws is answered with 9001.
 */
class custom_store {
public:
  virtual ~custom_store() = default;
  virtual std::optional<session> get(std::string_view id, uint64_t now_ms) = 0;
  virtual void set(session session, uint64_t now_ms) = 0;
  virtual void remove(std::string_view id) = 0;
  virtual claim claim_nonce(std::string_view id, const nonce_bytes &nonce, uint64_t until_ms,
                            uint64_t now_ms) = 0;
  virtual void replace(std::string_view old_id, session session, uint64_t now_ms) {
    set(std::move(session), now_ms);
    remove(old_id);
  }
};

namespace detail {

/** The functions of a nen_store_vtable, over a custom_store. */
struct custom_store_functions {
  template <typename Function> static int32_t guard(Function function) noexcept {
    try {
      function();
      return NEN_OK;
    } catch (...) {
      return NEN_ISO_STORE_UNAVAILABLE;
    }
  }
  static custom_store &of(void *ctx) {
    return *static_cast<custom_store *>(ctx);
  }
  static session kept(const nen_session *lent) {
    return make<session>(nen_session_clone, lent);
  }

  static int32_t get(void *ctx, const char *id, std::size_t id_len, uint64_t now_ms, nen_session **out) {
    return guard([&] {
      if (auto found = of(ctx).get({id, id_len}, now_ms)) {
        (void)lent(*found);
        *out = found->release();
      }
    });
  }
  static int32_t set(void *ctx, const nen_session *session, uint64_t now_ms) {
    return guard([&] { of(ctx).set(kept(session), now_ms); });
  }
  static int32_t remove(void *ctx, const char *id, std::size_t id_len) {
    return guard([&] { of(ctx).remove({id, id_len}); });
  }
  static int32_t claim_nonce(void *ctx, const char *id, std::size_t id_len, const uint8_t *nonce,
                             std::size_t nonce_len, uint64_t until_ms, uint64_t now_ms, int32_t *out) {
    return guard([&] {
      nonce_bytes bytes{};
      std::copy_n(nonce, std::min(nonce_len, bytes.size()), bytes.begin());
      *out = static_cast<int32_t>(of(ctx).claim_nonce({id, id_len}, bytes, until_ms, now_ms));
    });
  }
  static int32_t replace(void *ctx, const char *old_id, std::size_t old_id_len, const nen_session *session,
                         uint64_t now_ms) {
    return guard([&] { of(ctx).replace({old_id, old_id_len}, kept(session), now_ms); });
  }
  static void destroy(void *ctx) {
    delete &of(ctx);
  }
};

} // namespace detail

/** Sessions and used nonces. */
class store : public detail::owner<nen_store, nen_store_free> {
public:
  struct counts {
    std::size_t sessions;
    std::size_t nonces;
  };

  using owner::owner;
  /** In this process's memory. 0 is the default of a cap. */
  [[nodiscard]] static store memory(std::size_t max_sessions = 0, std::size_t max_nonces = 0,
                                    std::size_t max_nonces_per_session = 0) {
    return detail::make<store>(nen_store_memory_new, max_sessions, max_nonces, max_nonces_per_session);
  }

  [[nodiscard]] static store custom(std::unique_ptr<custom_store> own) {
    if (own == nullptr) {
      throw error(NEN_ERR_NULL, "there is no store");
    }
    using functions = detail::custom_store_functions;
    const nen_store_vtable vtable = {sizeof vtable,     functions::get,         functions::set,
                                     functions::remove, functions::claim_nonce, functions::replace,
                                     functions::destroy};
    auto made = detail::make<store>(nen_store_custom_new, &vtable, static_cast<void *>(own.get()));
    (void)own.release(); /* the library destroys it */
    return made;
  }

  [[nodiscard]] std::optional<session> find(std::string_view id, uint64_t now_ms) const {
    return detail::find<session>(nen_store_get, get(), id.data(), id.size(), now_ms);
  }
  void set(const session &session, uint64_t now_ms) const {
    check(nen_store_set(get(), session.get(), now_ms));
  }
  void remove(std::string_view id) const {
    check(nen_store_remove(get(), id.data(), id.size()));
  }
  [[nodiscard]] claim claim_nonce(std::string_view id, const nonce_bytes &nonce, uint64_t until_ms,
                                  uint64_t now_ms) const {
    return static_cast<claim>(detail::output<int32_t>(nen_store_claim_nonce, get(), id.data(), id.size(),
                                                      nonce.data(), nonce.size(), until_ms, now_ms));
  }
  void sweep(uint64_t now_ms) const {
    check(nen_store_sweep(get(), now_ms));
  }
  [[nodiscard]] counts count() const {
    counts found{};
    check(nen_store_count(get(), &found.sessions, &found.nonces));
    return found;
  }
};

/** The settings of a server to come. */
class server_options : public detail::owner<nen_server_options, nen_server_options_free> {
public:
  server_options() : owner(detail::output<nen_server_options *>(nen_server_options_new)) {}

  server_options &prefix(std::string_view prefix) {
    return set(nen_server_options_set_prefix(get(), prefix.data(), prefix.size()));
  }
  server_options &session_ttl_ms(uint64_t ttl_ms) {
    return set(nen_server_options_set_session_ttl_ms(get(), ttl_ms));
  }
  server_options &window_ms(uint64_t window_ms) {
    return set(nen_server_options_set_window_ms(get(), window_ms));
  }
  server_options &max_body(std::size_t bytes) {
    return set(nen_server_options_set_max_body(get(), bytes));
  }
  server_options &strict(bool on) {
    return set(nen_server_options_set_strict(get(), on));
  }
  server_options &nonces_for_session(bool on) {
    return set(nen_server_options_set_nonces_for_session(get(), on));
  }
  server_options &require_signed_lifecycle(bool on) {
    return set(nen_server_options_set_require_signed_lifecycle(get(), on));
  }
  server_options &require_identity() {
    return set(nen_server_options_require_identity(get()));
  }
  server_options &allow_identity(std::string_view public_key) {
    return set(nen_server_options_allow_identity(get(), detail::bytes(public_key), public_key.size()));
  }

private:
  server_options &set(int32_t code) {
    check(code);
    return *this;
  }
};

/** A request whose session is known by name and not yet verified. */
class request : public detail::owner<nen_request, nen_request_free> {
public:
  request(const nen_request_headers &headers, std::string_view method, std::string_view target)
      : owner(detail::output<nen_request *>(nen_request_new, &headers, method.data(), method.size(),
                                            target.data(), target.size())) {}

  [[nodiscard]] std::string session_id() const {
    return detail::text<NEN_SESSION_ID_SIZE>(nen_request_session_id, get());
  }
};

/** An admitted request and the answer to come. */
class exchange : public detail::owner<nen_exchange, nen_exchange_free> {
public:
  using owner::owner;
  [[nodiscard]] nen::session session() const {
    return detail::make<nen::session>(nen_exchange_session, get());
  }
  [[nodiscard]] std::size_t max_body() const {
    return detail::output<std::size_t>(nen_exchange_max_body, get());
  }
  [[nodiscard]] buffer open(std::string_view body) const {
    return detail::fill(nen_exchange_open, get(), detail::bytes(body), body.size());
  }
  [[nodiscard]] response seal(uint16_t status, std::string_view json) const {
    uint16_t sent = 0;
    nen_buffer body{};
    check(nen_exchange_seal(get(), status, detail::bytes(json), json.size(), &sent, &body));
    return {sent, buffer(body)};
  }
  /** `form` is json or text. */
  [[nodiscard]] response seal_as(form form, uint16_t status, std::string_view body) const {
    uint16_t sent = 0;
    nen_buffer sealed{};
    check(nen_exchange_seal_as(get(), static_cast<int32_t>(form), status, detail::bytes(body), body.size(),
                               &sent, &sealed));
    return {sent, buffer(sealed)};
  }
  [[nodiscard]] stream_sealer stream() const {
    return detail::make<stream_sealer>(nen_exchange_stream, get());
  }
};

/** A request that is authentic and must still claim its nonce. */
class verified : public detail::owner<nen_verified, nen_verified_free> {
public:
  using owner::owner;
  /** What to claim in the store. */
  [[nodiscard]] nonce_claim claim() {
    nonce_claim wanted{};
    check(nen_verified_claim(get(), wanted.nonce.data(), wanted.nonce.size(), &wanted.until_ms));
    return wanted;
  }
  [[nodiscard]] exchange admit(nen::claim claim) {
    return detail::make<exchange>(nen_verified_admit, get(), static_cast<int32_t>(claim));
  }
};

/** A server's policy and what it does with requests. */
class server : public detail::owner<nen_server, nen_server_free> {
public:
  struct accepted {
    nen::session session;
    buffer answer;
  };

  server() : owner(detail::output<nen_server *>(nen_server_new, nullptr)) {}
  explicit server(const server_options &options)
      : owner(detail::output<nen_server *>(nen_server_new, detail::lent(options))) {}

  [[nodiscard]] std::size_t max_body() const {
    return detail::output<std::size_t>(nen_server_max_body, get());
  }
  [[nodiscard]] nen::route route(std::string_view method, std::string_view target) const {
    return static_cast<nen::route>(detail::output<int32_t>(nen_server_route, get(), method.data(),
                                                           method.size(), target.data(), target.size()));
  }
  [[nodiscard]] response respond(const store &store, nen::route route, const nen_request_headers &headers,
                                 std::string_view method, std::string_view target, std::string_view body,
                                 uint64_t now_ms) const {
    uint16_t status = 0;
    nen_buffer answer{};
    check(nen_server_respond(get(), store.get(), static_cast<int32_t>(route), &headers, method.data(),
                             method.size(), target.data(), target.size(), detail::bytes(body), body.size(),
                             now_ms, &status, &answer));
    return {status, buffer(answer)};
  }
  [[nodiscard]] exchange admit(const store &store, const nen_request_headers &headers,
                               std::string_view method, std::string_view target, uint64_t now_ms) const {
    return detail::make<exchange>(nen_server_admit, get(), store.get(), &headers, method.data(),
                                  method.size(), target.data(), target.size(), now_ms);
  }

  /** `session` nullptr: the store has none. */
  [[nodiscard]] verified verify(const request &request, const session *session, uint64_t now_ms) const {
    return detail::make<verified>(nen_server_verify, get(), request.get(), detail::lent(session), now_ms);
  }
  /** Nothing if the request is not signed and need not be. */
  [[nodiscard]] std::optional<verified> verify_lifecycle(const request &request, const session *session,
                                                         uint64_t now_ms) const {
    return detail::find<verified>(nen_server_verify_lifecycle, get(), request.get(), detail::lent(session),
                                  now_ms);
  }
  [[nodiscard]] accepted accept(std::string_view body, uint64_t now_ms) const {
    nen_session *session = nullptr;
    nen_buffer answer{};
    check(nen_server_accept(get(), detail::bytes(body), body.size(), now_ms, &session, &answer));
    return {nen::session(session), buffer(answer)};
  }
  /** From given randomness of NEN_SERVER_DRAWS_SIZE bytes: for test vectors, and for nothing else. */
  [[nodiscard]] accepted accept_derandomized(std::string_view draws, std::string_view body,
                                             uint64_t now_ms) const {
    nen_session *session = nullptr;
    nen_buffer answer{};
    check(nen_derandomized_accept(get(), detail::bytes(draws), draws.size(), detail::bytes(body), body.size(),
                                  now_ms, &session, &answer));
    return {nen::session(session), buffer(answer)};
  }
};

/** A session endpoint in steps, for a store that the caller reaches by itself. */
class endpoint_call : public detail::owner<nen_endpoint_call, nen_endpoint_call_free> {
public:
  endpoint_call(const server &server, route route, const nen_request_headers &headers,
                std::string_view method, std::string_view target, std::string_view body, uint64_t now_ms)
      : owner(detail::output<nen_endpoint_call *>(
            nen_endpoint_call_new, server.get(), static_cast<int32_t>(route), &headers, method.data(),
            method.size(), target.data(), target.size(), detail::bytes(body), body.size(), now_ms)) {}

  [[nodiscard]] nen::step step() {
    return static_cast<nen::step>(detail::output<int32_t>(nen_endpoint_call_step, get()));
  }
  [[nodiscard]] std::string session_id() {
    return detail::text<NEN_SESSION_ID_SIZE>(nen_endpoint_call_session_id, get());
  }
  [[nodiscard]] nen::session session() {
    return detail::make<nen::session>(nen_endpoint_call_session, get());
  }
  [[nodiscard]] nonce_claim claim() {
    nonce_claim wanted{};
    check(nen_endpoint_call_claim(get(), wanted.nonce.data(), wanted.nonce.size(), &wanted.until_ms));
    return wanted;
  }

  /** `session` nullptr: the store has none. */
  void got(const nen::session *session) {
    check(nen_endpoint_call_got(get(), detail::lent(session)));
  }
  void claimed(nen::claim claim) {
    check(nen_endpoint_call_claimed(get(), static_cast<int32_t>(claim)));
  }
  void stored() {
    check(nen_endpoint_call_stored(get()));
  }
  [[nodiscard]] response answer() {
    uint16_t status = 0;
    nen_buffer body{};
    check(nen_endpoint_call_answer(get(), &status, &body));
    return {status, buffer(body)};
  }
};

} // namespace nen

#endif
