/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * libnen: HTTP payloads that stay encrypted between the two endpoints, with post-quantum key exchange
 * (NEN-PROTOCOL-V2). The library does no I/O: bytes and the clock come in, bytes and decisions go out.
 * Generated from nen-ffi by `cargo xtask generate`.
 *
 * Conventions
 * ===========
 *
 * Errors. A function that can fail returns int32_t: 0 (NEN_OK) is success; a positive value is the number of an
 * ISO code of the protocol, so 3002 is ISO-3002; a negative one, NEN_ERR_*, is a mistake in how the function was
 * called, or a defect of the library that it caught. Every such function may return NEN_ERR_PANIC, and
 * NEN_ERR_LENGTH for a length beyond PTRDIFF_MAX. nen_error_name(), nen_error_message() and nen_error_hint()
 * describe both kinds, nen_last_detail() says what exactly was found, and nen_error_answer() makes the HTTP
 * answer. Functions that cannot fail return their value: version, sizes, names and the table of errors.
 *
 * Arguments. First the receiver, then the inputs, then the outputs. Results leave through pointers named out or
 * out_*, which are written only on success and need not be set before. What stood there is not freed.
 *
 * Inputs. A pointer and a length in bytes, not terminated. NULL with length 0 is legal. Inputs are read during the call
 * and not kept. Text that the caller chooses must be UTF-8; text that a peer sent (the headers, method and target of a
 * request on the server, the headers of an answer) may be anything, and what is wrong with it is an ISO code.
 * A header that is absent is NULL, which is not the same as an empty one.
 *
 * Outputs. A nen_buffer is memory of the library's, to be freed with nen_buffer_free(), which wipes it first. Results
 * of a fixed size are written into room of the caller's, whose size in bytes is passed along; text among them is
 * terminated. Outputs must not overlap one another or an input.
 *
 * Ownership. A handle (nen_client, nen_server ...) belongs to the caller who received it and is freed once, with the
 * function nen_..._free of its type, which accepts NULL. A handle keeps alive what it needs of others: they may
 * be freed in any order. Passing a handle to a function lends it. Some functions use a handle up: it must still be
 * freed, and anything else that is done with it returns NEN_ERR_USED_UP.
 *
 * Threads. Every handle may be created, used and freed on any thread. The documentation of its type says whether
 * several threads may use it at once; where they may not, a call that finds the handle in use on another thread
 * does nothing and returns NEN_ERR_BUSY. No call may be under way on a handle while it is freed. No function waits
 * for I/O or for time to pass, unless a store of the caller's own does. Post-quantum keys are large: give a thread
 * that calls handshake or identity functions 512 KiB of stack or more (musl's default of 128 KiB is not enough).
 *
 * Time. now_ms is the current time in Unix milliseconds. The library never looks at a clock.
 */


#ifndef NEN_H
#define NEN_H

#include <stddef.h>
#include <stdint.h>

/* The results of these functions must be looked at: a failed verification that is ignored is an open door. */
#if defined(__GNUC__)
#define NEN_MUST_USE __attribute__((warn_unused_result))
#else
#define NEN_MUST_USE
#endif

/* The codes of the protocol, for a switch. nen_error_name() and its like describe them at run time. */
#define NEN_ISO_HANDSHAKE_MISSING_PUBLIC_KEY 1001
#define NEN_ISO_HANDSHAKE_FAILED 1002
#define NEN_ISO_HANDSHAKE_NETWORK 1003
#define NEN_ISO_HANDSHAKE_BAD_RESPONSE 1004
#define NEN_ISO_SESSION_NOT_INITIALIZED 2001
#define NEN_ISO_SESSION_INVALID_OR_EXPIRED 2002
#define NEN_ISO_SESSION_HEADER_MISSING 2003
#define NEN_ISO_AUTH_SIGNATURE_MISSING 3001
#define NEN_ISO_AUTH_SIGNATURE_INVALID 3002
#define NEN_ISO_AUTH_TIMESTAMP_OUT_OF_WINDOW 3003
#define NEN_ISO_AUTH_IDENTITY_SIGNATURE_INVALID 3004
#define NEN_ISO_AUTH_NONCE_MISSING 3005
#define NEN_ISO_CRYPTO_DECRYPT_FAILED 4001
#define NEN_ISO_CRYPTO_ENCRYPT_FAILED 4002
#define NEN_ISO_CRYPTO_PAYLOAD_NOT_JSON 4003
#define NEN_ISO_REPLAY_NONCE_REUSED 5001
#define NEN_ISO_REPLAY_CACHE_FULL 5002
#define NEN_ISO_WIRE_INVALID_PAYLOAD_FORMAT 6001
#define NEN_ISO_WIRE_DECODE_FAILED 6002
#define NEN_ISO_STREAM_MISSING_NONCE_HEADER 7001
#define NEN_ISO_STREAM_REQUEST_FAILED 7002
#define NEN_ISO_STREAM_TRUNCATED 7003
#define NEN_ISO_INTERNAL 9000
#define NEN_ISO_STORE_UNAVAILABLE 9001

/**
 * The number of the ABI this header describes. It is raised by every incompatible change and by nothing else, apart
 * from the release number; the shared library carries it in its name (`libnen.so.1`).
 */
#define NEN_ABI_VERSION 1

/**
 * The call succeeded.
 */
#define NEN_OK 0

/**
 * A pointer that is required is NULL, or NULL came with a length other than 0.
 */
#define NEN_ERR_NULL (-1)

/**
 * A text that the caller chose is not UTF-8.
 */
#define NEN_ERR_UTF8 (-2)

/**
 * An input does not have the length it must have, or the room for an output is too small.
 */
#define NEN_ERR_LENGTH (-3)

/**
 * The handle was used up by an earlier call: all that can be done with it is to free it.
 */
#define NEN_ERR_USED_UP (-4)

/**
 * The handle is in use on another thread at this moment.
 */
#define NEN_ERR_BUSY (-5)

/**
 * An option has a value that cannot be. nen_last_detail() says which.
 */
#define NEN_ERR_OPTION (-6)

/**
 * An integer or an id is not one of the values that the function takes.
 */
#define NEN_ERR_VALUE (-7)

/**
 * A defect of the library was caught, in this call or in an earlier one on the same handle. Please report it.
 */
#define NEN_ERR_PANIC (-8)

/**
 * The call is not at the step that the function belongs to. Nothing was done.
 */
#define NEN_ERR_STEP (-9)

/**
 * Room for a session id as text, with its NUL, in bytes.
 */
#define NEN_SESSION_ID_SIZE 37

/**
 * Room for a timestamp in Unix milliseconds as text, with its NUL, in bytes.
 */
#define NEN_TIMESTAMP_SIZE 21

/**
 * Room for a nonce as base64, with its NUL, in bytes.
 */
#define NEN_NONCE_TEXT_SIZE ((((NEN_NONCE_SIZE + 2) / 3) * 4) + 1)

/**
 * Room for a request's signature as base64, with its NUL, in bytes.
 */
#define NEN_SIGNATURE_TEXT_SIZE ((((NEN_SIGNATURE_SIZE + 2) / 3) * 4) + 1)

/**
 * The answer was read: the call is done.
 */
#define NEN_OUTCOME_ANSWER 0

/**
 * Neither 2xx nor of the protocol (a proxy's 502, a redirect): to be treated as the HTTP client treats it.
 */
#define NEN_OUTCOME_FOREIGN 1

/**
 * Seal and send once more: the session or the clock has changed since.
 */
#define NEN_OUTCOME_REPEAT 2

/**
 * The session is gone: shake hands, once for all concurrent calls, then seal and send once more.
 */
#define NEN_OUTCOME_REESTABLISH 3

/**
 * The session endpoint did what it was asked for: the lifecycle call is done.
 */
#define NEN_OUTCOME_DONE 4

/**
 * Nobody had used the nonce; now it is taken. No claim is 0, so that a variable that nobody set lets nothing in.
 */
#define NEN_CLAIM_FRESH 1

/**
 * The nonce was used before, or the end of its window has passed.
 */
#define NEN_CLAIM_REPLAY 2

/**
 * No more nonces can be remembered; none is forgotten for that.
 */
#define NEN_CLAIM_FULL 3

/**
 * Room for the key of a session's record in a shared store, with its NUL, in bytes.
 */
#define NEN_RECORD_KEY_SIZE 49

/**
 * Room for the key of a used nonce in a shared store, with its NUL, in bytes.
 */
#define NEN_NONCE_KEY_SIZE 68

/**
 * The request belongs to the application.
 */
#define NEN_ROUTE_APPLICATION 0

/**
 * POST handshake: establish a session.
 */
#define NEN_ROUTE_HANDSHAKE 1

/**
 * POST rotate: establish a new session and destroy the old one.
 */
#define NEN_ROUTE_ROTATE 2

/**
 * POST terminate: destroy a session.
 */
#define NEN_ROUTE_TERMINATE 3

/**
 * GET status: does a session live?
 */
#define NEN_ROUTE_STATUS 4

/**
 * Under the prefix of the session endpoints, and none of them: to be answered with 404.
 */
#define NEN_ROUTE_NOT_FOUND 5

/**
 * No step is left: nen_endpoint_call_answer() has what to send.
 */
#define NEN_STEP_ANSWER 0

/**
 * Load the session of nen_endpoint_call_session_id() and hand it to nen_endpoint_call_got().
 */
#define NEN_STEP_GET 1

/**
 * Claim the nonce of nen_endpoint_call_claim() under nen_endpoint_call_session_id(), in one atomic step, and tell
 * nen_endpoint_call_claimed() what the store said.
 */
#define NEN_STEP_CLAIM 2

/**
 * Keep nen_endpoint_call_session() until its end, then call nen_endpoint_call_stored().
 */
#define NEN_STEP_SET 3

/**
 * Keep nen_endpoint_call_session() in place of nen_endpoint_call_session_id(), then call nen_endpoint_call_stored().
 * If that fails, the old session must stay: set the new one first.
 */
#define NEN_STEP_REPLACE 4

/**
 * Remove the session of nen_endpoint_call_session_id(), then call nen_endpoint_call_stored().
 */
#define NEN_STEP_REMOVE 5

/**
 * Sealed whole, as the JSON it is; an empty body as null.
 */
#define NEN_FORM_JSON 0

/**
 * Sealed whole, as a JSON string; an empty body as null.
 */
#define NEN_FORM_TEXT 1

/**
 * Sealed chunk by chunk, as it comes: nen_exchange_stream().
 */
#define NEN_FORM_STREAM 2

/**
 * No chunk is complete: push more bytes.
 */
#define NEN_STREAM_PENDING 0

/**
 * A chunk was opened. It may be empty.
 */
#define NEN_STREAM_CHUNK 1

/**
 * The end mark was read and every chunk was taken: the stream is complete.
 */
#define NEN_STREAM_FINISHED 2

/**
 * Bytes of an ML-KEM-768 encapsulation key (FIPS 203, table 3).
 */
#define NEN_KEM_PUBLIC_KEY_SIZE 1184

/**
 * Bytes of an ML-KEM-768 ciphertext (FIPS 203, table 3).
 */
#define NEN_KEM_CIPHERTEXT_SIZE 1088

/**
 * Bytes of an ML-KEM-768 shared secret, which is the ChaCha20-Poly1305 key.
 */
#define NEN_SHARED_SECRET_SIZE 32

/**
 * Bytes of the HMAC-SHA256 key that the server draws for each session.
 */
#define NEN_HMAC_KEY_SIZE 32

/**
 * Bytes of a request signature, an HMAC-SHA256 tag.
 */
#define NEN_SIGNATURE_SIZE 32

/**
 * Bytes of a ChaCha20-Poly1305 nonce (RFC 8439, section 2.8).
 */
#define NEN_NONCE_SIZE 12

/**
 * Bytes of a ChaCha20-Poly1305 tag (RFC 8439, section 2.8).
 */
#define NEN_TAG_SIZE 16

/**
 * Bytes of an ML-DSA-65 public key as DER `SubjectPublicKeyInfo`.
 */
#define NEN_IDENTITY_PUBLIC_KEY_SIZE 1974

/**
 * Bytes of an ML-DSA-65 secret key as DER PKCS#8 in its seed form.
 */
#define NEN_IDENTITY_PKCS8_SIZE 54

/**
 * Bytes of an ML-DSA-65 signature (FIPS 204, table 2).
 */
#define NEN_IDENTITY_SIGNATURE_SIZE 3309

/**
 * Bytes that a client draws: `d` and `z` (FIPS 203 §6.1).
 */
#define NEN_CLIENT_DRAWS_SIZE 64

/**
 * Bytes that a server draws: `m` (FIPS 203 §6.2), the HMAC key, and 16 bytes of which the session id is made
 * (RFC 9562 §5.4).
 */
#define NEN_SERVER_DRAWS_SIZE 80

/**
 * Bytes of a store key.
 */
#define NEN_STORE_KEY_SIZE 32

/**
 * How long a session lives unless a server says otherwise: one hour, in milliseconds.
 */
#define NEN_DEFAULT_SESSION_TTL_MS 3600000

/**
 * How much longer than to the end that a claim names a store that several servers share must remember a nonce, in
 * milliseconds: a server whose clock is behind the one that claimed it takes its request for that much longer.
 */
#define NEN_REMOTE_CLOCK_SLACK_MS 30000

/**
 * Most bytes of one chunk's plaintext that a reader takes unless told otherwise: 8 MiB.
 */
#define NEN_DEFAULT_MAX_CHUNK ((8 * 1024) * 1024)

/**
 * Most bytes that a handshake's body may have. A body with an identity needs about 8,700.
 */
#define NEN_MAX_HANDSHAKE_BODY (16 * 1024)

/**
 * One logical request to a protected endpoint. One thread at a time. Seal, send and open, until nen_call_open() says
 * something else than NEN_OUTCOME_REPEAT or NEN_OUTCOME_REESTABLISH.
 */
typedef struct nen_call nen_call;

/**
 * A client: its current session, its identity, and how far its clock is from the server's. Any number of threads may
 * use it at once; each call works with the session it was sealed with, also when a rotation happens meanwhile.
 */
typedef struct nen_client nen_client;

/**
 * The settings of a client to come. One thread at a time.
 */
typedef struct nen_client_options nen_client_options;

/**
 * A request to a session endpoint, of which nen_server_respond() is the whole with a store of the library's. One
 * thread at a time. If the store fails, or a function returns an error, the call is over: free it and send
 * nen_error_answer(), of 9001 for the store.
 */
typedef struct nen_endpoint_call nen_endpoint_call;

/**
 * An admitted request and the answer to come. Any number of threads may use it at once.
 */
typedef struct nen_exchange nen_exchange;

/**
 * The client's half of a key exchange, with its ephemeral secret key. One thread at a time; it serves one answer,
 * after which it is used up.
 */
typedef struct nen_handshake nen_handshake;

/**
 * A client's long-lived ML-DSA-65 key pair (FIPS 204). Any number of threads may use it at once.
 */
typedef struct nen_identity nen_identity;

/**
 * A request to rotate, terminate or ask after the session. One thread at a time. Seal, send and open like a
 * nen_call.
 */
typedef struct nen_lifecycle_call nen_lifecycle_call;

/**
 * A request whose session is known by name and not yet verified: a copy of its headers, method and target. Any
 * number of threads may use it at once.
 */
typedef struct nen_request nen_request;

/**
 * A server's policy and what it does with requests. It holds no session: those are in a nen_store. Any number of
 * threads may use it at once.
 */
typedef struct nen_server nen_server;

/**
 * The settings of a server to come. They are checked together, by nen_server_new(). One thread at a time.
 */
typedef struct nen_server_options nen_server_options;

/**
 * The keys that a client and a server share. Any number of threads may use it at once; the keys are wiped when the
 * last holder, be it the library itself, lets go of them.
 */
typedef struct nen_session nen_session;

/**
 * Sessions and used nonces. Any number of threads may use it at once, and any number of servers.
 */
typedef struct nen_store nen_store;

/**
 * Under which keys a server seals the records of its sessions in a store that is not its own memory, so that whoever
 * reads the store reads no key of a session, and whoever writes to it makes no session. Any number of threads may use
 * it at once; the keys are wiped when it is freed.
 */
typedef struct nen_store_keys nen_store_keys;

/**
 * Opens the chunks of a stream, on the client. One thread at a time.
 */
typedef struct nen_stream_opener nen_stream_opener;

/**
 * Seals the chunks of a stream, on the server. One thread at a time, since chunks have an order.
 */
typedef struct nen_stream_sealer nen_stream_sealer;

/**
 * A request that is authentic and must still claim its nonce. One thread at a time; nen_verified_admit() uses it up.
 */
typedef struct nen_verified nen_verified;

/**
 * Bytes that the library allocated: `len` of them at `data`, which is NULL if there are none. `capacity` is the
 * library's. Freed, and wiped before that, by nen_buffer_free(). A copy of the struct is the same buffer, to be
 * freed once.
 */
typedef struct {
  /**
   * The bytes.
   */
  uint8_t *data;
  /**
   * How many there are.
   */
  size_t len;
  /**
   * How many were allocated. Not to be changed.
   */
  size_t capacity;
} nen_buffer;

/**
 * Text of the caller's, not terminated, that is only read. NULL is an absent text, which an empty one is not.
 */
typedef struct {
  /**
   * The text; NULL if absent.
   */
  const char *data;
  /**
   * Its bytes.
   */
  size_t len;
} nen_str;

/**
 * Name and value of a header.
 */
typedef struct {
  /**
   * Its name, in any case.
   */
  nen_str name;
  /**
   * Its value, without the white space around it.
   */
  nen_str value;
} nen_header;

/**
 * The protocol's headers of a request, as a server received them. All zero is a request without them.
 */
typedef struct {
  /**
   * X-Nen-Session.
   */
  nen_str session;
  /**
   * X-Nen-Timestamp.
   */
  nen_str timestamp;
  /**
   * X-Nen-Nonce.
   */
  nen_str nonce;
  /**
   * X-Nen-Signature.
   */
  nen_str signature;
} nen_request_headers;

/**
 * The values that a client puts on a request, each terminated.
 */
typedef struct {
  /**
   * X-Nen-Session.
   */
  char session[NEN_SESSION_ID_SIZE];
  /**
   * X-Nen-Timestamp.
   */
  char timestamp[NEN_TIMESTAMP_SIZE];
  /**
   * X-Nen-Nonce.
   */
  char nonce[NEN_NONCE_TEXT_SIZE];
  /**
   * X-Nen-Signature.
   */
  char signature[NEN_SIGNATURE_TEXT_SIZE];
} nen_signed_headers;

/**
 * A store of the caller's own, for nen_store_custom_new(). All functions but `destroy` return NEN_OK or anything else,
 * which the client sees as 9001: a store that is out of reach must never say that a session is not there. They
 * are called on the threads that call the library, several at once, while it holds no lock; they must not throw or
 * jump out. A session that is handed in is lent: nen_session_clone() keeps it, nen_session_to_record() writes it down.
 * Ids are session ids as text, terminated, of `id_len` bytes.
 *
 * What each wrong answer costs:
 *
 * - `get` that returns a session after its end, or after `remove`: a terminated client is still let in.
 * - `get` that returns none for a live session: its client shakes hands again, needlessly.
 * - `claim_nonce` that says NEN_CLAIM_FRESH twice for one nonce, for example because it looks it up and then writes
 *   it: a recorded request is accepted a second time.
 */
typedef struct {
  /**
   * sizeof(nen_store_vtable), by which later versions know which members there are.
   */
  size_t size;
  /**
   * Sets `out_session`, which is NULL before, to the live session with this id, which the library then frees; or
   * leaves it, if there is none. If it fails, what it has set remains its own.
   */
  int32_t (*get)(void *ctx, const char *id, size_t id_len, uint64_t now_ms, nen_session **out_session);
  /**
   * Keeps a session until nen_session_expires_ms().
   */
  int32_t (*set)(void *ctx, const nen_session *session, uint64_t now_ms);
  /**
   * Removes a session; one that is not there is no error.
   */
  int32_t (*remove)(void *ctx, const char *id, size_t id_len);
  /**
   * Takes a nonce of NEN_NONCE_SIZE bytes if nobody had, in one atomic step, and remembers it until `until_ms`,
   * inclusive, in Unix milliseconds. Sets `out_claim`, which is 0 before, to one of NEN_CLAIM_*; one whose end has
   * passed is NEN_CLAIM_REPLAY.
   */
  int32_t (*claim_nonce)(void *ctx,
                         const char *id,
                         size_t id_len,
                         const uint8_t *nonce,
                         size_t nonce_len,
                         uint64_t until_ms,
                         uint64_t now_ms,
                         int32_t *out_claim);
  /**
   * Keeps `session` in place of the one with the id `old_id`, for a rotation; if that fails, the old one stays. NULL
   * takes `set` and then `remove`.
   */
  int32_t (*replace)(void *ctx,
                     const char *old_id,
                     size_t old_id_len,
                     const nen_session *session,
                     uint64_t now_ms);
  /**
   * Called once, when the store is freed and no call is under way; NULL if there is nothing to do.
   */
  void (*destroy)(void *ctx);
} nen_store_vtable;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * One sentence on what exactly was found by the last call on this thread that failed, for the log; empty if none
 * did. It holds nothing secret and nothing that a peer sent, and must still not be sent to one. Valid until the next
 * call on this thread fails.
 */
const char *nen_last_detail(void);

/**
 * The number of the ABI that the library has. A program may compare it to NEN_ABI_VERSION, the number of its header.
 */
uint32_t nen_abi_version(void);

/**
 * The release of the library, for example "0.1.0".
 */
const char *nen_version(void);

/**
 * NEN_KEM_PUBLIC_KEY_SIZE, as the library has it.
 */
size_t nen_kem_public_key_size(void);

/**
 * NEN_KEM_CIPHERTEXT_SIZE, as the library has it.
 */
size_t nen_kem_ciphertext_size(void);

/**
 * NEN_SHARED_SECRET_SIZE, as the library has it.
 */
size_t nen_shared_secret_size(void);

/**
 * NEN_HMAC_KEY_SIZE, as the library has it.
 */
size_t nen_hmac_key_size(void);

/**
 * NEN_SIGNATURE_SIZE, as the library has it.
 */
size_t nen_signature_size(void);

/**
 * NEN_NONCE_SIZE, as the library has it.
 */
size_t nen_nonce_size(void);

/**
 * NEN_TAG_SIZE, as the library has it.
 */
size_t nen_tag_size(void);

/**
 * NEN_IDENTITY_PUBLIC_KEY_SIZE, as the library has it.
 */
size_t nen_identity_public_key_size(void);

/**
 * NEN_IDENTITY_PKCS8_SIZE, as the library has it.
 */
size_t nen_identity_pkcs8_size(void);

/**
 * NEN_IDENTITY_SIGNATURE_SIZE, as the library has it.
 */
size_t nen_identity_signature_size(void);

/**
 * NEN_SESSION_ID_SIZE, as the library has it.
 */
size_t nen_session_id_size(void);

/**
 * NEN_TIMESTAMP_SIZE, as the library has it.
 */
size_t nen_timestamp_size(void);

/**
 * NEN_NONCE_TEXT_SIZE, as the library has it.
 */
size_t nen_nonce_text_size(void);

/**
 * NEN_SIGNATURE_TEXT_SIZE, as the library has it.
 */
size_t nen_signature_text_size(void);

/**
 * NEN_MAX_HANDSHAKE_BODY, as the library has it.
 */
size_t nen_max_handshake_body(void);

/**
 * NEN_DEFAULT_MAX_CHUNK, as the library has it.
 */
size_t nen_default_max_chunk(void);

/**
 * NEN_DEFAULT_SESSION_TTL_MS, as the library has it.
 */
uint64_t nen_default_session_ttl_ms(void);

/**
 * NEN_RECORD_KEY_SIZE, as the library has it.
 */
size_t nen_record_key_size(void);

/**
 * NEN_NONCE_KEY_SIZE, as the library has it.
 */
size_t nen_nonce_key_size(void);

/**
 * NEN_STORE_KEY_SIZE, as the library has it.
 */
size_t nen_store_key_size(void);

/**
 * NEN_CLIENT_DRAWS_SIZE, as the library has it.
 */
size_t nen_client_draws_size(void);

/**
 * NEN_SERVER_DRAWS_SIZE, as the library has it.
 */
size_t nen_server_draws_size(void);

/**
 * NEN_REMOTE_CLOCK_SLACK_MS, as the library has it.
 */
uint64_t nen_remote_clock_slack_ms(void);

/**
 * The name of the protocol and its version.
 */
const char *nen_protocol(void);

/**
 * The path under which the session endpoints stand unless a server is mounted elsewhere.
 */
const char *nen_endpoint_prefix(void);

/**
 * The name of the header that names the session, on every request.
 */
const char *nen_session_header(void);

/**
 * The name of the header that tells when the client signed the request.
 */
const char *nen_timestamp_header(void);

/**
 * The name of the header that carries the nonce of the request.
 */
const char *nen_nonce_header(void);

/**
 * The name of the header that carries the HMAC over method, path, timestamp and nonce.
 */
const char *nen_signature_header(void);

/**
 * The name of the header that carries the base nonce of a sealed stream, on its answer.
 */
const char *nen_stream_nonce_header(void);

/**
 * The code at this place of the table of the protocol's codes, which is in ascending order; 0 past its end. A newer
 * library may know more codes than its header.
 */
int32_t nen_error_at(size_t index);

/**
 * The code as it is written on the wire, for example "ISO-3002"; NULL for a number that is no code of the protocol.
 * Like the other texts of this table it is static.
 */
const char *nen_error_code(int32_t code);

/**
 * The symbolic name, for example "AUTH_SIGNATURE_INVALID" or "NEN_ERR_NULL"; NULL for a number that is no code.
 */
const char *nen_error_name(int32_t code);

/**
 * The family: "handshake", "session", "auth", "crypto", "replay", "wire", "stream", "internal", or "misuse" for the
 * negative ones; NULL for a number that is no code.
 */
const char *nen_error_category(int32_t code);

/**
 * One sentence that is safe to send; NULL for a number that is no code.
 */
const char *nen_error_message(int32_t code);

/**
 * Cause and fix, for the log of the side that raised it, never to be sent; NULL for a number that is no code.
 */
const char *nen_error_hint(int32_t code);

/**
 * The HTTP status that a server answers with; 500 for misuse, 0 for a number that is no code.
 */
uint16_t nen_error_http_status(int32_t code);

/**
 * What a server answers, application/json, when a function returned this code: HTTP status and the plain body
 * {"error":{"code","message"}}. Misuse is answered as ISO-9000, of whose cause nothing is sent, and so is a handler
 * of the application's that failed: pass 9000.
 *
 * Errors: NEN_ERR_NULL; NEN_ERR_VALUE if the number is no code.
 */
NEN_MUST_USE
int32_t nen_error_answer(int32_t code,
                         uint16_t *out_status,
                         nen_buffer *out_body);

/**
 * Wipes and frees the bytes and empties the struct, so that freeing it again does nothing. NULL is accepted.
 */
void nen_buffer_free(nen_buffer *buffer);

/**
 * Picks the protocol's headers out of all of a request's. One that stands twice counts as present and malformed,
 * which a server that looks up single headers would not notice. The result points into the given values.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE
int32_t nen_request_headers_pick(const nen_header *all,
                                 size_t count,
                                 nen_request_headers *out);

/**
 * The name, in lower case, of a header of a sealed request that the application must not see; NULL past the end of the
 * list. They speak of the sealed body, would have the answer be negotiated, cut or revalidated, or are the protocol's
 * own. Content-Type and Content-Length are set anew from what was opened.
 */
const char *nen_hidden_request_header(size_t index);

/**
 * The name, in lower case, of a header of an application's answer that must not travel; NULL past the end of the
 * list. They speak of the plain body, let the answer be cached, have a proxy put a file in its place, or are the
 * sealed answer's own. Send `Cache-Control: no-store`.
 */
const char *nen_hidden_answer_header(size_t index);

/**
 * The name of a header that the answer of a sealed stream carries beside its nonce; NULL past the end of the list.
 */
const char *nen_stream_header_name(size_t index);

/**
 * The value of the header of nen_stream_header_name(); NULL past the end of the list.
 */
const char *nen_stream_header_value(size_t index);

/**
 * Draws a new key pair.
 *
 * Errors: NEN_ERR_NULL; 1002 if the operating system has no randomness; 9000 if the key cannot be encoded.
 */
NEN_MUST_USE int32_t nen_identity_generate(nen_identity **out);

/**
 * Loads a secret key: DER PKCS#8 in its seed form, NEN_IDENTITY_PKCS8_SIZE (54) bytes. The caller wipes its copy.
 *
 * Errors: NEN_ERR_NULL; 3004 if it is no such key; 9000 if its public key cannot be encoded.
 */
NEN_MUST_USE
int32_t nen_identity_from_pkcs8(const uint8_t *der,
                                size_t der_len,
                                nen_identity **out);

/**
 * The secret key as DER PKCS#8 in its seed form, NEN_IDENTITY_PKCS8_SIZE bytes, to be kept secret.
 *
 * Errors: NEN_ERR_NULL; 9000 if it cannot be encoded.
 */
NEN_MUST_USE int32_t nen_identity_to_pkcs8(const nen_identity *identity, nen_buffer *out);

/**
 * The public key as DER SubjectPublicKeyInfo, NEN_IDENTITY_PUBLIC_KEY_SIZE bytes: what servers see and may allow.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE
int32_t nen_identity_public_key(const nen_identity *identity,
                                nen_buffer *out);

/**
 * Signs a message with ML-DSA-65, hedged and with an empty context (FIPS 204 section 5.2):
 * NEN_IDENTITY_SIGNATURE_SIZE bytes. Handshakes do so by themselves. Whoever gets a key of theirs signed can shake
 * hands in this name: sign nothing that somebody else chose.
 *
 * Errors: NEN_ERR_NULL; 1002 if the operating system has no randomness.
 */
NEN_MUST_USE
int32_t nen_identity_sign(const nen_identity *identity,
                          const uint8_t *message,
                          size_t message_len,
                          nen_buffer *out);

/**
 * Verifies the signature of a message under a public key, DER SubjectPublicKeyInfo of NEN_IDENTITY_PUBLIC_KEY_SIZE
 * bytes (FIPS 204 section 5.3, empty context).
 *
 * Errors: NEN_ERR_NULL; 3004 if it does not verify or the key is none.
 */
NEN_MUST_USE
int32_t nen_identity_verify(const uint8_t *public_key,
                            size_t public_key_len,
                            const uint8_t *message,
                            size_t message_len,
                            const uint8_t *signature,
                            size_t signature_len);

/**
 * Frees an identity and wipes its secret key. NULL is accepted.
 */
void nen_identity_free(nen_identity *identity);

/**
 * Draws a fresh random nonce of NEN_NONCE_SIZE (12) bytes. `out_size` is the room at `out`, in bytes.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 4002 if the operating system has no randomness.
 */
NEN_MUST_USE int32_t nen_nonce_random(uint8_t *out, size_t out_size);

/**
 * Reads a session from the record that stores keep: JSON
 * {"sharedSecret","hmacKey","createdAt"[,"expiresAt","identity"]}. `id` is the session's id as text. A record
 * without "expiresAt" ends `ttl_ms` milliseconds after its creation.
 *
 * Errors: NEN_ERR_NULL; NEN_ERR_VALUE if `id` is no session id; 9001 if it is no such record.
 */
NEN_MUST_USE
int32_t nen_session_from_record(const char *id,
                                size_t id_len,
                                const uint8_t *record,
                                size_t record_len,
                                uint64_t ttl_ms,
                                nen_session **out);

/**
 * Writes the record for a store, as every implementation reads it. It holds both keys in the clear.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE int32_t nen_session_to_record(const nen_session *session, nen_buffer *out);

/**
 * The id, terminated: a UUIDv4 in lower case. `out_size` is the room at `out`, at least NEN_SESSION_ID_SIZE (37)
 * bytes.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH.
 */
NEN_MUST_USE
int32_t nen_session_id(const nen_session *session,
                       char *out,
                       size_t out_size);

/**
 * When the session was made, in Unix milliseconds.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE int32_t nen_session_created_ms(const nen_session *session, uint64_t *out);

/**
 * When the session ends, in Unix milliseconds. A client does not know it: there it is UINT64_MAX.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE int32_t nen_session_expires_ms(const nen_session *session, uint64_t *out);

/**
 * The ML-DSA-65 key that signed the session's handshake, as DER SubjectPublicKeyInfo of NEN_IDENTITY_PUBLIC_KEY_SIZE
 * bytes; empty if none did. A recorded handshake can be sent again: only a request whose body opens shows who is
 * there now.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE
int32_t nen_session_identity(const nen_session *session,
                             nen_buffer *out);

/**
 * Seals bytes under a nonce of NEN_NONCE_SIZE bytes (RFC 8439 section 2.8, empty associated data): the ciphertext
 * and its tag, NEN_TAG_SIZE bytes longer than the plaintext. A nonce must never serve twice under a session.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 4002.
 */
NEN_MUST_USE
int32_t nen_session_seal(const nen_session *session,
                         const uint8_t *nonce,
                         size_t nonce_len,
                         const uint8_t *plaintext,
                         size_t plaintext_len,
                         nen_buffer *out);

/**
 * Opens what nen_session_seal() made.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 4001 for whatever does not open, be it the key, the nonce or the bytes.
 */
NEN_MUST_USE
int32_t nen_session_open(const nen_session *session,
                         const uint8_t *nonce,
                         size_t nonce_len,
                         const uint8_t *ciphertext,
                         size_t ciphertext_len,
                         nen_buffer *out);

/**
 * Signs a request: HMAC-SHA256 over its canonical string, NEN_SIGNATURE_SIZE (32) bytes. `target` is the path as it
 * travels, percent-encoded; a query is left out. `out_size` is the room at `out`, in bytes.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_UTF8; 3002 if method or target cannot stand in a request line.
 */
NEN_MUST_USE
int32_t nen_session_sign(const nen_session *session,
                         const char *method,
                         size_t method_len,
                         const char *target,
                         size_t target_len,
                         uint64_t timestamp_ms,
                         const uint8_t *nonce,
                         size_t nonce_len,
                         uint8_t *out,
                         size_t out_size);

/**
 * Verifies the signature of a request, in constant time. `timestamp` and `nonce` are the texts of the headers as
 * received; `signature` is NEN_SIGNATURE_SIZE bytes.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 3002 if it does not match.
 */
NEN_MUST_USE
int32_t nen_session_verify(const nen_session *session,
                           const char *method,
                           size_t method_len,
                           const char *target,
                           size_t target_len,
                           const char *timestamp,
                           size_t timestamp_len,
                           const char *nonce,
                           size_t nonce_len,
                           const uint8_t *signature,
                           size_t signature_len);

/**
 * Another hold on the same session, to be freed on its own.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE int32_t nen_session_clone(const nen_session *session, nen_session **out);

/**
 * Frees this hold on a session. NULL is accepted.
 */
void nen_session_free(nen_session *session);

/**
 * Reads a list of keys, in order and separated by commas: each the base64 of NEN_STORE_KEY_SIZE (32) random bytes, or
 * the word "plain", which stands for records in the clear. The first one seals, and all of them open. The caller wipes
 * the text.
 *
 * A key is replaced in three steps, each on all servers before the next: the new one last, then first, then
 * alone once the sessions that the old one sealed have ended. Sealing is turned on in the same way, with "plain" as the
 * old one.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_UTF8; NEN_ERR_OPTION if it is no such list.
 */
NEN_MUST_USE
int32_t nen_store_keys_new(const char *list,
                           size_t list_len,
                           nen_store_keys **out);

/**
 * Writes the record for a store: {"ct","n"} under the first key, or nen_session_to_record() if that is "plain".
 *
 * Errors: NEN_ERR_NULL; 4002 if the operating system has no randomness.
 */
NEN_MUST_USE
int32_t nen_store_keys_write(const nen_store_keys *keys,
                             const nen_session *session,
                             nen_buffer *out);

/**
 * Reads the record that a store holds for the session `id`. One in the clear without "expiresAt" ends `ttl_ms`
 * milliseconds after its creation.
 *
 * Errors: NEN_ERR_NULL; NEN_ERR_VALUE if `id` is no session id; 9001 if it is no record, if none of the keys opens it,
 * and if it is in the clear and "plain" is not listed.
 */
NEN_MUST_USE
int32_t nen_store_keys_read(const nen_store_keys *keys,
                            const char *id,
                            size_t id_len,
                            const uint8_t *record,
                            size_t record_len,
                            uint64_t ttl_ms,
                            nen_session **out);

/**
 * Frees the keys. NULL is accepted.
 */
void nen_store_keys_free(nen_store_keys *keys);

/**
 * Options with their defaults: no identity, the clock corrected, chunks of at most NEN_DEFAULT_MAX_CHUNK bytes.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE
int32_t nen_client_options_new(nen_client_options **out);

/**
 * The key that signs each handshake; several clients may share it.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
 */
NEN_MUST_USE
int32_t nen_client_options_set_identity(nen_client_options *options,
                                        const nen_identity *identity);

/**
 * Whether 3003 makes the client learn the server's clock from its Date header: 0 or 1. Default: 1.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_VALUE.
 */
NEN_MUST_USE int32_t nen_client_options_set_correct_clock(nen_client_options *options, int32_t on);

/**
 * Most bytes of one stream chunk's plaintext. Default: NEN_DEFAULT_MAX_CHUNK.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
 */
NEN_MUST_USE int32_t nen_client_options_set_max_chunk(nen_client_options *options, size_t bytes);

/**
 * Frees options. NULL is accepted.
 */
void nen_client_options_free(nen_client_options *options);

/**
 * A client without a session. `options` NULL takes the defaults; they are copied.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
 */
NEN_MUST_USE int32_t nen_client_new(const nen_client_options *options, nen_client **out);

/**
 * Starts a handshake. `out_body` is the JSON to POST to /api/nen/handshake. To rotate, see nen_lifecycle_call.
 *
 * Errors: NEN_ERR_NULL; 1002 if the operating system has no randomness.
 */
NEN_MUST_USE
int32_t nen_client_handshake(const nen_client *client,
                             nen_handshake **out_handshake,
                             nen_buffer *out_body);

/**
 * Completes a handshake with the server's answer, its HTTP status and its body: from here on calls use the
 * new session. On failure the old one stays. The handshake is used up either way.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY; the server's own code; 1004 for any other answer that is no
 * handshake.
 */
NEN_MUST_USE
int32_t nen_client_establish(const nen_client *client,
                             nen_handshake *handshake,
                             uint16_t status,
                             const uint8_t *body,
                             size_t body_len,
                             uint64_t now_ms);

/**
 * The current session, to be freed; NULL if there is none.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE int32_t nen_client_session(const nen_client *client, nen_session **out);

/**
 * Frees a client and its hold on its session. NULL is accepted.
 */
void nen_client_free(nen_client *client);

/**
 * Starts a handshake that belongs to no client. `identity` NULL is none. `out_body` is the JSON to POST.
 *
 * Errors: NEN_ERR_NULL; 1002 if the operating system has no randomness.
 */
NEN_MUST_USE
int32_t nen_handshake_new(const nen_identity *identity,
                          nen_handshake **out_handshake,
                          nen_buffer *out_body);

/**
 * Completes a handshake that belongs to no client. It is used up, also on failure.
 *
 * Errors: as nen_client_establish().
 */
NEN_MUST_USE
int32_t nen_handshake_finish(nen_handshake *handshake,
                             uint16_t status,
                             const uint8_t *body,
                             size_t body_len,
                             uint64_t now_ms,
                             nen_session **out);

/**
 * Frees a handshake and wipes its secret key if it still has one. NULL is accepted.
 */
void nen_handshake_free(nen_handshake *handshake);

/**
 * A request with this method to `target`, the path as it travels: percent-encoded; a query is not signed.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_UTF8.
 */
NEN_MUST_USE
int32_t nen_call_new(const char *method,
                     size_t method_len,
                     const char *target,
                     size_t target_len,
                     nen_call **out);

/**
 * Seals and signs the next attempt, under the client's session and a fresh nonce. `body` is the plaintext, JSON;
 * with length 0 the request has none. `out_headers` are the four headers to set; `out_body` is the body to send,
 * application/json, empty if there is none.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 without a session; 3002 if method or target cannot stand in a request
 * line; 4002; 4003 if the body is not UTF-8 JSON, which the server would refuse.
 */
NEN_MUST_USE
int32_t nen_call_seal(nen_call *call,
                      const nen_client *client,
                      const uint8_t *body,
                      size_t body_len,
                      uint64_t now_ms,
                      nen_signed_headers *out_headers,
                      nen_buffer *out_body);

/**
 * Reads the answer to the last attempt: its HTTP status, its Date header (NULL if it has none) and its body.
 * `out_outcome` becomes one of NEN_OUTCOME_*. `out_plaintext` becomes the opened answer, UTF-8 JSON, if that is
 * NEN_OUTCOME_ANSWER and the method not HEAD; else it becomes empty.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 if nothing was sealed; the server's own code; 6001 for a 2xx answer that
 * is not sealed; 6002, 4001, 4003; 5001 for our own ciphertext sent back.
 */
NEN_MUST_USE
int32_t nen_call_open(nen_call *call,
                      const nen_client *client,
                      uint16_t status,
                      const char *date,
                      size_t date_len,
                      const uint8_t *body,
                      size_t body_len,
                      uint64_t now_ms,
                      int32_t *out_outcome,
                      nen_buffer *out_plaintext);

/**
 * Opens the stream that a 2xx answer to the last attempt carries. `nonce_header` is the answer's X-Nen-Stream-Nonce;
 * NULL if it has none.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 if nothing was sealed; 7001; 5001 for a stream that would begin with our
 * own ciphertext.
 */
NEN_MUST_USE
int32_t nen_call_open_stream(nen_call *call,
                             const nen_client *client,
                             const char *nonce_header,
                             size_t nonce_header_len,
                             nen_stream_opener **out);

/**
 * Reads an answer to a stream request that is not 2xx, as nen_call_open() does. `out_outcome` becomes
 * NEN_OUTCOME_REPEAT or NEN_OUTCOME_REESTABLISH.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 if nothing was sealed; the server's own code; else 7002.
 */
NEN_MUST_USE
int32_t nen_call_refuse_stream(nen_call *call,
                               const nen_client *client,
                               uint16_t status,
                               const char *date,
                               size_t date_len,
                               const uint8_t *body,
                               size_t body_len,
                               uint64_t now_ms,
                               int32_t *out_outcome);

/**
 * Frees a call. NULL is accepted.
 */
void nen_call_free(nen_call *call);

/**
 * A request to a session endpoint: NEN_ROUTE_ROTATE and NEN_ROUTE_TERMINATE, which are POST, or NEN_ROUTE_STATUS,
 * which is GET. `target` is its path as it travels, for example "/api/nen/rotate".
 *
 * - rotate: new keys; on success the client uses them, on failure the old session stays;
 * - terminate: ends the session on the server, then in the client;
 * - status: does the session live?
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_UTF8, NEN_ERR_VALUE.
 */
NEN_MUST_USE
int32_t nen_lifecycle_call_new(int32_t route,
                               const char *target,
                               size_t target_len,
                               nen_lifecycle_call **out);

/**
 * Signs the next attempt. The outputs are as for nen_call_seal().
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 1002; 2001 without a session; 3002 if the target cannot stand in a request
 * line; 4002.
 */
NEN_MUST_USE
int32_t nen_lifecycle_call_seal(nen_lifecycle_call *call,
                                const nen_client *client,
                                uint64_t now_ms,
                                nen_signed_headers *out_headers,
                                nen_buffer *out_body);

/**
 * Reads the answer to the last attempt; its inputs are as for nen_call_open(). `out_outcome` becomes
 * NEN_OUTCOME_DONE, NEN_OUTCOME_REPEAT, or NEN_OUTCOME_REESTABLISH if there was no session left to rotate: shake
 * hands instead, and be done. `out_done` becomes 1 if that is NEN_OUTCOME_DONE and, for status, the session lives;
 * else 0.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 if nothing was sealed; the server's own code; 1004 for a rotation and 6001
 * for the others if the answer is none of the protocol.
 */
NEN_MUST_USE
int32_t nen_lifecycle_call_open(nen_lifecycle_call *call,
                                const nen_client *client,
                                uint16_t status,
                                const char *date,
                                size_t date_len,
                                const uint8_t *body,
                                size_t body_len,
                                uint64_t now_ms,
                                int32_t *out_outcome,
                                int32_t *out_done);

/**
 * Frees a lifecycle call. NULL is accepted.
 */
void nen_lifecycle_call_free(nen_lifecycle_call *call);

/**
 * A store in this process's memory: for development, and for a server of one process. 0 takes the default of a cap:
 * a million sessions, four million nonces, a hundred thousand nonces of one session. A handshake beyond the first is
 * refused with 9001, a request beyond the others with 5002.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE
int32_t nen_store_memory_new(size_t max_sessions,
                             size_t max_nonces,
                             size_t max_nonces_per_session,
                             nen_store **out);

/**
 * A store of the caller's own. `vtable` is copied; `ctx` is handed to each of its functions as it is. Only if this
 * function succeeds will the store call `destroy`.
 *
 * Errors: NEN_ERR_NULL, also for a member that is required; NEN_ERR_LENGTH if `size` is less than that of a vtable.
 */
NEN_MUST_USE
int32_t nen_store_custom_new(const nen_store_vtable *vtable,
                             void *ctx,
                             nen_store **out);

/**
 * The live session with this id, to be freed; NULL if there is none.
 *
 * Errors: NEN_ERR_NULL; NEN_ERR_VALUE if `id` is no session id; 9001.
 */
NEN_MUST_USE
int32_t nen_store_get(const nen_store *store,
                      const char *id,
                      size_t id_len,
                      uint64_t now_ms,
                      nen_session **out);

/**
 * Keeps a session until its end.
 *
 * Errors: NEN_ERR_NULL; 9001 if the store is full or fails.
 */
NEN_MUST_USE int32_t nen_store_set(const nen_store *store, const nen_session *session, uint64_t now_ms);

/**
 * Removes a session; one that is not there is no error.
 *
 * Errors: NEN_ERR_NULL; NEN_ERR_VALUE if `id` is no session id; 9001.
 */
NEN_MUST_USE int32_t nen_store_remove(const nen_store *store, const char *id, size_t id_len);

/**
 * Takes a nonce of NEN_NONCE_SIZE bytes if nobody had, in one atomic step, and remembers it until `until_ms`, in
 * Unix milliseconds. `out_claim` becomes one of NEN_CLAIM_*.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; NEN_ERR_VALUE if `id` is no session id; 9001.
 */
NEN_MUST_USE
int32_t nen_store_claim_nonce(const nen_store *store,
                              const char *id,
                              size_t id_len,
                              const uint8_t *nonce,
                              size_t nonce_len,
                              uint64_t until_ms,
                              uint64_t now_ms,
                              int32_t *out_claim);

/**
 * Removes every session that has ended and every nonce that can be forgotten. The store does so by itself as it is
 * used; a server that falls silent may call it from a timer.
 *
 * Errors: NEN_ERR_NULL; NEN_ERR_VALUE for a store of the caller's own.
 */
NEN_MUST_USE
int32_t nen_store_sweep(const nen_store *store,
                        uint64_t now_ms);

/**
 * How many sessions and nonces are kept, among them those that have ended and were not swept yet.
 *
 * Errors: NEN_ERR_NULL; NEN_ERR_VALUE for a store of the caller's own.
 */
NEN_MUST_USE int32_t nen_store_count(const nen_store *store, size_t *out_sessions, size_t *out_nonces);

/**
 * Frees a store and what it keeps; a store of the caller's own is destroyed. NULL is accepted.
 */
void nen_store_free(nen_store *store);

/**
 * The key under which a store that is shared (Redis, for example) keeps a session's record, in whichever language,
 * terminated: "nen:session:<id>". The record is that of nen_session_to_record(); it expires with the session.
 * `out_size` is the room at `out`, at least NEN_RECORD_KEY_SIZE bytes.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; NEN_ERR_VALUE if `id` is no session id.
 */
NEN_MUST_USE
int32_t nen_record_key(const char *id,
                       size_t id_len,
                       char *out,
                       size_t out_size);

/**
 * The key under which such a store remembers a used nonce, terminated: "nen:session:<id>:n:<base64 of the nonce>". It
 * is set only if it is not there, for the time until the end that the claim names and NEN_REMOTE_CLOCK_SLACK_MS more
 * (Redis: SET key token NX PX `until_ms - now_ms + slack`). Name that time as a duration: Redis takes an end that has
 * passed on its own clock, says OK and keeps nothing. A token drawn for each claim tells a command that was sent
 * twice from a replay. The store must not evict: one that is full must fail. `out_size` is the room at `out`, at
 * least NEN_NONCE_KEY_SIZE bytes.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; NEN_ERR_VALUE if `id` is no session id.
 */
NEN_MUST_USE
int32_t nen_nonce_key(const char *id,
                      size_t id_len,
                      const uint8_t *nonce,
                      size_t nonce_len,
                      char *out,
                      size_t out_size);

/**
 * Options with their defaults, which the setters name.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE int32_t nen_server_options_new(nen_server_options **out);

/**
 * The external path under which the session endpoints stand, without a slash at its end. Default: "/api/nen".
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_UTF8.
 */
NEN_MUST_USE
int32_t nen_server_options_set_prefix(nen_server_options *options,
                                      const char *prefix,
                                      size_t prefix_len);

/**
 * How long a session lives, in milliseconds. Default: NEN_DEFAULT_SESSION_TTL_MS, an hour.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
 */
NEN_MUST_USE int32_t nen_server_options_set_session_ttl_ms(nen_server_options *options, uint64_t ttl_ms);

/**
 * How far a request's timestamp may be from this server's clock, either way, in milliseconds. Default: 30,000.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
 */
NEN_MUST_USE
int32_t nen_server_options_set_window_ms(nen_server_options *options,
                                         uint64_t window_ms);

/**
 * Most bytes of a request's sealed body. Default: 8 MiB.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
 */
NEN_MUST_USE int32_t nen_server_options_set_max_body(nen_server_options *options, size_t bytes);

/**
 * Whether requests without a signature are refused: 0 or 1. Default: 1. 0 only for legacy clients that cannot sign;
 * a signature that is present is still checked.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_VALUE.
 */
NEN_MUST_USE
int32_t nen_server_options_set_strict(nen_server_options *options,
                                      int32_t on);

/**
 * Whether a nonce is remembered until its session ends, and not for the window alone: 0 or 1. Default: 0. 1 where a
 * server that is not strict takes the same sessions, and where whoever read a handshake shall not send a recorded body
 * again under a signature of his own. It costs memory for each request of a session's life.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_VALUE.
 */
NEN_MUST_USE
int32_t nen_server_options_set_nonces_for_session(nen_server_options *options,
                                                  int32_t on);

/**
 * Whether rotate, terminate and status must be signed: 0 or 1. Default: 0, because the TypeScript client does not
 * sign them. Where they are signed, the signature is checked either way.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_VALUE.
 */
NEN_MUST_USE
int32_t nen_server_options_set_require_signed_lifecycle(nen_server_options *options,
                                                        int32_t on);

/**
 * Lets only clients with an ML-DSA-65 identity shake hands. Default: with or without; one that is presented must
 * verify.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
 */
NEN_MUST_USE
int32_t nen_server_options_require_identity(nen_server_options *options);

/**
 * Adds a public key, DER SubjectPublicKeyInfo of NEN_IDENTITY_PUBLIC_KEY_SIZE bytes, to the list of those that may
 * shake hands. With the first one, nobody else may.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 3004 if it is no such key.
 */
NEN_MUST_USE
int32_t nen_server_options_allow_identity(nen_server_options *options,
                                          const uint8_t *public_key,
                                          size_t public_key_len);

/**
 * Frees options. NULL is accepted.
 */
void nen_server_options_free(nen_server_options *options);

/**
 * A server. `options` NULL takes the defaults; they are copied.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; NEN_ERR_OPTION for options that cannot be.
 */
NEN_MUST_USE int32_t nen_server_new(const nen_server_options *options, nen_server **out);

/**
 * Most bytes of a request's sealed body that the server takes: the option, or its default.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE int32_t nen_server_max_body(const nen_server *server, size_t *out);

/**
 * Where a request belongs: `out_route` becomes one of NEN_ROUTE_*. `target` is the request target as it travelled,
 * percent-encoded and not the path that a framework decoded; a query is ignored. Behind a mount point or a proxy
 * that rewrites paths it is the external one, which the client signed.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE
int32_t nen_server_route(const nen_server *server,
                         const char *method,
                         size_t method_len,
                         const char *target,
                         size_t target_len,
                         int32_t *out_route);

/**
 * Answers a session endpoint, which is one of NEN_ROUTE_HANDSHAKE, _ROTATE, _TERMINATE and _STATUS. The other inputs
 * are the request: headers (NULL if it has none of the protocol's), method, target as for nen_server_route(), body.
 * The outputs are what to send: HTTP status and a body, application/json. The answer to a handshake holds a key.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_VALUE; 1001, 1002, 2002, 2003, 3001, 3002,
 * 3003, 3004, 3005, 5001, 5002, 6001, 6002, 9001.
 */
NEN_MUST_USE
int32_t nen_server_respond(const nen_server *server,
                           const nen_store *store,
                           int32_t route,
                           const nen_request_headers *headers,
                           const char *method,
                           size_t method_len,
                           const char *target,
                           size_t target_len,
                           const uint8_t *body,
                           size_t body_len,
                           uint64_t now_ms,
                           uint16_t *out_status,
                           nen_buffer *out_body);

/**
 * Checks a request to a protected endpoint, in the order of the specification, and claims its nonce. The request is
 * lent as for nen_server_respond(). Only what was admitted can be opened.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 2003, 2002, 3005, 3001, 3002, 3003, 5001, 5002; 9001.
 */
NEN_MUST_USE
int32_t nen_server_admit(const nen_server *server,
                         const nen_store *store,
                         const nen_request_headers *headers,
                         const char *method,
                         size_t method_len,
                         const char *target,
                         size_t target_len,
                         uint64_t now_ms,
                         nen_exchange **out);

/**
 * Frees a server. NULL is accepted.
 */
void nen_server_free(nen_server *server);

/**
 * Step 1: which session does the request name? Its inputs are lent as for nen_server_respond() and copied.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 2003 without a session header; 2002 if it holds no
 * session id.
 */
NEN_MUST_USE
int32_t nen_request_new(const nen_request_headers *headers,
                        const char *method,
                        size_t method_len,
                        const char *target,
                        size_t target_len,
                        nen_request **out);

/**
 * The id of the session to load, terminated. `out_size` is the room at `out`, at least NEN_SESSION_ID_SIZE bytes.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH.
 */
NEN_MUST_USE
int32_t nen_request_session_id(const nen_request *request,
                               char *out,
                               size_t out_size);

/**
 * Frees a request. NULL is accepted.
 */
void nen_request_free(nen_request *request);

/**
 * Step 2: is the request authentic? `session` is what the store holds under the request's session id; NULL for
 * nothing.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 2002, 3005, 3001, 3002, 3003; 9001 if it is another
 * session.
 */
NEN_MUST_USE
int32_t nen_server_verify(const nen_server *server,
                          const nen_request *request,
                          const nen_session *session,
                          uint64_t now_ms,
                          nen_verified **out);

/**
 * Step 2 for rotate, terminate and status: a signature that is present is verified like any other, and its nonce
 * must be claimed; an absent one is accepted, with NULL in `out`, unless the server requires it.
 *
 * Errors: as nen_server_verify().
 */
NEN_MUST_USE
int32_t nen_server_verify_lifecycle(const nen_server *server,
                                    const nen_request *request,
                                    const nen_session *session,
                                    uint64_t now_ms,
                                    nen_verified **out);

/**
 * What to claim in the store under the request's session id, in one atomic step: the nonce, NEN_NONCE_SIZE bytes
 * (`out_nonce_size` is the room for it), and until when it must be remembered, in Unix milliseconds, inclusive. A
 * claim whose end has passed before it is made is a replay.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_USED_UP, NEN_ERR_BUSY.
 */
NEN_MUST_USE
int32_t nen_verified_claim(nen_verified *verified,
                           uint8_t *out_nonce,
                           size_t out_nonce_size,
                           uint64_t *out_until_ms);

/**
 * Step 3: lets the request in if its nonce was unseen. `claim`, one of NEN_CLAIM_*, is what the store said. To say
 * NEN_CLAIM_FRESH twice for one nonce is to accept a recorded request a second time.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_VALUE, NEN_ERR_USED_UP, NEN_ERR_BUSY; 5001,
 * 5002.
 */
NEN_MUST_USE
int32_t nen_verified_admit(nen_verified *verified,
                           int32_t claim,
                           nen_exchange **out);

/**
 * Frees a verified request. NULL is accepted.
 */
void nen_verified_free(nen_verified *verified);

/**
 * Begins to answer a session endpoint. The inputs are those of nen_server_respond() and are copied.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_VALUE; 1001, 1002, 2002, 2003, 3004, 6001, 6002.
 */
NEN_MUST_USE
int32_t nen_endpoint_call_new(const nen_server *server,
                              int32_t route,
                              const nen_request_headers *headers,
                              const char *method,
                              size_t method_len,
                              const char *target,
                              size_t target_len,
                              const uint8_t *body,
                              size_t body_len,
                              uint64_t now_ms,
                              nen_endpoint_call **out);

/**
 * What is to be done next: `out_step` becomes one of NEN_STEP_*.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY; 9000 after a failure.
 */
NEN_MUST_USE int32_t nen_endpoint_call_step(nen_endpoint_call *call, int32_t *out_step);

/**
 * The id of the session that the step is about, terminated: to load, to claim under, to replace, to remove. `out_size`
 * is the room at `out`, at least NEN_SESSION_ID_SIZE bytes.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_USED_UP, NEN_ERR_BUSY; NEN_ERR_STEP at NEN_STEP_SET and _ANSWER; 9000
 * after a failure.
 */
NEN_MUST_USE
int32_t nen_endpoint_call_session_id(nen_endpoint_call *call,
                                     char *out,
                                     size_t out_size);

/**
 * The session to keep, to be freed.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY; NEN_ERR_STEP unless at NEN_STEP_SET or _REPLACE; 9000 after a
 * failure.
 */
NEN_MUST_USE
int32_t nen_endpoint_call_session(nen_endpoint_call *call,
                                  nen_session **out);

/**
 * What to claim: as nen_verified_claim().
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_USED_UP, NEN_ERR_BUSY; NEN_ERR_STEP unless at NEN_STEP_CLAIM; 9000
 * after a failure.
 */
NEN_MUST_USE
int32_t nen_endpoint_call_claim(nen_endpoint_call *call,
                                uint8_t *out_nonce,
                                size_t out_nonce_size,
                                uint64_t *out_until_ms);

/**
 * Goes on from NEN_STEP_GET: `session` is what the store holds; NULL for nothing.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY, NEN_ERR_STEP; 1001, 1002,
 * 2002, 3001, 3002, 3003, 3004, 3005, 6001, 6002; 9001 if it is another session; 9000 after a failure.
 */
NEN_MUST_USE
int32_t nen_endpoint_call_got(nen_endpoint_call *call,
                              const nen_session *session);

/**
 * Goes on from NEN_STEP_CLAIM: `claim`, one of NEN_CLAIM_*, is what the store said.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_VALUE, NEN_ERR_USED_UP, NEN_ERR_BUSY,
 * NEN_ERR_STEP; 1001, 1002, 3004, 5001, 5002, 6001, 6002; 9000 after a failure.
 */
NEN_MUST_USE int32_t nen_endpoint_call_claimed(nen_endpoint_call *call, int32_t claim);

/**
 * Goes on from NEN_STEP_SET, _REPLACE or _REMOVE, which the store has done.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY, NEN_ERR_STEP; 9000 after a failure.
 */
NEN_MUST_USE int32_t nen_endpoint_call_stored(nen_endpoint_call *call);

/**
 * What to send: as the outputs of nen_server_respond(). Uses the call up.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY; NEN_ERR_STEP unless at NEN_STEP_ANSWER; 9000 after a failure.
 */
NEN_MUST_USE
int32_t nen_endpoint_call_answer(nen_endpoint_call *call,
                                 uint16_t *out_status,
                                 nen_buffer *out_body);

/**
 * Frees an endpoint call. NULL is accepted.
 */
void nen_endpoint_call_free(nen_endpoint_call *call);

/**
 * Takes the body of a handshake or a rotation and makes a session of it. The caller stores the session first, then
 * sends `out_answer`, application/json, with status 200. The answer holds a key.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 1001, 1002, 3004, 6001, 6002.
 */
NEN_MUST_USE
int32_t nen_server_accept(const nen_server *server,
                          const uint8_t *body,
                          size_t body_len,
                          uint64_t now_ms,
                          nen_session **out_session,
                          nen_buffer *out_answer);

/**
 * The session of the request, to be freed, and with it who the client is.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE int32_t nen_exchange_session(const nen_exchange *exchange, nen_session **out);

/**
 * Most bytes of a body that nen_exchange_open() takes. A caller stops reading beyond them and answers 6001.
 *
 * Errors: NEN_ERR_NULL.
 */
NEN_MUST_USE int32_t nen_exchange_max_body(const nen_exchange *exchange, size_t *out);

/**
 * Opens the request's body to UTF-8 JSON. Empty if the request has no body.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 6001 if it is over the limit or no object with a
 * string "ct"; 6002, 4001, 4003.
 */
NEN_MUST_USE
int32_t nen_exchange_open(const nen_exchange *exchange,
                          const uint8_t *body,
                          size_t body_len,
                          nen_buffer *out);

/**
 * Seals the answer, an HTTP status and its JSON, under a fresh nonce. The outputs are what to send: a status, which
 * differs only where the given one forbids a body (204, 205), and a body, application/json. HEAD is answered with
 * the same headers, Content-Length among them, and no body.
 *
 * Errors: NEN_ERR_NULL; 4002; 9000 for a status that cannot carry a body (1xx, 304) or is none.
 */
NEN_MUST_USE
int32_t nen_exchange_seal(const nen_exchange *exchange,
                          uint16_t status,
                          const uint8_t *json,
                          size_t json_len,
                          uint16_t *out_status,
                          nen_buffer *out_body);

/**
 * How an application's answer is to be sealed, by its status and its headers Content-Type, Content-Encoding and
 * Content-Length (each NULL if absent): `out_form` becomes one of NEN_FORM_*. JSON, nothing at all, and the text of a
 * redirect or refusal (3xx, 4xx) are sealed whole; anything else with a status of 2xx is a stream.
 *
 * Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 9000 for what cannot be sealed: 304, a compressed body,
 * a server error that is not JSON.
 */
NEN_MUST_USE
int32_t nen_answer_form(uint16_t status,
                        const char *content_type,
                        size_t content_type_len,
                        const char *content_encoding,
                        size_t content_encoding_len,
                        const char *content_length,
                        size_t content_length_len,
                        int32_t *out_form);

/**
 * Seals an application's whole answer in the form that nen_answer_form() told, NEN_FORM_JSON or _TEXT; else as
 * nen_exchange_seal().
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_VALUE; 4002; 9000 for a status that cannot carry a body (1xx, 304) or is none.
 */
NEN_MUST_USE
int32_t nen_exchange_seal_as(const nen_exchange *exchange,
                             int32_t form,
                             uint16_t status,
                             const uint8_t *body,
                             size_t body_len,
                             uint16_t *out_status,
                             nen_buffer *out_body);

/**
 * Bytes of the sealed answer to `json_len` bytes of JSON: the Content-Length of an answer to HEAD, of which the
 * application says only how long its body would be.
 */
size_t nen_sealed_answer_size(size_t json_len);

/**
 * Starts a sealed stream as the answer. It outlives the exchange. Send it with the headers of
 * nen_stream_header_name() and with the nonce under the name of nen_stream_nonce_header().
 *
 * Errors: NEN_ERR_NULL; 4002.
 */
NEN_MUST_USE int32_t nen_exchange_stream(const nen_exchange *exchange, nen_stream_sealer **out);

/**
 * Frees an exchange. NULL is accepted.
 */
void nen_exchange_free(nen_exchange *exchange);

/**
 * A stream under a session and a fresh base nonce. Servers rather call nen_exchange_stream().
 *
 * Errors: NEN_ERR_NULL; 4002.
 */
NEN_MUST_USE int32_t nen_stream_sealer_new(const nen_session *session, nen_stream_sealer **out);

/**
 * The value of the X-Nen-Stream-Nonce header, terminated. `out_size` is the room at `out`, at least
 * NEN_NONCE_TEXT_SIZE bytes.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_BUSY.
 */
NEN_MUST_USE int32_t nen_stream_sealer_nonce_header(nen_stream_sealer *sealer, char *out, size_t out_size);

/**
 * Seals one chunk. The output is what to send, text/event-stream, in one piece and at once.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 4002 after 2^32 chunks or after the end mark.
 */
NEN_MUST_USE
int32_t nen_stream_sealer_seal(nen_stream_sealer *sealer,
                               const uint8_t *chunk,
                               size_t chunk_len,
                               nen_buffer *out);

/**
 * Seals the end mark, after which nothing more can be sealed. A stream that is freed without it reaches the client
 * as truncated (7003).
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 4002 as for nen_stream_sealer_seal().
 */
NEN_MUST_USE
int32_t nen_stream_sealer_finish(nen_stream_sealer *sealer,
                                 nen_buffer *out);

/**
 * Frees a sealer. NULL is accepted.
 */
void nen_stream_sealer_free(nen_stream_sealer *sealer);

/**
 * Opens a stream under a session, by its X-Nen-Stream-Nonce header (NULL if it has none). `max_chunk` is the most
 * bytes of one chunk's plaintext. Clients rather call nen_call_open_stream().
 *
 * Errors: NEN_ERR_NULL; 7001.
 */
NEN_MUST_USE
int32_t nen_stream_opener_new(const nen_session *session,
                              const char *nonce_header,
                              size_t nonce_header_len,
                              size_t max_chunk,
                              nen_stream_opener **out);

/**
 * Takes in bytes as the transport delivers them, however they are cut. What they complete is then taken by
 * nen_stream_opener_next(), a failure after the chunks before it.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
 */
NEN_MUST_USE int32_t nen_stream_opener_push(nen_stream_opener *opener, const uint8_t *data, size_t data_len);

/**
 * The next chunk, in order: `out_state` becomes one of NEN_STREAM_*, and `out_chunk` the chunk, or empty if there is
 * none.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 4001 for a chunk that was changed, moved, dropped or repeated; 6001 over the
 * size limit; 6002. After an error every call returns it again.
 */
NEN_MUST_USE
int32_t nen_stream_opener_next(nen_stream_opener *opener,
                               int32_t *out_state,
                               nen_buffer *out_chunk);

/**
 * To be called when the transport has ended.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 7003 if the end mark has not come: what was opened is authentic, but not all
 * of it came; or the code that nen_stream_opener_next() returns.
 */
NEN_MUST_USE
int32_t nen_stream_opener_end(nen_stream_opener *opener);

/**
 * Frees an opener. NULL is accepted.
 */
void nen_stream_opener_free(nen_stream_opener *opener);

/**
 * nen_handshake_new() from given randomness of NEN_CLIENT_DRAWS_SIZE (64) bytes: for test vectors, and for nothing else.
 * A session of randomness that somebody else knows is open to them.
 *
 * Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 1002 if an identity could not sign.
 */
NEN_MUST_USE
int32_t nen_derandomized_handshake(const uint8_t *draws,
                                   size_t draws_len,
                                   const nen_identity *identity,
                                   nen_handshake **out_handshake,
                                   nen_buffer *out_body);

/**
 * nen_server_accept() from given randomness of NEN_SERVER_DRAWS_SIZE (80) bytes: for test vectors, and for nothing else.
 *
 * Errors: NEN_ERR_LENGTH, and those of nen_server_accept().
 */
NEN_MUST_USE
int32_t nen_derandomized_accept(const nen_server *server,
                                const uint8_t *draws,
                                size_t draws_len,
                                const uint8_t *body,
                                size_t body_len,
                                uint64_t now_ms,
                                nen_session **out_session,
                                nen_buffer *out_answer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NEN_H */
