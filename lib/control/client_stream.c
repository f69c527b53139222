/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/client_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "control/client.h"
#include "output/monotonic.h"

enum {
	MAX_HEAD_BYTES = 4096,
	MAX_BODY_BYTES = 4096,
	SWITCHING_PROTOCOLS = 101,
};

struct request {
	const char *socket_path;
	const char *path;
	const char *protocol;
	char *error;
	size_t error_size;
};

static int fail(const struct request *request, int rc, const char *what)
{
	snprintf(request->error, request->error_size,
		"%s: %s; is this mirrortapd's control socket?", request->socket_path, what);
	return rc;
}

static int open_socket(const struct request *request)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(request->socket_path) >= sizeof(address.sun_path))
		return mt_client_fail_path(
			request->socket_path, request->error, request->error_size);
	strcpy(address.sun_path, request->socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	rc = mt_client_fail_connect(
		request->socket_path, errno, request->error, request->error_size);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int send_request(const struct request *request, int fd)
{
	char *text;
	int length = asprintf(&text,
		"POST %s HTTP/1.1\r\nHost: mirrortapd\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"
		"Content-Length: 0\r\n\r\n",
		request->path, request->protocol);
	ssize_t sent;

	if (length < 0)
		return fail(request, -ENOMEM, "out of memory");
	sent = send(fd, text, (size_t)length, MSG_NOSIGNAL);
	free(text);
	return sent == length ? 0 : fail(request, -EIO, "the request could not be sent");
}

/* Reads up to `count` bytes, at most until `end_ms`. Returns how many, 0 at the end, or -1. */
static ssize_t read_some(int fd, char *to, size_t count, uint64_t end_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint64_t now = mt_monotonic_ms();

	if (now >= end_ms || poll(&wait, 1, (int)(end_ms - now)) <= 0)
		return -1;
	return recv(fd, to, count, 0);
}

/* Byte by byte, because what stands behind the head is the stream's. */
static int read_head(const struct request *request, int fd, char *head, uint64_t end_ms)
{
	size_t used = 0;

	while (used < MAX_HEAD_BYTES - 1) {
		ssize_t count = read_some(fd, head + used, 1, end_ms);

		if (count < 0) {
			snprintf(request->error, request->error_size,
				"%s: no answer within %d s; is the daemon stopped in a debugger, "
				"or its control CPU overloaded?",
				request->socket_path, MT_CLIENT_TIMEOUT_MS / 1000);
			return -ETIMEDOUT;
		}
		if (count == 0)
			return fail(request, -EIO, "it closed the connection");
		head[++used] = '\0';
		if (used >= 4 && memcmp(head + used - 4, "\r\n\r\n", 4) == 0)
			return 0;
	}
	return fail(request, -EBADMSG, "the answer is no HTTP");
}

/* The daemon's own words, {"error": "..."}. */
static int read_refusal(
	const struct request *request, int fd, const char *head, int status, uint64_t end_ms)
{
	const char *field = strcasestr(head, "\r\ncontent-length:");
	unsigned long length = field != NULL ? strtoul(field + 17, NULL, 10) : 0;
	char body[MAX_BODY_BYTES];
	const char *reason;
	json_t *document;
	size_t used = 0;
	ssize_t count;

	while (used < length && used < sizeof(body)
		&& (count = read_some(fd, body + used, sizeof(body) - used, end_ms)) > 0)
		used += (size_t)count;
	document = json_loadb(body, used, 0, NULL);
	reason = json_string_value(json_object_get(document, "error"));
	if (reason != NULL)
		snprintf(request->error, request->error_size, "%s", reason);
	else
		snprintf(request->error, request->error_size,
			"%s: the answer is HTTP status %d; is the daemon another version?",
			request->socket_path, status);
	json_decref(document);
	return -EREMOTEIO;
}

static int ask(const struct request *request, int fd)
{
	uint64_t end_ms = mt_monotonic_ms() + MT_CLIENT_TIMEOUT_MS;
	char head[MAX_HEAD_BYTES];
	int status = 0;
	int rc = send_request(request, fd);

	if (rc == 0)
		rc = read_head(request, fd, head, end_ms);
	if (rc < 0)
		return rc;
	if (sscanf(head, "HTTP/1.1 %3d", &status) != 1)
		return fail(request, -EBADMSG, "the answer is no HTTP");
	if (status != SWITCHING_PROTOCOLS)
		return read_refusal(request, fd, head, status, end_ms);
	return 0;
}

int mt_client_open_stream(const char *socket_path, const char *path, const char *protocol,
	char *error, size_t error_size)
{
	const struct request request = {socket_path, path, protocol, error, error_size};
	int fd = open_socket(&request);
	int rc;

	if (fd < 0)
		return fd;
	rc = ask(&request, fd);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}
