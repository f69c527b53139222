/* SPDX-License-Identifier: BSD-3-Clause */
/* Client of the daemon's control socket: HTTP with JSON answers over a Unix socket. For the command
 * line programs; each call waits up to MT_CLIENT_TIMEOUT_MS. */
#pragma once

#include <stddef.h>

#include <jansson.h>

enum {
	MT_CLIENT_TIMEOUT_MS = 5000,
	MT_CLIENT_MAX_ANSWER_BYTES = 16 << 20,
};

/* Asks for `path`, e.g. "/api/v1/status". On success returns 0 and the document in `answer`, to be
 * given to json_decref(). On failure `answer` is NULL, `error` holds one line without newline on
 * what is wrong and what helps, and the call returns
 *   -ECONNREFUSED  nobody listens on the socket, or it is absent
 *   -EACCES        no permission
 *   -ETIMEDOUT     no answer in time
 *   -EFBIG         the answer is longer than MT_CLIENT_MAX_ANSWER_BYTES
 *   -EBADMSG       the answer is no JSON
 *   -EREMOTEIO     the daemon refused: `error` has its own words
 *   or another -errno. */
int mt_client_get(
	const char *socket_path, const char *path, json_t **answer, char *error, size_t error_size);

/* The same as a POST without a body. A success without a document leaves NULL in `answer`. */
int mt_client_post(
	const char *socket_path, const char *path, json_t **answer, char *error, size_t error_size);

/* The same for what may take longer. */
int mt_client_post_wait(const char *socket_path, const char *path, unsigned timeout_ms,
	json_t **answer, char *error, size_t error_size);

/* The words for a path that is too long for a socket, and for a connection that was refused with
 * `os_error`. Both return -errno as above. */
int mt_client_fail_path(const char *socket_path, char *error, size_t error_size);
int mt_client_fail_connect(const char *socket_path, int os_error, char *error, size_t error_size);
