/* A client's long-lived key in a file: DER PKCS#8, in the clear, for its owner alone. */

#ifndef IDENTITY_FILE_H
#define IDENTITY_FILE_H

#include <nen.h>

/* Beside the codes of nen.h: the file failed, and errno says why. */
#define IDENTITY_FILE_FAILED (INT32_MIN + 1)

/* The identity of this file; a new one, and a new file with it, if there is none. To be freed. */
int32_t identity_file_open(const char *path, nen_identity **out);

#endif
