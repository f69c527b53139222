/* SPDX-License-Identifier: BSD-3-Clause */
/* Listeners for probes that only ask whether a TCP connection opens: they are open while health is
 * green, and refuse connections while it is red. A thread of its own sees to that, so that a
 * control thread that is stuck turns them red too. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "control/daemon.h"

enum {
	MT_HTTP_MAX_PROBES = 64,
};

struct mt_http_probes {
	struct mt_daemon *daemon;
	/* Serves connections to a listening descriptor, which it closes in the end; ends that. */
	int (*serve)(void *server, int fd);
	void (*leave)(void *server);
	struct {
		void *server;
		const char *address;
		int fd; /* bound; listening while `open` */
		bool open;
		struct mt_log_limit told_failed;
	} list[MT_HTTP_MAX_PROBES];
	unsigned count;
	bool running;
	pthread_t thread;
	_Atomic bool stop;
	struct mt_log_limit told_open, told_shut;
};

/* Adds an address, "127.0.0.1:8080" or "[::1]:8080", which `server` shall serve. Takes it at once,
 * but does not listen yet. `early`: as in mt_http_listen_tcp(). Returns 0, or -errno with one line
 * in `error`. */
int mt_http_probes_add(struct mt_http_probes *probes, const char *address, bool early, void *server,
	char *error, size_t error_size);

/* Starts the thread, if there is any probe. Returns 0 or -errno. */
int mt_http_probes_start(struct mt_http_probes *probes);

/* Ends all of it; also where only some of it was begun. */
void mt_http_probes_stop(struct mt_http_probes *probes);
