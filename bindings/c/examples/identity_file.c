#include "identity_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int32_t load(const char *path, nen_identity **out) {
  uint8_t der[NEN_IDENTITY_PKCS8_SIZE + 1]; /* a file that is too long is no key */
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return IDENTITY_FILE_FAILED;
  }
  ssize_t length = read(file, der, sizeof der);
  int32_t code = length < 0 ? IDENTITY_FILE_FAILED : nen_identity_from_pkcs8(der, (size_t)length, out);
  explicit_bzero(der, sizeof der);
  close(file);
  return code;
}

/* Half a key is not left behind. */
static int32_t write_new(const char *path, nen_buffer der) {
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) {
    return IDENTITY_FILE_FAILED;
  }
  int written = write(file, der.data, der.len) == (ssize_t)der.len && fsync(file) == 0;
  int error = errno;
  close(file);
  if (!written) {
    unlink(path);
    errno = error;
  }
  return written ? NEN_OK : IDENTITY_FILE_FAILED;
}

static int32_t make(const char *path, nen_identity **out) {
  nen_identity *made = NULL;
  nen_buffer der = {0};
  int32_t code = nen_identity_generate(&made);
  if (code == NEN_OK) {
    code = nen_identity_to_pkcs8(made, &der);
  }
  if (code == NEN_OK) {
    code = write_new(path, der);
  }
  if (code == NEN_OK) {
    *out = made;
  } else {
    nen_identity_free(made);
  }
  nen_buffer_free(&der);
  return code;
}

int32_t identity_file_open(const char *path, nen_identity **out) {
  int32_t code = load(path, out);
  return code == IDENTITY_FILE_FAILED && errno == ENOENT ? make(path, out) : code;
}
