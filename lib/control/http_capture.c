/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/http_capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "control/http_connections.h"
#include "datapath/live.h"

#define PROTOCOL "pcapng"

/* The query on its way into a request. */
struct query {
	struct mt_live_request *request;
	char *error;
	size_t error_size;
	bool wrong;
};

static bool parse_number(
	struct query *query, const char *name, const char *text, uint64_t max, uint64_t *number)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && value <= max) {
		*number = value;
		return true;
	}
	snprintf(query->error, query->error_size, "%s: \"%.40s\" is no number from 0 to %llu", name,
		text, (unsigned long long)max);
	return false;
}

static bool take_value(struct query *query, const char *name, const char *value)
{
	struct mt_live_request *request = query->request;
	uint64_t number = 0;

	if (strcmp(name, "filter") == 0) {
		request->filter = *value != '\0' ? value : NULL;
		return true;
	}
	if (strcmp(name, "session") == 0) {
		request->session = value;
		return true;
	}
	if (strcmp(name, "count") == 0)
		return parse_number(query, name, value, UINT32_MAX, &request->count);
	if (strcmp(name, "vni") == 0) {
		request->has_vni = parse_number(query, name, value, (1 << 24) - 1, &number);
		request->vni = (uint32_t)number;
		return request->has_vni;
	}
	if (strcmp(name, "snap") == 0) {
		if (!parse_number(query, name, value, MT_LIVE_MAX_SNAP, &number))
			return false;
		request->snap = (uint32_t)number;
		return true;
	}
	snprintf(query->error, query->error_size,
		"%.40s: no such parameter; filter, vni, session, count, snap are allowed", name);
	return false;
}

static enum MHD_Result take_parameter(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct query *query = context;

	(void)kind;
	query->wrong = !take_value(query, name, value != NULL ? value : "");
	return query->wrong ? MHD_NO : MHD_YES;
}

/* Who asks, as the kernel knows it. */
static void identify(struct MHD_Connection *connection, struct mt_live_request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (info == NULL
		|| getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return;
	request->pid = peer.pid;
	request->uid = peer.uid;
}

static unsigned status_of(int rc)
{
	switch (rc) {
	case -EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	case -ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case -EBUSY:
		return MHD_HTTP_TOO_MANY_REQUESTS;
	default:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	}
}

/* --- from HTTP to a stream -------------------------------------------------------------------- */

static void leave(void *handle)
{
	MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static void begin(void *capture, struct MHD_Connection *connection, void *request,
	const char *extra, size_t extra_size, MHD_socket fd,
	struct MHD_UpgradeResponseHandle *handle)
{
	(void)request;
	(void)extra;
	(void)extra_size;
	mt_http_connection_hold(connection, NULL, NULL);
	mt_live_capture_begin(capture, fd, leave, handle);
}

static void abandon(void *capture)
{
	mt_live_capture_abandon(capture);
}

static bool wants_upgrade(struct MHD_Connection *connection)
{
	const char *protocol =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_UPGRADE);

	return protocol != NULL && strcasecmp(protocol, PROTOCOL) == 0;
}

struct MHD_Response *mt_http_capture(struct mt_daemon *daemon, struct MHD_Connection *connection,
	unsigned *status, char *error, size_t error_size)
{
	struct mt_live_request request = {0};
	struct query query = {.request = &request, .error = error, .error_size = error_size};
	struct mt_live_capture *capture;
	struct MHD_Response *response;
	int rc;

	if (!wants_upgrade(connection)) {
		*status = MHD_HTTP_UPGRADE_REQUIRED;
		snprintf(error, error_size,
			"ask with the headers \"Connection: Upgrade\" and \"Upgrade: " PROTOCOL
			"\", as `mirrortap capture` does");
		return NULL;
	}
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_parameter, &query);
	*status = MHD_HTTP_BAD_REQUEST;
	if (query.wrong)
		return NULL;
	identify(connection, &request);
	rc = mt_live_capture_open(daemon, &request, &capture, error, error_size);
	if (rc < 0) {
		*status = status_of(rc);
		return NULL;
	}
	response = MHD_create_response_for_upgrade(begin, capture);
	if (response == NULL || !mt_http_connection_hold(connection, capture, abandon)) {
		mt_live_capture_abandon(capture);
		if (response != NULL)
			MHD_destroy_response(response);
		*status = MHD_HTTP_SERVICE_UNAVAILABLE;
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, PROTOCOL);
	*status = MHD_HTTP_SWITCHING_PROTOCOLS;
	return response;
}
