/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "control/api.h"
#include "control/http_capture.h"
#include "control/http_connections.h"
#include "control/http_listen.h"
#include "control/http_probe.h"
#include "control/json_text.h"
#include "control/metrics.h"
#include "control/metrics_read.h"
#include "control/page.h"

enum {
	/* http.listen, http.probe_listen and the control socket */
	MAX_LISTENERS = 64 + MT_HTTP_MAX_PROBES + 1,
	TIMEOUT_SECONDS = 10, /* without a byte */
	MEMORY_PER_CONNECTION = 32768,
	MAX_BODY_BYTES = 65536,
};

/* All but what the server's own thread does is done before it starts or after it ended. */
struct listener {
	struct mt_daemon *daemon;
	struct MHD_Daemon *server; /* NULL: a probe that is closed */
	bool control;              /* the Unix socket: may change things */
	struct mt_http_connections connections;
};

struct mt_http {
	struct mt_control_socket socket;
	struct listener listeners[MAX_LISTENERS];
	unsigned count;
	struct mt_http_probes probes;
};

/* What a route answers. */
struct reply {
	unsigned status;
	const char *content_type;
	const char *policy; /* Content-Security-Policy; NULL: nothing may be loaded */
	char *text;         /* to be freed, unless `constant` */
	size_t length;
	bool constant;
	struct MHD_Response *response; /* instead of all this; NULL: none */
};

/* --- answers ---------------------------------------------------------------------------------- */

static void reply_json(struct reply *reply, unsigned status, json_t *document)
{
	reply->status = status;
	reply->content_type = "application/json";
	reply->text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
	reply->length = reply->text != NULL ? strlen(reply->text) : 0;
	json_decref(document);
}

static void reply_error(struct reply *reply, unsigned status, const char *text)
{
	reply_json(reply, status, json_pack("{s:o}", "error", mt_json_text(text)));
}

static void serve_health(
	struct mt_daemon *daemon, struct MHD_Connection *connection, struct reply *reply)
{
	bool healthy = false;
	json_t *document;

	(void)connection;
	mt_daemon_hold(daemon);
	document = mt_api_health(daemon, &healthy);
	mt_daemon_let_go(daemon);
	reply_json(reply, healthy ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, document);
}

static void serve_metrics(
	struct mt_daemon *daemon, struct MHD_Connection *connection, struct reply *reply)
{
	bool openmetrics = mt_metrics_wants_openmetrics(
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));

	reply->status = MHD_HTTP_OK;
	reply->content_type = mt_metrics_content_type(openmetrics);
	mt_daemon_hold(daemon);
	reply->text = mt_metrics_text(daemon, openmetrics, &reply->length);
	mt_daemon_let_go(daemon);
}

static void serve_page(
	struct mt_daemon *daemon, struct MHD_Connection *connection, struct reply *reply)
{
	(void)daemon;
	(void)connection;
	reply->status = MHD_HTTP_OK;
	reply->content_type = MT_PAGE_TYPE;
	reply->policy = MT_PAGE_POLICY;
	reply->text = (char *)(uintptr_t)mt_page(&reply->length);
	reply->constant = true;
}

static void serve_drain(
	struct mt_daemon *daemon, struct MHD_Connection *connection, struct reply *reply)
{
	(void)connection;
	mt_daemon_set_draining(daemon, true); /* one that is stopping drains already */
	reply_json(reply, MHD_HTTP_OK, json_pack("{s:s}", "state", "draining"));
}

static void serve_undrain(
	struct mt_daemon *daemon, struct MHD_Connection *connection, struct reply *reply)
{
	(void)connection;
	if (mt_daemon_set_draining(daemon, false) == 0)
		reply_json(reply, MHD_HTTP_OK, json_pack("{s:s}", "state", "running"));
	else
		reply_error(reply, MHD_HTTP_CONFLICT,
			"the daemon is stopping; that can't be taken back");
}

static void serve_reload(
	struct mt_daemon *daemon, struct MHD_Connection *connection, struct reply *reply)
{
	const char *value = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "check");
	bool check = value != NULL && strcmp(value, "0") != 0;
	struct mt_reload_answer answer;

	mt_reload_ask(daemon, check, &answer);
	if (answer.rc == 0)
		reply_json(reply, MHD_HTTP_OK,
			json_pack("{s:s, s:I, s:o}", "state", check ? "valid" : "reloaded",
				"generation", (json_int_t)answer.generation, "summary",
				mt_json_text(answer.text)));
	else
		reply_error(reply,
			answer.rc == -ESHUTDOWN ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_CONFLICT,
			answer.text);
}

static json_t *make_document(json_t *(*make)(struct mt_daemon *daemon), struct mt_daemon *daemon)
{
	json_t *document;

	mt_daemon_hold(daemon);
	document = make(daemon);
	mt_daemon_let_go(daemon);
	return document;
}

static void serve_capture(
	struct mt_daemon *daemon, struct MHD_Connection *connection, struct reply *reply)
{
	char error[1024];
	unsigned status;

	reply->response = mt_http_capture(daemon, connection, &status, error, sizeof(error));
	reply->status = status;
	if (reply->response == NULL)
		reply_error(reply, status, error);
}

static const struct route {
	const char *method;
	const char *path;
	bool control_only;
	json_t *(*make)(struct mt_daemon *daemon); /* a JSON document */
	void (*serve)(struct mt_daemon *daemon, struct MHD_Connection *connection,
		struct reply *reply); /* anything else; both NULL: not supported yet */
} routes[] = {
	{"GET", "/api/v1/status", false, mt_api_status, NULL},
	{"GET", "/api/v1/ledger", false, mt_api_ledger, NULL},
	{"GET", "/api/v1/queues", false, mt_api_queues, NULL},
	{"GET", "/api/v1/outputs", false, mt_api_outputs, NULL},
	{"GET", "/api/v1/ports", false, mt_api_ports, NULL},
	{"GET", "/api/v1/sessions", false, mt_api_sessions, NULL},
	{"GET", "/healthz", false, NULL, serve_health},
	{"GET", "/metrics", false, NULL, serve_metrics},
	{"GET", "/", false, NULL, serve_page},
	{"POST", "/api/v1/reload", true, NULL, serve_reload},
	{"POST", "/api/v1/drain", true, NULL, serve_drain},
	{"POST", "/api/v1/undrain", true, NULL, serve_undrain},
	{"POST", "/api/v1/capture", true, NULL, serve_capture},
};

/* The methods that a path takes, for the header Allow. */
static void allowed_methods(const char *url, char *methods, size_t size)
{
	size_t used = 0;

	*methods = '\0';
	for (size_t r = 0; r < sizeof(routes) / sizeof(*routes) && used < size; r++) {
		if (strcmp(url, routes[r].path) == 0)
			used += (size_t)snprintf(methods + used, size - used, "%s",
				strcmp(routes[r].method, "GET") == 0 ? "GET, HEAD"
								     : routes[r].method);
	}
}

static void find_reply(struct listener *listener, struct MHD_Connection *connection,
	const char *url, const char *method, struct reply *reply)
{
	bool path_known = false;

	for (size_t r = 0; r < sizeof(routes) / sizeof(*routes); r++) {
		const struct route *route = &routes[r];

		if (strcmp(url, route->path) != 0)
			continue;
		path_known = true;
		if (strcmp(method, route->method) != 0)
			continue;
		if (route->control_only && !listener->control)
			reply_error(
				reply, MHD_HTTP_FORBIDDEN, "allowed on the control socket only");
		else if (route->make != NULL)
			reply_json(
				reply, MHD_HTTP_OK, make_document(route->make, listener->daemon));
		else if (route->serve != NULL)
			route->serve(listener->daemon, connection, reply);
		else
			reply_error(reply, MHD_HTTP_NOT_IMPLEMENTED, "not supported yet");
		return;
	}
	if (path_known)
		reply_error(
			reply, MHD_HTTP_METHOD_NOT_ALLOWED, "this path does not take this method");
	else
		reply_error(reply, MHD_HTTP_NOT_FOUND,
			"no such path; see /, /healthz, /metrics, "
			"/api/v1/status, ledger, queues, outputs, ports, sessions");
}

static enum MHD_Result send_reply(
	struct MHD_Connection *connection, const char *url, struct reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	char methods[64];

	if (reply->response != NULL) {
		result = MHD_queue_response(connection, reply->status, reply->response);
		MHD_destroy_response(reply->response);
		return result;
	}
	if (reply->text == NULL)
		return MHD_NO; /* no memory: the connection is closed */
	response = MHD_create_response_from_buffer(reply->length, reply->text,
		reply->constant ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		if (!reply->constant)
			free(reply->text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Content-Security-Policy",
		reply->policy != NULL ? reply->policy : "default-src 'none'");
	if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
		allowed_methods(url, methods, sizeof(methods));
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, methods);
	}
	result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

/* --- servers ---------------------------------------------------------------------------------- */

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **request)
{
	struct listener *listener = context;
	struct reply reply = {0};
	uintptr_t seen = (uintptr_t)*request; /* bytes of body, plus one */

	(void)version;
	(void)upload;
	/* The first call has the headers only; bodies are read and ignored, up to a length. */
	if (seen == 0) {
		*request = (void *)(uintptr_t)1;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		seen += *upload_size;
		*upload_size = 0;
		*request = (void *)seen;
		return seen > MAX_BODY_BYTES ? MHD_NO : MHD_YES;
	}
	mt_http_connection_asked(connection);
	find_reply(listener, connection, url, strcmp(method, "HEAD") == 0 ? "GET" : method, &reply);
	return send_reply(connection, url, &reply);
}

/* The library's own words on broken requests: of no use to an operator. */
static void no_log(void *context, const char *format, va_list args)
{
	(void)context;
	(void)format;
	(void)args;
}

/* Takes over the descriptor. */
static int start_server(void *context, int fd)
{
	struct listener *listener = context;

	listener->server = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD
			| (listener->control ? MHD_ALLOW_UPGRADE : MHD_NO_FLAG),
		0, mt_http_connections_accept, &listener->connections, handle, listener,
		MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)MT_HTTP_HARD_MAX_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
		MHD_OPTION_NOTIFY_CONNECTION, mt_http_connections_notify, &listener->connections,
		MHD_OPTION_END);
	if (listener->server != NULL)
		return 0;
	close(fd);
	return -ENOMEM;
}

/* Closes its connections too. */
static void stop_server(void *context)
{
	struct listener *listener = context;

	if (listener->server != NULL)
		MHD_stop_daemon(listener->server);
	listener->server = NULL;
}

static struct listener *add_listener(struct mt_http *http, struct mt_daemon *daemon, bool control)
{
	struct listener *listener = &http->listeners[http->count++];

	listener->daemon = daemon;
	listener->control = control;
	listener->connections.local = control;
	return listener;
}

/* The configuration has no more addresses than there are listeners. */
static int start_tcp(struct mt_http *http, struct mt_daemon *daemon, char *error, size_t error_size)
{
	const struct mt_config_http *config = &daemon->config->http;
	bool early = daemon->pump.count > 0;
	int rc = 0;

	for (unsigned i = 0; rc >= 0 && i < config->listen_count; i++) {
		rc = mt_http_listen_tcp("http.listen", config->listen[i], early, error, error_size);
		if (rc >= 0)
			rc = start_server(add_listener(http, daemon, false), rc);
	}
	for (unsigned i = 0; rc >= 0 && i < config->probe_listen_count; i++)
		rc = mt_http_probes_add(&http->probes, config->probe_listen[i], early,
			add_listener(http, daemon, false), error, error_size);
	return rc < 0 ? rc : mt_http_probes_start(&http->probes);
}

int mt_http_start(struct mt_daemon *daemon, struct mt_http **result, char *error, size_t error_size)
{
	struct mt_http *http = calloc(1, sizeof(*http));
	int rc;

	/* For whatever has no words of its own. */
	snprintf(error, error_size, "http: out of memory or descriptors; see ulimit -n");
	if (http == NULL)
		return -ENOMEM;
	http->probes.daemon = daemon;
	http->probes.serve = start_server;
	http->probes.leave = stop_server;
	snprintf(http->socket.path, sizeof(http->socket.path), "%s",
		daemon->config->http.control_socket);
	rc = mt_http_listen_unix(&http->socket, error, error_size);
	if (rc < 0) {
		free(http); /* the socket is someone else's: leave it */
		return rc;
	}
	rc = start_server(add_listener(http, daemon, true), rc);
	if (rc == 0)
		rc = start_tcp(http, daemon, error, error_size);
	if (rc < 0) {
		mt_http_stop(http);
		return rc;
	}
	*result = http;
	return 0;
}

void mt_http_stop(struct mt_http *http)
{
	if (http == NULL)
		return;
	mt_http_probes_stop(&http->probes);
	/* Their connections were taken from the server: it ends when they were given back. */
	if (http->count > 0)
		mt_live_captures_stop(&http->listeners[0].daemon->captures);
	for (unsigned i = 0; i < http->count; i++)
		stop_server(&http->listeners[i]);
	mt_http_remove_unix(&http->socket);
	free(http);
}
