/* SPDX-License-Identifier: BSD-3-Clause */
/* Live captures of the running daemon: each has a client on the control socket, a thread that
 * sends pcapng to it, and a place among those that the workers copy for. Ends with its client. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/log.h"
#include "datapath/worker.h"

struct mt_daemon;
struct mt_live_capture;

enum {
	MT_LIVE_MAX_FILTER = 4096, /* characters */
};

struct mt_live_captures {
	pthread_mutex_t lock; /* of all that is here; never taken by a worker */
	pthread_cond_t freed;
	bool stopping;
	unsigned freeing; /* no longer in the list, but not yet gone */
	struct mt_live_capture *list[MT_DATAPATH_MAX_CAPTURES]; /* by place */
	/* Since the start; without what those in the list have. */
	uint64_t begun;
	uint64_t refused;
	uint64_t frames;
	uint64_t bytes;
	uint64_t lost;
	struct mt_log_limit told_begin;
	struct mt_log_limit told_end;
};

/* What a client asks for. */
struct mt_live_request {
	const char *filter;  /* NULL: all frames */
	const char *session; /* by name; NULL: all */
	bool has_vni;
	uint32_t vni;
	uint64_t count; /* frames, then it ends; 0: no end */
	uint32_t snap;  /* 0: whole frames */
	pid_t pid;      /* who asks */
	uid_t uid;
};

/* Of one capture; for status and metrics. */
struct mt_live_status {
	uint64_t id; /* from 1 */
	pid_t pid;
	uid_t uid;
	char *filter; /* to be freed by mt_live_statuses_free(); NULL: none */
	char *session;
	bool has_vni;
	uint32_t vni;
	uint64_t count;
	uint32_t snap;
	uint64_t since; /* seconds since 1970-01-01 UTC */
	uint64_t frames;
	uint64_t bytes;
	uint64_t lost;
};

struct mt_live_statuses {
	struct mt_live_status list[MT_DATAPATH_MAX_CAPTURES];
	unsigned count;
	/* All together, since the start of the daemon. */
	uint64_t begun;
	uint64_t refused;
	uint64_t frames;
	uint64_t bytes;
	uint64_t lost;
};

void mt_live_captures_init(struct mt_live_captures *captures);

/* Makes what the request asks for; nothing is captured yet. The capture is to be given to one of
 * the next two. On failure `error` has one line, and it returns -EINVAL  the request is wrong
 *   -ENOENT  no session has this name
 *   -EBUSY   there are MT_DATAPATH_MAX_CAPTURES already, or the daemon is stopping
 *   -ENOMEM */
int mt_live_capture_open(struct mt_daemon *daemon, const struct mt_live_request *request,
	struct mt_live_capture **capture, char *error, size_t error_size);

/* Begins to capture, to the client at `fd`, until it has all that it asked for or goes away; then
 * `leave` gives the connection back. On failure that is at once. */
void mt_live_capture_begin(
	struct mt_live_capture *capture, int fd, void (*leave)(void *context), void *context);

/* Frees one that was not begun. */
void mt_live_capture_abandon(struct mt_live_capture *capture);

/* Ends all of them: each gets what is still copied and its statistics, in a short time. Afterwards
 * every connection was given back and no new capture begins. */
void mt_live_captures_stop(struct mt_live_captures *captures);

void mt_live_captures_read(struct mt_live_captures *captures, struct mt_live_statuses *statuses);
void mt_live_statuses_free(struct mt_live_statuses *statuses);
