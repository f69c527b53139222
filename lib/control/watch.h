/* SPDX-License-Identifier: BSD-3-Clause */
/* Watch: what the control thread looks at so that no one else has to ask a driver: heartbeats of
 * the workers ten times a second, link and statistics of the ports once a second (some drivers
 * block on them). HTTP and telemetry threads read what it saw. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>

#include "control/config.h"
#include "control/health.h"
#include "control/xstats.h"
#include "datapath/worker.h"
#include "output/ethdev.h"

struct mt_daemon;

enum {
	MT_WATCH_MAX_XSTATS = 512, /* of one port */
};

/* Guarded by mt_watch.lock; writer: control. */
struct mt_port_sample {
	bool started; /* and not taken away from the workers */
	bool link;
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	struct mt_ethdev device; /* as it was last started */
	struct mt_driver_count imissed;
	struct mt_driver_count ierrors;
	struct mt_driver_count rx_nombuf;
	struct mt_driver_count oerrors;
	/* Those of the driver's own statistics that mt_xstat_parse() knows. */
	unsigned xstats_count;
	struct {
		uint64_t id; /* the driver's */
		struct mt_driver_count count;
		char name[RTE_ETH_XSTATS_NAME_SIZE];
	} xstats[MT_WATCH_MAX_XSTATS];
};

/* Over the last second. Guarded by mt_watch.lock; writer: control. */
struct mt_worker_sample {
	double cycles_per_packet; /* of the loops that had packets; 0: there were none */
	double busy_ratio;        /* 0..1 */
};

struct mt_watch {
	_Atomic uint64_t looked_ms; /* when control last looked */
	struct {
		_Atomic uint64_t loops; /* struct mt_heartbeat; writer: control */
		_Atomic uint64_t changed_ms;
		bool told; /* control only */
	} workers[MT_MAX_WORKERS];
	_Atomic bool stuck;   /* some worker is; writer: control */
	pthread_mutex_t lock; /* never held while a driver is asked */
	struct mt_port_sample ports[MT_MAX_PORTS];
	struct mt_worker_sample loads[MT_MAX_WORKERS];
	/* Control only. */
	struct mt_load_counters before[MT_MAX_WORKERS];
	int xstats_total[MT_MAX_PORTS]; /* of the driver, when names were last asked; 0: never */
	uint64_t resets[MT_MAX_PORTS];  /* of the device, when its counters were last read */
	uint64_t sampled_ms;
};

void mt_watch_init(struct mt_watch *watch);

/* Looks at everything; control thread, about ten times a second. Logs a worker that got stuck,
 * once, and that it goes on again. */
void mt_watch_look(struct mt_daemon *daemon);

/* Is no worker stuck? Then systemd's watchdog may be fed. */
bool mt_watch_may_go_on(struct mt_daemon *daemon);

/* The health now; any thread that holds the daemon. Does not wait for control or a driver, changes
 * nothing. */
void mt_watch_health(struct mt_daemon *daemon, struct mt_health *health);

/* Can the output take frames: is it in no error, and does its reader read? Any thread. */
bool mt_watch_output_can_take(struct mt_daemon *daemon, unsigned output);

/* Milliseconds since the worker was last seen to move; any thread. */
uint64_t mt_watch_heartbeat_age_ms(struct mt_daemon *daemon, unsigned worker);

/* Copies what was seen of one port or worker; any thread. */
void mt_watch_read_port(struct mt_daemon *daemon, unsigned port, struct mt_port_sample *sample);
void mt_watch_read_worker(
	struct mt_daemon *daemon, unsigned worker, struct mt_worker_sample *sample);
