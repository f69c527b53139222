/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/host.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "control/host_vhost.h"
#include "control/log.h"
#include "output/commit.h"
#include "output/monotonic.h"

enum {
	BURST = 32,
	ROUND_LIMIT = 256, /* frames in one direction of one port before the next has its turn */
	WAKE_MS = 1,
	POOL_BUFFERS = 1023,
	BUFFER_BYTES = 9216 + 14 + 8 + RTE_PKTMBUF_HEADROOM,
	TOKENS_MAX = 1024, /* frames that may go at once after a pause */
	TX_QUEUE = 0, /* workers do not send on ports: the port's only transmit queue is ours */
};

const char *mt_host_backend_name(enum mt_host_backend backend)
{
	return backend == MT_HOST_VHOST ? "vhost" : "tap";
}

static int open_tap(struct mt_host *host, const struct mt_host_settings *settings)
{
	host->tap = (struct mt_tap){
		.mtu = settings->mtu,
		.queues = 1,
		.has_mac = true,
	};
	memcpy(host->tap.interface, host->interface, sizeof(host->interface));
	memcpy(host->tap.mac, settings->mac.addr_bytes, sizeof(host->tap.mac));
	return mt_tap_open(&host->tap);
}

int mt_host_open(struct mt_host *host, const struct mt_host_settings *settings, char *error,
	size_t error_size)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	int rc;

	*host = (struct mt_host){
		.port_id = settings->port_id,
		.rate_pps = settings->rate_pps,
		.backend = settings->backend,
	};
	snprintf(host->interface, sizeof(host->interface), "%s", settings->interface);
	if (host->backend == MT_HOST_AUTO)
		host->backend =
			access("/dev/vhost-net", R_OK | W_OK) == 0 ? MT_HOST_VHOST : MT_HOST_TAP;
	pthread_mutex_init(&host->port_lock, NULL);
	snprintf(name, sizeof(name), "mt_host_%u", settings->index);
	host->pool = rte_pktmbuf_pool_create(
		name, POOL_BUFFERS, 0, 0, BUFFER_BYTES, settings->numa_node);
	if (host->pool == NULL) {
		snprintf(error, error_size,
			"host interface %s: buffers: %s; reserve more hugepages", host->interface,
			rte_strerror(rte_errno));
		return -rte_errno;
	}
	if (host->backend == MT_HOST_TAP) {
		rc = open_tap(host, settings);
		if (rc < 0)
			snprintf(error, error_size, "host %s", host->tap.error);
	} else {
		rc = mt_host_vhost_open(host, settings, error, error_size);
	}
	if (rc < 0) {
		rte_mempool_free(host->pool);
		host->pool = NULL;
	}
	return rc;
}

struct rte_ring *mt_host_add_worker(
	struct mt_host *host, unsigned index, unsigned worker, int numa_node)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "mti_host_%u_%u", index % 1000, worker % 1000);
	host->rings[worker] = rte_ring_create(
		name, MT_HOST_RING, numa_node, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	return host->rings[worker];
}

void mt_host_maintain(struct mt_host *host)
{
	bool failed = host->failed;
	int problem;

	if (host->backend != MT_HOST_TAP)
		return;
	problem = mt_tap_check(&host->tap);
	if (problem < 0) {
		memcpy(host->error, host->tap.error, sizeof(host->error));
		/* Set down by hand is someone's wish, as on any interface; deleted is not. */
		if (problem == -ENODEV && mt_tap_mend(&host->tap, problem) == 0)
			problem = 0;
		if (!failed)
			mt_log(MT_LOG_WARNING, "host %s", host->error);
	}
	host->failed = problem < 0;
	if (!host->failed && failed)
		mt_log(MT_LOG_NOTICE, "host interface %s is up again", host->interface);
}

void mt_host_set_port_away(struct mt_host *host, bool away)
{
	pthread_mutex_lock(&host->port_lock);
	host->port_away = away;
	pthread_mutex_unlock(&host->port_lock);
}

void mt_host_close(struct mt_host *host)
{
	struct rte_mbuf *frames[BURST];
	unsigned n;

	if (host->pool == NULL)
		return;
	for (unsigned w = 0; w < MT_HOST_MAX_WORKERS; w++) {
		while (host->rings[w] != NULL
			&& (n = rte_ring_dequeue_burst(
				    host->rings[w], (void **)frames, BURST, NULL))
				> 0) {
			mt_count(&host->counters.to_kernel_drops, n);
			rte_pktmbuf_free_bulk(frames, n);
		}
		rte_ring_free(host->rings[w]);
	}
	if (host->backend == MT_HOST_TAP)
		mt_tap_close(&host->tap);
	else
		mt_ethdev_stop(&host->device);
	rte_mempool_free(host->pool);
	host->pool = NULL;
	pthread_mutex_destroy(&host->port_lock);
}

/* --- the pump --------------------------------------------------------------------------------- */

/* Gives frames to the kernel, frees them, returns how many it took. */
static uint16_t write_kernel(struct mt_host *host, struct rte_mbuf **frames, uint16_t count)
{
	uint16_t taken = 0;

	if (host->backend == MT_HOST_VHOST) {
		taken = rte_eth_tx_burst(host->device.id, 0, frames, count);
		rte_pktmbuf_free_bulk(&frames[taken], count - taken);
		return taken;
	}
	for (uint16_t i = 0; i < count; i++)
		taken += mt_tap_write(host->tap.fds[0], frames[i]) == 0;
	rte_pktmbuf_free_bulk(frames, count);
	return taken;
}

/* Takes frames from the kernel. Returns how many; fewer than asked means that it has no more. */
static uint16_t read_kernel(struct mt_host *host, struct rte_mbuf **frames, uint16_t count)
{
	uint16_t read_count = 0;

	if (host->backend == MT_HOST_VHOST)
		return rte_eth_rx_burst(host->device.id, 0, frames, count);
	while (read_count < count) {
		struct rte_mbuf *frame = rte_pktmbuf_alloc(host->pool);
		ssize_t length;

		if (frame == NULL)
			break;
		length = read(host->tap.fds[0], rte_pktmbuf_mtod(frame, void *),
			rte_pktmbuf_tailroom(frame));
		if (length <= 0) {
			rte_pktmbuf_free(frame);
			break;
		}
		frame->data_len = (uint16_t)length;
		frame->pkt_len = (uint32_t)length;
		frames[read_count++] = frame;
	}
	return read_count;
}

/* A burst of one worker's. Returns how many frames it was. */
static uint16_t move_to_kernel(struct mt_host *host, struct rte_ring *ring)
{
	struct rte_mbuf *frames[BURST];
	uint16_t n = host->tokens < BURST ? (uint16_t)host->tokens : BURST;
	uint16_t taken;

	n = rte_ring_dequeue_burst(ring, (void **)frames, n, NULL);
	if (n == 0)
		return 0;
	taken = write_kernel(host, frames, n);
	mt_count(&host->counters.to_kernel, taken);
	mt_count(&host->counters.to_kernel_drops, n - taken);
	host->tokens -= n;
	return n;
}

/* Workers take turns, from round to round too: a flood that one of them receives takes no more than
 * its share of the rate from the others. */
static void pump_to_kernel(struct mt_host *host)
{
	unsigned left = ROUND_LIMIT;
	unsigned empty = 0;

	while (empty < MT_HOST_MAX_WORKERS && left >= BURST && host->tokens >= 1) {
		struct rte_ring *ring = host->rings[host->turn];
		uint16_t n = ring == NULL ? 0 : move_to_kernel(host, ring);

		host->turn = (host->turn + 1) % MT_HOST_MAX_WORKERS;
		empty = n == 0 ? empty + 1 : 0;
		left -= n;
	}
}

static void pump_from_kernel(struct mt_host *host)
{
	for (unsigned done = 0; done < ROUND_LIMIT;) {
		struct rte_mbuf *frames[BURST];
		uint16_t n = read_kernel(host, frames, BURST);
		uint16_t sent = 0;

		pthread_mutex_lock(&host->port_lock);
		if (!host->port_away && n > 0)
			sent = rte_eth_tx_burst(host->port_id, TX_QUEUE, frames, n);
		pthread_mutex_unlock(&host->port_lock);
		if (sent < n)
			rte_pktmbuf_free_bulk(&frames[sent], n - sent);
		mt_count(&host->counters.from_kernel, sent);
		mt_count(&host->counters.from_kernel_drops, n - sent);
		done += n;
		if (n < BURST)
			return;
	}
}

/* Until the kernel has something to send, or for a millisecond. An interface that is gone is always
 * "ready": then the clock alone wakes. */
static void wait_for_kernel(struct mt_host_pump *pump)
{
	struct pollfd fds[16];
	unsigned count = 0;
	bool gone = false;

	for (unsigned h = 0; h < pump->count; h++) {
		if (pump->hosts[h]->backend == MT_HOST_TAP)
			fds[count++] =
				(struct pollfd){.fd = pump->hosts[h]->tap.fds[0], .events = POLLIN};
	}
	poll(fds, count, WAKE_MS);
	for (unsigned f = 0; f < count; f++)
		gone |= (fds[f].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
	if (gone)
		nanosleep(&(struct timespec){.tv_nsec = WAKE_MS * 1000000}, NULL);
}

static void *pump_run(void *arg)
{
	struct mt_host_pump *pump = arg;
	double last = mt_monotonic_seconds();

	while (!atomic_load_explicit(&pump->stop, memory_order_relaxed)) {
		double now, seconds;

		wait_for_kernel(pump);
		now = mt_monotonic_seconds();
		seconds = now - last;
		last = now;
		for (unsigned h = 0; h < pump->count; h++) {
			struct mt_host *host = pump->hosts[h];

			host->tokens += seconds * host->rate_pps;
			if (host->tokens > TOKENS_MAX)
				host->tokens = TOKENS_MAX;
			pump_to_kernel(host);
			pump_from_kernel(host);
		}
	}
	return NULL;
}

int mt_host_pump_start(struct mt_host_pump *pump)
{
	int rc;

	if (pump->count == 0)
		return 0;
	rc = pthread_create(&pump->thread, NULL, pump_run, pump);
	if (rc == 0) {
		pthread_setname_np(pump->thread, "mt-host-pump");
		pump->running = true;
	}
	return -rc;
}

void mt_host_pump_stop(struct mt_host_pump *pump)
{
	if (!pump->running)
		return;
	atomic_store_explicit(&pump->stop, true, memory_order_relaxed);
	pthread_join(pump->thread, NULL);
	pump->running = false;
}
