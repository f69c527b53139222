/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include "control/api.h"
#include "control/log.h"

enum {
	MAX_LISTENERS = 16,
	MAX_CONNECTIONS = 64, /* for each listener */
	TIMEOUT_SECONDS = 10,
	MEMORY_PER_CONNECTION = 32768,
};

struct listener {
	struct mt_daemon *daemon;
	struct MHD_Daemon *server;
	bool control; /* the Unix socket: may change things */
};

struct mt_http {
	char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char made_folder[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": it was there */
	struct listener listeners[MAX_LISTENERS];
	unsigned count;
};

static const struct route {
	const char *method;
	const char *path;
	bool control_only;
	json_t *(*make)(struct mt_daemon *daemon); /* NULL: not supported yet */
} routes[] = {
	{"GET", "/api/v1/status", false, mt_api_status},
	{"GET", "/api/v1/ledger", false, mt_api_ledger},
	{"GET", "/api/v1/queues", false, mt_api_queues},
	{"GET", "/api/v1/outputs", false, mt_api_outputs},
	{"GET", "/api/v1/ports", false, mt_api_ports},
	{"GET", "/api/v1/sessions", false, NULL},
	{"GET", "/healthz", false, NULL},
	{"GET", "/metrics", false, NULL},
	{"GET", "/", false, NULL},
	{"POST", "/api/v1/reload", true, NULL},
	{"POST", "/api/v1/drain", true, NULL},
	{"POST", "/api/v1/undrain", true, NULL},
	{"POST", "/api/v1/capture", true, NULL},
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, json_t *document)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	char *text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;

	json_decref(document);
	if (text == NULL)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, "Content-Type", "application/json");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_error(
	struct MHD_Connection *connection, unsigned status, const char *text)
{
	return answer(connection, status, json_pack("{s:s}", "error", text));
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **request)
{
	static int seen;
	struct listener *listener = context;
	bool path_known = false;

	(void)version;
	(void)upload;
	/* The first call has the headers only; bodies are read and ignored. */
	if (*request == NULL) {
		*request = &seen;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t r = 0; r < sizeof(routes) / sizeof(*routes); r++) {
		const struct route *route = &routes[r];

		if (strcmp(url, route->path) != 0)
			continue;
		path_known = true;
		if (strcmp(method, route->method) != 0)
			continue;
		if (route->control_only && !listener->control)
			return answer_error(connection, MHD_HTTP_FORBIDDEN,
				"allowed on the control socket only");
		if (route->make == NULL)
			return answer_error(
				connection, MHD_HTTP_NOT_IMPLEMENTED, "not supported yet");
		return answer(connection, MHD_HTTP_OK, route->make(listener->daemon));
	}
	if (path_known)
		return answer_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			"this path does not take this method");
	return answer_error(connection, MHD_HTTP_NOT_FOUND,
		"no such path; see /api/v1/status, ledger, queues, outputs, ports");
}

static int start_listener(struct mt_http *http, struct mt_daemon *daemon, int fd, bool control)
{
	struct listener *listener = &http->listeners[http->count];

	listener->daemon = daemon;
	listener->control = control;
	listener->server = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, handle,
		listener, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_END);
	if (listener->server == NULL) {
		close(fd);
		return -ENOMEM;
	}
	http->count++;
	return 0;
}

/* A socket file on which no one answers was left by a process that was killed. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive =
		fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

	if (fd >= 0)
		close(fd);
	return alive;
}

/* Makes the socket's folder if there is none; it is removed in the end. */
static void make_folder(struct mt_http *http)
{
	char folder[sizeof(http->made_folder)];
	char *slash;

	memcpy(folder, http->socket_path, sizeof(folder));
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return;
	*slash = '\0';
	if (mkdir(folder, 0755) == 0)
		memcpy(http->made_folder, folder, sizeof(folder));
}

static int listen_unix(struct mt_http *http, char *error, size_t error_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct group *group = getgrnam("mirrortap");
	struct stat found;
	int fd = -1;

	memcpy(address.sun_path, http->socket_path, sizeof(address.sun_path));
	if (is_alive(&address)) {
		snprintf(error, error_size,
			"http.control_socket: another mirrortapd answers on %s; end it, or give "
			"this one another path",
			http->socket_path);
		return -EADDRINUSE;
	}
	if (lstat(http->socket_path, &found) == 0 && !S_ISSOCK(found.st_mode)) {
		snprintf(error, error_size,
			"http.control_socket: %s is there and is no socket; name another path",
			http->socket_path);
		return -EEXIST;
	}
	make_folder(http);
	unlink(http->socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0
		|| chmod(http->socket_path, 0660) < 0 || listen(fd, 16) < 0) {
		int rc = -errno;

		snprintf(error, error_size,
			"http.control_socket: %s: %s; name a path in a folder "
			"that can be written",
			http->socket_path, strerror(-rc));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (group != NULL && chown(http->socket_path, (uid_t)-1, group->gr_gid) < 0)
		mt_log(MT_LOG_WARNING, "%s: group mirrortap: %s", http->socket_path,
			strerror(errno));
	return fd;
}

/* "127.0.0.1:8080" or "[::1]:8080", checked when the configuration was read. */
static int parse_address(const char *text, struct sockaddr_storage *storage, socklen_t *length)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
	struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2] = "";

	memset(storage, 0, sizeof(*storage));
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)atoi(colon + 1));
		*length = sizeof(*v6);
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)atoi(colon + 1));
	*length = sizeof(*v4);
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

static int listen_tcp(const char *text, char *error, size_t error_size)
{
	struct sockaddr_storage address;
	socklen_t length;
	int rc = parse_address(text, &address, &length);
	int fd = -1;

	if (rc == 0) {
		fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0
			|| (address.ss_family == AF_INET6
				&& setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int))
					< 0)
			|| bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 64) < 0)
			rc = -errno;
	}
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	snprintf(error, error_size,
		"http.listen: %s: %s; is the port taken, or the address not of this machine?", text,
		strerror(-rc));
	return rc;
}

int mt_http_start(struct mt_daemon *daemon, struct mt_http **result, char *error, size_t error_size)
{
	const struct mt_config_http *config = &daemon->config->http;
	struct mt_http *http = calloc(1, sizeof(*http));
	int rc;

	/* For whatever has no words of its own. */
	snprintf(error, error_size, "http: out of memory or descriptors; see ulimit -n");
	if (http == NULL)
		return -ENOMEM;
	snprintf(http->socket_path, sizeof(http->socket_path), "%s", config->control_socket);
	rc = listen_unix(http, error, error_size);
	if (rc < 0) {
		free(http); /* the socket is someone else's: leave it */
		return rc;
	}
	rc = start_listener(http, daemon, rc, true);
	for (unsigned i = 0; rc == 0 && i < config->listen_count; i++) {
		rc = http->count < MAX_LISTENERS ? listen_tcp(config->listen[i], error, error_size)
						 : -E2BIG;
		if (rc >= 0)
			rc = start_listener(http, daemon, rc, false);
	}
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
	for (unsigned i = 0; i < http->count; i++)
		MHD_stop_daemon(http->listeners[i].server);
	unlink(http->socket_path);
	if (http->made_folder[0] != '\0')
		rmdir(http->made_folder);
	free(http);
}
