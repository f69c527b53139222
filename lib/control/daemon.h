/* SPDX-License-Identifier: BSD-3-Clause */
/* The running daemon: everything that start-up made, in the order in which it is made. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "control/config.h"
#include "control/eal.h"
#include "control/hooks.h"
#include "control/host.h"
#include "control/ledger.h"
#include "control/log.h"
#include "control/plan.h"
#include "control/ports.h"
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
	const struct mt_config *config;
	const struct mt_plan *plan;
	struct mt_eal eal;
	struct mt_port ports[MT_MAX_PORTS];
	unsigned ports_count;                /* started */
	struct mt_host *hosts[MT_MAX_PORTS]; /* by port; NULL: it has no host interface */
	struct mt_host_pump pump;
	struct mt_policy *policy; /* of the snapshot; NULL: none */
	struct mt_snapshot snapshot;
	struct mt_datapath datapath;
	uint64_t started;      /* seconds of the monotonic clock */
	_Atomic int state;     /* enum mt_daemon_state; writers: control, and HTTP for a drain */
	const char *simd_name; /* how frames are decapsulated: "avx512", "plain", ... */
	struct mt_watch watch;
	/* Guards what control writes after the start. Taken by control and HTTP threads for the
	 * time of a copy, never by a worker. */
	pthread_mutex_t lock;
	/* Copies of the outputs' error texts, for others than control: an output may take long over
	 * mending itself, and no one shall wait for that. */
	char output_errors[MT_SNAPSHOT_MAX_OUTPUTS][MT_OUTPUT_MAX_ERROR];
	struct mt_hooks hooks;
	struct mt_session_register session_register; /* of the metrics */
	uint64_t last_second; /* timer cycles at which what is done each second was done; control */
	/* Reasons for drops that were told once. Control only. */
	bool told_verdict[MT_VERDICT_COUNT];
	bool told_drop[MT_SNAPSHOT_MAX_OUTPUTS][MT_OUTPUT_DROP_COUNT];
	bool told_error[MT_SNAPSHOT_MAX_OUTPUTS];
	uint64_t told_resets[MT_SNAPSHOT_MAX_OUTPUTS]; /* of the outputs' devices */
	struct mt_log_limit told_reset[MT_SNAPSHOT_MAX_OUTPUTS];
	struct mt_log_limit told_failed[MT_SNAPSHOT_MAX_OUTPUTS];
	struct mt_log_limit told_still[MT_SNAPSHOT_MAX_OUTPUTS]; /* in error, for another reason */
	struct mt_log_limit told_mended[MT_SNAPSHOT_MAX_OUTPUTS];
};

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
