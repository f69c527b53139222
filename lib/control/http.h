/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP: read only on TCP addresses, with control on the Unix socket. */
#pragma once

#include <stddef.h>

#include "control/daemon.h"

struct mt_http;

/* Listens on the control socket (mode 0660, group "mirrortap" where there is one) and on the
 * addresses of http.listen, and, while health is green, on those of http.probe_listen. Returns 0,
 * or -errno with one line in `error`; -EADDRINUSE if another daemon answers there. */
int mt_http_start(struct mt_daemon *daemon, struct mt_http **http, char *error, size_t error_size);

/* Stops listening and removes the socket. NULL is allowed. */
void mt_http_stop(struct mt_http *http);
