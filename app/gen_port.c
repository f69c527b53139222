/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending to a port of DPDK: one core, a burst at a time. */
#include <stdio.h>
#include <time.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include "gen_eal.h"
#include "gen_send.h"
#include "output/monotonic.h"
#include "stop.h"

enum {
	BURST = 32,
	END_TRIES = 100, /* for frames that the port does not take when the end is wanted */
	END_PAUSE_NS = 1000000,
	MIN_SLEEP_NS = 200000, /* a shorter time is waited for busily */
	WAKE_EARLY_NS = 100000,
	HELD_UP_NS = 20000000, /* who is so late does not catch up in one burst */
	LINGER_NS = 300000000,
};

struct sender {
	const struct gen_options *options;
	struct gen_traffic *traffic;
	struct gen_result *result;
	struct gen_port port;
	struct gen_pace pace;
	struct gen_progress progress;
	uint64_t start_ns; /* monotonic */
	uint64_t end_ns;
};

static void fill_buffer(struct rte_mempool *pool, void *opaque, void *object, unsigned index)
{
	struct rte_mbuf *frame = object;

	(void)opaque;
	(void)index;
	gen_traffic_fill((uint8_t *)frame->buf_addr + RTE_PKTMBUF_HEADROOM,
		rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM);
}

static void show_progress(struct sender *sender, uint64_t now_ns)
{
	const struct gen_counts *counts = gen_traffic_counts(sender->traffic);

	gen_progress_show(&sender->progress, now_ns, counts->frames, counts->bytes, "");
}

/* Between two tries to send. False when the end is wanted, and has been waited for. */
static bool wait_for_port(struct sender *sender, unsigned *tries)
{
	uint64_t now_ns = mt_monotonic_ns();

	sender->result->waits++;
	show_progress(sender, now_ns);
	if (!stop_wanted() && now_ns < sender->end_ns) {
		rte_pause();
		return true;
	}
	nanosleep(&(struct timespec){.tv_nsec = END_PAUSE_NS}, NULL);
	return ++*tries <= END_TRIES;
}

/* A port that is full is waited for: what was made is numbered, and shall not be lost here. */
static unsigned transmit(struct sender *sender, struct rte_mbuf **frames, unsigned count)
{
	unsigned sent = rte_eth_tx_burst(sender->port.device.id, 0, frames, (uint16_t)count);
	unsigned tries = 0;

	while (sent < count && wait_for_port(sender, &tries))
		sent += rte_eth_tx_burst(
			sender->port.device.id, 0, frames + sent, (uint16_t)(count - sent));
	if (sent < count) {
		sender->result->not_sent += count - sent;
		rte_pktmbuf_free_bulk(frames + sent, count - sent);
	}
	return sent;
}

/* Makes and sends `count` frames. False if there are no buffers: the port holds all of them. */
static bool send_burst(struct sender *sender, unsigned count)
{
	struct rte_mbuf *frames[BURST];
	struct gen_next next[BURST];
	struct gen_made made[BURST];
	uint64_t time_ns;
	unsigned sent;

	if (rte_pktmbuf_alloc_bulk(sender->port.pool, frames, count) != 0)
		return false;
	gen_traffic_choose(sender->traffic, next, count);
	for (unsigned i = 0; i < count; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	time_ns = gen_realtime_ns();
	for (unsigned i = 0; i < count; i++) {
		made[i] = gen_traffic_write(
			sender->traffic, &next[i], rte_pktmbuf_mtod(frames[i], uint8_t *), time_ns);
		frames[i]->pkt_len = made[i].length;
		frames[i]->data_len = (uint16_t)made[i].length;
		gen_pace_add(&sender->pace, made[i].length);
	}
	sent = transmit(sender, frames, count);
	for (unsigned i = sent; i < count; i++)
		gen_traffic_take_back(sender->traffic, &made[i]);
	return true;
}

/* How many frames are due at `now_ns`; waits a while if none is. */
static unsigned due(struct sender *sender, uint64_t now_ns, uint64_t left)
{
	double early = (double)sender->start_ns + sender->pace.due_ns - (double)now_ns;

	if (early > 0) {
		if (early > MIN_SLEEP_NS) {
			early = RTE_MIN(early - WAKE_EARLY_NS, 50e6);
			nanosleep(&(struct timespec){.tv_nsec = (long)early}, NULL);
		}
		return 0;
	}
	if (sender->pace.ns_per_frame > 0)
		left = RTE_MIN(left, (uint64_t)(-early / sender->pace.ns_per_frame) + 1);
	else if (sender->pace.ns_per_byte > 0)
		left = 1; /* what the next one costs is not known yet */
	else
		return (unsigned)RTE_MIN(left, (uint64_t)BURST);
	if (-early > HELD_UP_NS) {
		sender->result->behind += -early / 1e9;
		sender->pace.due_ns -= early;
	}
	return (unsigned)RTE_MIN(left, (uint64_t)BURST);
}

static void send_all(struct sender *sender)
{
	const struct gen_limits *limits = &sender->options->limits;
	const struct gen_counts *counts = gen_traffic_counts(sender->traffic);
	uint64_t count = limits->count != 0 ? limits->count : UINT64_MAX;
	uint64_t now_ns;

	gen_progress_start(&sender->progress, "sent", sender->options->quiet);
	now_ns = sender->start_ns = sender->progress.start_ns;
	sender->end_ns = UINT64_MAX;
	if (limits->seconds > 0)
		sender->end_ns = now_ns + (uint64_t)(limits->seconds * 1e9);
	while (!stop_wanted() && counts->frames < count && now_ns < sender->end_ns) {
		unsigned burst = due(sender, now_ns, count - counts->frames);

		/* A driver may free what it has sent only when it is called. */
		if (burst > 0 && !send_burst(sender, burst)) {
			sender->result->waits++;
			rte_eth_tx_done_cleanup(sender->port.device.id, 0, 0);
			rte_eth_tx_burst(sender->port.device.id, 0, NULL, 0);
		}
		now_ns = mt_monotonic_ns();
		show_progress(sender, now_ns);
	}
	sender->result->seconds = (double)(now_ns - sender->start_ns) / 1e9;
}

static bool check_lengths(const struct sender *sender)
{
	uint32_t longest = gen_traffic_longest(sender->traffic);

	if (longest <= sender->port.device.max_tx_bytes)
		return true;
	gen_complain(
		"device \"%s\": frames of up to %u bytes are wanted, with their tunnel, and it "
		"sends up to %u; make --size smaller, or its MTU (framesz= of net_af_packet) "
		"larger",
		sender->options->device, longest, sender->port.device.max_tx_bytes);
	return false;
}

bool gen_send_port(
	const struct gen_options *options, struct gen_traffic *traffic, struct gen_result *result)
{
	struct sender sender = {.options = options, .traffic = traffic, .result = result};
	bool fine;

	sender.pace = gen_pace_make(&options->limits);
	if (!gen_port_open(&sender.port, options, false, gen_traffic_room(traffic)))
		return false;
	fine = check_lengths(&sender);
	if (fine) {
		rte_mempool_obj_iter(sender.port.pool, fill_buffer, NULL);
		send_all(&sender);
		/* What lies in a NIC's or memif's ring is lost when the port is closed, and no
		 * driver of those says when its peer has taken it. */
		nanosleep(&(struct timespec){.tv_nsec = LINGER_NS}, NULL);
	}
	gen_port_close(&sender.port);
	return fine;
}
