/* SPDX-License-Identifier: BSD-3-Clause */
/* The running daemon: everything that start-up made, in the order in which it is made. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "control/config.h"
#include "control/eal.h"
#include "control/host.h"
#include "control/ledger.h"
#include "control/live_capture.h"
#include "control/log.h"
#include "control/outputs.h"
#include "control/plan.h"
#include "control/ports.h"
#include "control/reload.h"
#include "control/sessions.h"
#include "control/watch.h"
#include "datapath/worker.h"
#include "output/output.h"

enum mt_daemon_state {
	MT_DAEMON_STARTING,
	MT_DAEMON_RUNNING,
	MT_DAEMON_DRAINING, /* health is red, delivery goes on */
	MT_DAEMON_STOPPING, /* the same, and it can't be taken back */
};

struct mt_daemon {
	/* What a reload replaces, all of it at once. Writer: control, under `hold`. Readers: who
	 * has called mt_daemon_hold(), and control; workers have their own pointer, in `datapath`.
	 */
	const struct mt_config *config;
	struct mt_policy *policy;     /* of the snapshot; NULL: none */
	struct mt_snapshot *snapshot; /* that which is published, or is about to be */
	struct mt_output_notes notes[MT_SNAPSHOT_MAX_OUTPUTS]; /* in the order of the snapshot's */
	/* Held by readers for the time that an answer takes, never by a worker. */
	pthread_rwlock_t hold;
	struct mt_reload reload;

	/* Ports and sockets are as this says, for good. */
	const struct mt_config *start_config;
	const struct mt_plan *plan;
	struct mt_eal eal;
	struct mt_port ports[MT_MAX_PORTS];
	unsigned ports_count;                /* started */
	struct mt_host *hosts[MT_MAX_PORTS]; /* by port; NULL: it has no host interface */
	struct mt_host_pump pump;
	struct mt_datapath datapath;
	uint64_t started;      /* seconds of the monotonic clock */
	_Atomic int state;     /* enum mt_daemon_state; writers: control, and HTTP for a drain */
	const char *simd_name; /* how frames are decapsulated: "avx512", "plain", ... */
	mt_decapsulate_simd_t *simd;
	struct mt_watch watch;
	/* Guards what control writes after the start. Taken by control and HTTP threads for the
	 * time of a copy, never by a worker. */
	pthread_mutex_t lock;
	struct mt_session_register session_register; /* of the metrics */
	struct mt_live_captures captures;
	uint64_t last_second; /* timer cycles at which what is done each second was done; control */
	/* Reasons for drops that were told once. Control only. */
	bool told_verdict[MT_VERDICT_COUNT];
};

/* While a thread holds the daemon, its configuration, policy, snapshot and outputs stay what they
 * are and where they are. Not to be taken twice, and never while control is waited for. */
void mt_daemon_hold(struct mt_daemon *daemon);
void mt_daemon_let_go(struct mt_daemon *daemon);

/* Starts EAL, ports, outputs and workers. Returns 0, or -errno with one line in `error`, nothing
 * left behind. `config` and `plan` must live as long. */
int mt_daemon_start(struct mt_daemon *daemon, const struct mt_config *config,
	const struct mt_plan *plan, char *error, size_t error_size);

/* What the control thread does about ten times a second: looks after the outputs, tells the log of
 * what began to be dropped. */
void mt_daemon_maintain(struct mt_daemon *daemon);

/* Turns health red or back, while delivery goes on; any thread. Returns 0, or -EBUSY if the daemon
 * is stopping: that is not taken back. */
int mt_daemon_set_draining(struct mt_daemon *daemon, bool draining);

/* The daemon will stop: health is red from now on. */
void mt_daemon_announce_stop(struct mt_daemon *daemon);

bool mt_daemon_is_draining(struct mt_daemon *daemon);

/* Seconds since the start; any thread. */
uint64_t mt_daemon_uptime(const struct mt_daemon *daemon);

/* Takes what the ports still hold, delivers what is queued, ends the workers; each step bounded in
 * time. What could not be delivered is counted as stopped. `ledger` is the final one. Returns false
 * if a worker did not end: then nothing may be freed, the process must exit. */
bool mt_daemon_drain(struct mt_daemon *daemon, struct mt_ledger *ledger);

/* Frees everything, after mt_daemon_drain() returned true. */
void mt_daemon_stop(struct mt_daemon *daemon);
