/* What a vector holds, and how it is held against what nen says: a check that fails ends its vector. */

#ifndef GIVEN_H
#define GIVEN_H

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "owned.h"

/* Bytes that are only read. */
typedef struct {
  const uint8_t *data;
  size_t len;
} bytes;

/* Bytes or a text as the two arguments of an input. It is evaluated twice. */
#define OF(input) (input).data, (input).len

static jmp_buf vector_failed;
static char why[1024];

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(why, sizeof why, format, arguments);
  va_end(arguments);
  /* One line of ASCII, whatever was found. */
  for (char *at = why; *at != '\0'; at++) {
    *at = *at >= ' ' && *at <= '~' ? *at : '?';
  }
  longjmp(vector_failed, 1);
}

/* ── its members ── */

static json_t *member(const json_t *of, const char *name) {
  json_t *found = json_object_get(of, name);
  if (found == NULL) {
    fail("%s is missing", name);
  }
  return found;
}

static bytes as_bytes(const void *data, size_t len) {
  bytes made = {data, len};
  return made;
}

static bytes content(nen_buffer buffer) {
  return as_bytes(buffer.data, buffer.len);
}

static nen_str as_text(const json_t *value) {
  if (!json_is_string(value)) {
    fail("a member is no text");
  }
  nen_str made = {json_string_value(value), json_string_length(value)};
  return made;
}

static nen_str text(const json_t *of, const char *name) {
  return as_text(member(of, name));
}

static bytes text_bytes(const json_t *of, const char *name) {
  nen_str found = text(of, name);
  return as_bytes(OF(found));
}

static uint64_t number(const json_t *of, const char *name) {
  const json_t *found = member(of, name);
  if (!json_is_integer(found) || json_integer_value(found) < 0) {
    fail("%s is no number", name);
  }
  return (uint64_t)json_integer_value(found);
}

static uint64_t number_or(const json_t *of, const char *name, uint64_t otherwise) {
  return json_object_get(of, name) != NULL ? number(of, name) : otherwise;
}

static int has(const json_t *of, const char *name) {
  return json_object_get(of, name) != NULL;
}

static int flag(const json_t *of, const char *name) {
  const json_t *found = member(of, name);
  if (!json_is_boolean(found)) {
    fail("%s is neither true nor false", name);
  }
  return json_is_true(found);
}

/* Its items; json_array_size() counts them. */
static const json_t *array(const json_t *of, const char *name) {
  const json_t *found = member(of, name);
  if (!json_is_array(found)) {
    fail("%s is no list", name);
  }
  return found;
}

static bytes unhex(nen_str text) {
  static const char digits[] = "0123456789abcdef";
  uint8_t *made = own_memory(text.len / 2);
  for (size_t i = 0; i < text.len; i++) {
    const char *digit = text.data[i] != '\0' ? strchr(digits, text.data[i]) : NULL;
    if (digit == NULL || text.len % 2 != 0) {
      fail("a member is no hex");
    }
    made[i / 2] = (uint8_t)(made[i / 2] << 4 | (digit - digits));
  }
  return as_bytes(made, text.len / 2);
}

static const char *in_hex(const char *name) {
  size_t size = strlen(name) + sizeof "Hex";
  char *made = own_memory(size);
  snprintf(made, size, "%sHex", name);
  return made;
}

/* Bytes, as text or in hex. */
static bytes octets(const json_t *of, const char *name) {
  return has(of, name) ? text_bytes(of, name) : unhex(text(of, in_hex(name)));
}

typedef struct {
  bytes *items;
  size_t count;
} list;

/* The same for a list. */
static list octets_list(const json_t *of, const char *name) {
  int hex = !has(of, name);
  const json_t *found = array(of, hex ? in_hex(name) : name);
  list made = {NULL, json_array_size(found)};
  made.items = own_memory(made.count * sizeof *made.items);
  for (size_t i = 0; i < made.count; i++) {
    nen_str item = as_text(json_array_get(found, i));
    made.items[i] = hex ? unhex(item) : as_bytes(OF(item));
  }
  return made;
}

/* JSON in a text. */
static json_t *parsed(bytes text) {
  json_t **made = own_json();
  *made = json_loadb((const char *)text.data, text.len, 0, NULL);
  if (*made == NULL) {
    fail("a member is no JSON");
  }
  return *made;
}

static bytes base64(bytes from) {
  char *made = own_memory((from.len + 2) / 3 * 4 + 1);
  return as_bytes(made, (size_t)EVP_EncodeBlock((unsigned char *)made, from.data, (int)from.len));
}

static bytes unbase64(bytes from) {
  size_t padding = from.len > 1 ? (from.data[from.len - 1] == '=') + (from.data[from.len - 2] == '=') : 0;
  uint8_t *made = own_memory(from.len);
  int length = EVP_DecodeBlock(made, from.data, (int)from.len);
  if (length < 0) {
    fail("a member is no base64");
  }
  return as_bytes(made, (size_t)length - padding);
}

/* ── checks ── */

static const char *code_name(int32_t code) {
  return nen_error_code(code) != NULL ? nen_error_code(code) : nen_error_name(code);
}

/* What must succeed. */
static void ok(int32_t code) {
  if (code != NEN_OK) {
    fail("%s: %s", code_name(code), nen_last_detail());
  }
}

static void equal(const char *what, bytes got, bytes expected) {
  if (got.len != expected.len || (got.len > 0 && memcmp(got.data, expected.data, got.len) != 0)) {
    fail("%s: got %.*s, expected %.*s", what, (int)got.len, (const char *)got.data, (int)expected.len,
         (const char *)expected.data);
  }
}

static void equal_text(const char *what, const char *got, nen_str expected) {
  equal(what, as_bytes(got, strlen(got)), as_bytes(OF(expected)));
}

static void equal_number(const char *what, uint64_t got, uint64_t expected) {
  if (got != expected) {
    fail("%s: got %llu, expected %llu", what, (unsigned long long)got, (unsigned long long)expected);
  }
}

/* Holds an outcome against the one that is expected: 1 for success, and 0 for the error that had to come. */
static int succeeds(const json_t *vector, int32_t code) {
  if (!has(vector, "error")) {
    ok(code);
    return 1;
  }
  if (code == NEN_OK) {
    fail("no error came");
  }
  equal_text("the error", code_name(code), text(vector, "error"));
  return 0;
}

/* An opened body; none is written as false. */
static void equal_plaintext(const json_t *vector, nen_buffer opened) {
  if (opened.len > 0) {
    equal("plaintext", content(opened), octets(vector, "plaintext"));
  } else if (!json_is_false(member(vector, "plaintext"))) {
    fail("nothing was opened");
  }
}

#endif
