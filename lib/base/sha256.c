#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* To look SHA-256 up among OpenSSL's providers takes a tool longer than to digest all that most tools do. */
#define OPENSSL_API_COMPAT 0x10101000L
#include <openssl/sha.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/sha256.h"

struct sha256 {
	SHA256_CTX ctx;
};

struct sha256 *
sha256_begin(void)
{
	struct sha256 *h;

	if ((h = malloc(sizeof(*h))) != NULL)
		SHA256_Init(&h->ctx);
	return (h);
}

void
sha256_add(struct sha256 *h, const void *data, size_t n)
{
	SHA256_Update(&h->ctx, data, n);
}

static void
final(struct sha256 *h, char hex[SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[SHA256_DIGEST_LENGTH];
	size_t i;

	SHA256_Final(raw, &h->ctx);
	for (i = 0; i < sizeof(raw); i++) {
		hex[2 * i] = digits[raw[i] >> 4];
		hex[2 * i + 1] = digits[raw[i] & 15];
	}
	hex[2 * sizeof(raw)] = '\0';
}

void
sha256_end(struct sha256 *h, char hex[SHA256_HEX_SIZE])
{
	final(h, hex);
	sha256_free(h);
}

void
sha256_next(struct sha256 *h, char hex[SHA256_HEX_SIZE])
{
	final(h, hex);
	SHA256_Init(&h->ctx);
}

void
sha256_free(struct sha256 *h)
{
	free(h);
}

int
sha256_hex(const void *data, size_t n, char hex[SHA256_HEX_SIZE])
{
	struct sha256 *h;

	if ((h = sha256_begin()) == NULL)
		return (-1);
	sha256_add(h, data, n);
	sha256_end(h, hex);
	return (0);
}

int
sha256_fd(int fd, char hex[SHA256_HEX_SIZE], uint64_t *size_bytes)
{
	struct sha256 *h;
	uint64_t total = 0;
	char *buf;
	ssize_t n;

	(void)lseek(fd, 0, SEEK_SET);
	if ((buf = malloc(1 << 17)) == NULL)
		return (-1);
	if ((h = sha256_begin()) == NULL)
		goto err0;
	for (;;) {
		n = read(fd, buf, 1 << 17);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		sha256_add(h, buf, (size_t)n);
		total += (uint64_t)n;
		progress_tick();
	}
	if (n == -1)
		goto err1;
	sha256_end(h, hex);
	free(buf);
	if (size_bytes != NULL)
		*size_bytes = total;
	return (0);
err1:
	sha256_free(h);
err0:
	free(buf);
	return (-1);
}

int
sha256_at(int dirfd, const char *name, char hex[SHA256_HEX_SIZE], uint64_t *size_bytes)
{
	int fd, rc, error;

	if ((fd = file_open(dirfd, name, NULL)) == -1)
		return (-1);
	rc = sha256_fd(fd, hex, size_bytes);
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}
