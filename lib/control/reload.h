/* SPDX-License-Identifier: BSD-3-Clause */
/* Reload: the configuration file is read again and takes the place of the running one, without a
 * stop. All of it or nothing: a file with an error, or with a key that can't change, changes
 * nothing, and says where it is wrong. The control thread does it; any other may ask for it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mt_daemon;
struct mt_leftover;

enum {
	MT_RELOAD_TEXT = 1024,
};

struct mt_reload_answer {
	int rc;              /* 0, or -errno: refused, or -ESHUTDOWN: the daemon is stopping */
	uint64_t generation; /* that which is in force now */
	char text[MT_RELOAD_TEXT]; /* what was done, or what is wrong: one line */
};

/* What others are told. */
struct mt_reload_status {
	uint64_t generation; /* configurations that were in force, the first one included */
	uint64_t applied;    /* reloads, without mere checks */
	uint64_t refused;
	uint64_t applied_seconds; /* when the running one came into force, since 1970 */
	uint64_t last_seconds;    /* when a reload was last asked for; 0: never */
	struct mt_reload_answer last;
};

struct mt_reload {
	pthread_mutex_t asking; /* one asks at a time */
	pthread_mutex_t lock;   /* of all below, but for what is control's */
	pthread_cond_t changed;
	int wake_fd; /* readable: control is asked for something */
	bool closed;
	bool wanted;
	bool check;
	struct mt_reload_answer answer;
	struct mt_reload_status status;
	/* Control only: what could not be freed yet because a worker was stuck. */
	struct mt_leftover *leftovers;
};

int mt_reload_init(struct mt_reload *reload);

/* Reads the file again; `check`: changes nothing, but says what would be. Control thread. */
void mt_reload_now(struct mt_daemon *daemon, bool check, struct mt_reload_answer *answer);

/* Does what was asked for, if anything was. Control thread, when `wake_fd` is readable. */
void mt_reload_serve(struct mt_daemon *daemon);

/* Asks the control thread, and waits until it has done so. Any other thread, one that does not hold
 * the daemon. */
void mt_reload_ask(struct mt_daemon *daemon, bool check, struct mt_reload_answer *answer);

/* From now on nothing is done, and who waits is told so. */
void mt_reload_close(struct mt_daemon *daemon);

void mt_reload_read(struct mt_daemon *daemon, struct mt_reload_status *status);

/* After the workers have ended. */
void mt_reload_free(struct mt_daemon *daemon);
