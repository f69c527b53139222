/* SPDX-License-Identifier: BSD-3-Clause */
/* POST /api/v1/capture, on the control socket: an HTTP/1.1 upgrade to the protocol "pcapng", after
 * which the daemon sends one section of pcapng, and the client nothing. It ends the capture by
 * closing its side, and then gets the rest and the statistics. Parameters of the query: filter,
 * vni, session, count, snap. */
#pragma once

#include <stddef.h>

#include <microhttpd.h>

#include "control/daemon.h"

/* Opens the capture that is asked for, and returns the response that begins it; it must be queued
 * on `connection`. NULL if it is refused, with an HTTP status and one line in `error`. */
struct MHD_Response *mt_http_capture(struct mt_daemon *daemon, struct MHD_Connection *connection,
	unsigned *status, char *error, size_t error_size);
