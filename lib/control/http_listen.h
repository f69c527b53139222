/* SPDX-License-Identifier: BSD-3-Clause */
/* The sockets that HTTP listens on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

struct mt_control_socket {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char made_folder[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": it was there */
};

/* Listens on control->path, mode 0660, group "mirrortap" where there is one. Makes the path's last
 * folder. Returns a descriptor, or -errno with one line in `error`; -EADDRINUSE if another daemon
 * answers there, -EEXIST if it is something else than a socket. */
int mt_http_listen_unix(struct mt_control_socket *control, char *error, size_t error_size);

/* Removes the socket, and the folder if it was made. */
void mt_http_remove_unix(const struct mt_control_socket *control);

/* Takes "127.0.0.1:8080" or "[::1]:8080", which is an entry of `key` in the configuration. `early`:
 * even if the machine does not have the address yet, because a host interface will be given it
 * (ip(7), IP_FREEBIND). Returns a descriptor, or -errno with one line in `error`. */
int mt_http_bind_tcp(const char *key, const char *text, bool early, char *error, size_t error_size);

/* Lets a bound descriptor listen. Returns 0 or -errno. */
int mt_http_open(int fd);

/* Lets it refuse connections, until it is opened again; the address stays taken. */
void mt_http_shut(int fd);

/* mt_http_bind_tcp() and mt_http_open(). */
int mt_http_listen_tcp(
	const char *key, const char *text, bool early, char *error, size_t error_size);
