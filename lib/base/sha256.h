#ifndef HG_SHA256_H
#define HG_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX_SIZE 65 /* 64 lower-case digits and the NUL */

/* A digest under way. Owns: libcrypto's state; sha256_end or sha256_free releases it. */
struct sha256;
struct sha256 *sha256_begin(void); /* NULL with errno ENOMEM */
void sha256_add(struct sha256 *h, const void *data, size_t n);
void sha256_end(struct sha256 *h, char hex[SHA256_HEX_SIZE]);  /* releases h */
void sha256_next(struct sha256 *h, char hex[SHA256_HEX_SIZE]); /* and begin the next one in h */
void sha256_free(struct sha256 *h);

/* Digest of ${n} bytes of memory; 0, or -1 with errno ENOMEM. */
int sha256_hex(const void *data, size_t n, char hex[SHA256_HEX_SIZE]);

/* Digest and size of all that can be read from ${fd}, from its start if it can seek; 0, or -1 with errno of read. */
int sha256_fd(int fd, char hex[SHA256_HEX_SIZE], uint64_t *size_bytes);

/* Likewise for the regular file ${name} below ${dirfd}; a symbolic link is ELOOP. Nothing is said. */
int sha256_at(int dirfd, const char *name, char hex[SHA256_HEX_SIZE], uint64_t *size_bytes);

#endif
