/* SPDX-License-Identifier: BSD-3-Clause */
/* The connections of one HTTP server, and the limits that keep it answering: new ones come in at
 * the cost of old ones, so that idle or slow clients can't keep a health check out. Used by the
 * server's own thread only; an all-zero struct is an empty one. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <microhttpd.h>

#include "control/log.h"

enum {
	MT_HTTP_HARD_MAX_CONNECTIONS = 64, /* the library's own limit */
};

struct mt_http_connection {
	bool used;
	bool closing;
	bool asked; /* a whole request came in */
	int fd;
	uint64_t began_ms;
	struct in6_addr address; /* IPv4 as mapped; all zeros: Unix socket */
	bool kept;               /* it streams: not closed to make room for others */
	void *held;              /* to be dropped when the connection closes; NULL: nothing */
	void (*drop)(void *held);
};

struct mt_http_connections {
	bool local; /* a Unix socket: all clients have the same address */
	struct mt_http_connection list[MT_HTTP_HARD_MAX_CONNECTIONS];
	struct mt_log_limit told_full;
};

/* For MHD_start_daemon(): an MHD_AcceptPolicyCallback and an MHD_NotifyConnectionCallback.
 * `context` is a struct mt_http_connections. */
enum MHD_Result mt_http_connections_accept(
	void *context, const struct sockaddr *address, socklen_t length);
void mt_http_connections_notify(void *context, struct MHD_Connection *connection,
	void **socket_context, enum MHD_ConnectionNotificationCode code);

/* Its first request is whole. */
void mt_http_connection_asked(struct MHD_Connection *connection);

/* From now on `drop` is called for `held` when the connection closes, in place of what was held
 * before; NULL: nothing is. The connection is not closed to make room for others. Returns false if
 * the connection is not known. */
bool mt_http_connection_hold(
	struct MHD_Connection *connection, void *held, void (*drop)(void *held));
