/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/log.h"

enum {
	BACKLOG = 1024,
};

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
static void make_folder(struct mt_control_socket *control)
{
	char folder[sizeof(control->made_folder)];
	char *slash;

	memcpy(folder, control->path, sizeof(folder));
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return;
	*slash = '\0';
	if (mkdir(folder, 0755) == 0)
		memcpy(control->made_folder, folder, sizeof(folder));
}

int mt_http_listen_unix(struct mt_control_socket *control, char *error, size_t error_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct group *group = getgrnam("mirrortap");
	struct stat found;
	int fd = -1;

	memcpy(address.sun_path, control->path, sizeof(address.sun_path));
	if (is_alive(&address)) {
		snprintf(error, error_size,
			"http.control_socket: another mirrortapd answers on %s; end it, or give "
			"this one another path",
			control->path);
		return -EADDRINUSE;
	}
	if (lstat(control->path, &found) == 0 && !S_ISSOCK(found.st_mode)) {
		snprintf(error, error_size,
			"http.control_socket: %s is there and is no socket; name another path",
			control->path);
		return -EEXIST;
	}
	make_folder(control);
	unlink(control->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0
		|| chmod(control->path, 0660) < 0 || listen(fd, BACKLOG) < 0) {
		int rc = -errno;

		snprintf(error, error_size,
			"http.control_socket: %s: %s; name a path in a folder "
			"that can be written",
			control->path, strerror(-rc));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (group != NULL && chown(control->path, (uid_t)-1, group->gr_gid) < 0)
		mt_log(MT_LOG_WARNING, "%s: group mirrortap: %s", control->path, strerror(errno));
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

static int refuse(const char *key, const char *text, int rc, char *error, size_t error_size)
{
	snprintf(error, error_size,
		"%s: %s: %s; is the port taken, or the address not of this machine?", key, text,
		strerror(-rc));
	return rc;
}

static int set_reuse(int fd, int reuse)
{
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) < 0 ? -errno : 0;
}

/* Alone, if nothing of a process before is left. With SO_REUSEADDR it may be bound beside its
 * connections that wait for their end (TIME_WAIT), but another program beside it too, as long as it
 * does not listen; so the option is taken back, until it does. */
static int bind_alone(int fd, const struct sockaddr_storage *address, socklen_t length)
{
	int rc = bind(fd, (const struct sockaddr *)address, length) < 0 ? -errno : 0;

	if (rc != -EADDRINUSE)
		return rc;
	rc = set_reuse(fd, 1);
	if (rc == 0 && bind(fd, (const struct sockaddr *)address, length) < 0)
		rc = -errno;
	return rc < 0 ? rc : set_reuse(fd, 0);
}

int mt_http_bind_tcp(const char *key, const char *text, bool early, char *error, size_t error_size)
{
	struct sockaddr_storage address;
	socklen_t length;
	int rc = parse_address(text, &address, &length);
	int fd = -1;

	if (rc == 0) {
		fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0
			|| (address.ss_family == AF_INET6
				&& setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int))
					< 0)
			|| (early
				&& setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &(int){1}, sizeof(int))
					< 0))
			rc = -errno;
		else
			rc = bind_alone(fd, &address, length);
	}
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return refuse(key, text, rc, error, error_size);
}

int mt_http_open(int fd)
{
	/* Its connections inherit it: they shall not be in the way of the next process. */
	int rc = set_reuse(fd, 1);

	if (rc == 0 && listen(fd, BACKLOG) < 0) {
		rc = -errno;
		set_reuse(fd, 0);
	}
	return rc;
}

void mt_http_shut(int fd)
{
	/* Linux: a listening socket is then as it was before it listened, and still bound. */
	shutdown(fd, SHUT_RDWR);
	set_reuse(fd, 0);
}

int mt_http_listen_tcp(
	const char *key, const char *text, bool early, char *error, size_t error_size)
{
	int fd = mt_http_bind_tcp(key, text, early, error, error_size);
	int rc = fd < 0 ? fd : mt_http_open(fd);

	if (fd < 0 || rc == 0)
		return fd;
	close(fd);
	return refuse(key, text, rc, error, error_size);
}

void mt_http_remove_unix(const struct mt_control_socket *control)
{
	unlink(control->path);
	if (control->made_folder[0] != '\0')
		rmdir(control->made_folder);
}
