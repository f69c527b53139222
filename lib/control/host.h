/* SPDX-License-Identifier: BSD-3-Clause */
/* Host interface: the kernel's side of a port. Everything that is not mirror traffic goes to it,
 * and everything that the kernel sends on it goes out of the port, so ARP, ping, DHCP and a load
 * balancer's probes work as if the kernel owned the NIC.
 *
 * Workers only put frames into rings, one for each worker and port. One pump thread moves them,
 * woken by what the kernel sends and at least each millisecond, and no faster than a rate: a flood
 * of other traffic costs the workers no more than a look at each packet. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "control/host_backend.h"
#include "output/ethdev.h"
#include "output/tap_device.h"

enum {
	MT_HOST_MAX_WORKERS = 128,
	MT_HOST_RING = 1024, /* frames of one worker */
};

struct mt_host_settings {
	const char *interface;
	enum mt_host_backend backend;
	unsigned index;            /* of the port, to make names from */
	uint16_t port_id;          /* DPDK's */
	struct rte_ether_addr mac; /* of the port */
	uint32_t mtu;              /* of the port */
	uint32_t rate_pps;         /* frames a second that the kernel is given at most */
	int numa_node;
};

/* Writer: the pump. Readers: control. */
struct mt_host_counters {
	uint64_t to_kernel;
	uint64_t to_kernel_drops; /* the kernel did not take it: interface down, no memory */
	uint64_t from_kernel;
	uint64_t from_kernel_drops; /* the port did not take it */
};

struct mt_host {
	char interface[IFNAMSIZ];
	enum mt_host_backend backend; /* as chosen: never auto */
	uint16_t port_id;
	uint32_t rate_pps;
	struct rte_mempool *pool;                    /* for what the kernel sends */
	struct rte_ring *rings[MT_HOST_MAX_WORKERS]; /* by worker; NULL: it does not receive */
	struct mt_tap tap;                           /* backend tap */
	struct mt_ethdev device;                     /* backend vhost */
	struct mt_host_counters counters;
	double tokens; /* frames that may go to the kernel now; pump only */
	unsigned turn; /* the worker whose ring is next; pump only */
	/* Held by the pump while it uses the port, by control while it resets the port. */
	pthread_mutex_t port_lock;
	bool port_away; /* guarded by port_lock */
	/* Writer and reader: control only. */
	bool failed;
	char error[MT_TAP_MAX_ERROR];
};

struct mt_host_pump {
	pthread_t thread;
	bool running;
	_Atomic bool stop;
	struct mt_host *hosts[16];
	unsigned count;
};

/* "tap" or "vhost". */
const char *mt_host_backend_name(enum mt_host_backend backend);

/* Makes the kernel interface. Returns 0, or -errno with one line in `error`. */
int mt_host_open(struct mt_host *host, const struct mt_host_settings *settings, char *error,
	size_t error_size);

/* The ring into which worker `worker`, on `numa_node`, puts frames; NULL: no memory. */
struct rte_ring *mt_host_add_worker(
	struct mt_host *host, unsigned index, unsigned worker, int numa_node);

/* Finds and mends an interface that is down or was deleted; control, about ten times a second. */
void mt_host_maintain(struct mt_host *host);

/* Takes the port away from the pump, or gives it back. */
void mt_host_set_port_away(struct mt_host *host, bool away);

/* Frees what the workers left, removes the interface. After the pump was stopped. */
void mt_host_close(struct mt_host *host);

/* Starts the thread that serves all hosts[0..count). Returns 0 or -errno. */
int mt_host_pump_start(struct mt_host_pump *pump);
void mt_host_pump_stop(struct mt_host_pump *pump);
