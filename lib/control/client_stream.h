/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream from the daemon's control socket: an HTTP/1.1 upgrade, after which the socket is the
 * caller's. */
#pragma once

#include <stddef.h>

/* POSTs to `path`, asking for an upgrade to `protocol`. Returns a connected socket whose next byte
 * is the stream's first one; or a failure as mt_client_get() does, with one line in `error`. */
int mt_client_open_stream(const char *socket_path, const char *path, const char *protocol,
	char *error, size_t error_size);
