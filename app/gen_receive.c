/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_receive.h"

#include <inttypes.h>
#include <stdio.h>

#include <rte_ethdev.h>
#include <rte_pause.h>

#include "gen_eal.h"
#include "output/monotonic.h"
#include "stop.h"

enum {
	BURST = 64,
	SEGMENT = 2048, /* of long frames that a port spreads over several buffers */
};

static const uint64_t NS_PER_SECOND = 1000000000;

void gen_receiver_take(
	struct gen_receiver *receiver, const struct rte_mbuf *frame, uint64_t time_ns)
{
	struct gen_mark mark;

	receiver->frames++;
	receiver->bytes += frame->pkt_len;
	if (gen_mark_find(frame, &receiver->tunnels, &mark))
		gen_account_take(&receiver->account, &mark, time_ns);
	else
		receiver->unmarked++;
}

bool gen_receiver_goes_on(struct gen_receiver *receiver)
{
	const struct gen_options *options = receiver->options;
	const struct gen_account *account = &receiver->account;
	uint64_t now_ns = mt_monotonic_ns();
	char more[128] = "";

	if (account->marked != receiver->new_marks) {
		receiver->new_marks = account->marked;
		receiver->last_ns = now_ns;
		if (receiver->first_ns == 0)
			receiver->first_ns = now_ns;
	}
	if (now_ns - receiver->progress.last_ns >= NS_PER_SECOND)
		snprintf(more, sizeof(more),
			", %" PRIu64 " lost, %" PRIu64 " duplicated, %" PRIu64 " reordered",
			gen_account_lost(account, 0), account->duplicated, account->reordered);
	gen_progress_show(&receiver->progress, now_ns, receiver->frames, receiver->bytes, more);
	if (stop_wanted()
		|| (options->expect != 0 && options->idle_seconds <= 0
			&& account->unique >= options->expect))
		return false;
	if (options->limits.seconds > 0
		&& (double)(now_ns - receiver->progress.start_ns) >= options->limits.seconds * 1e9)
		return false;
	return options->idle_seconds <= 0 || receiver->first_ns == 0
		|| (double)(now_ns - receiver->last_ns) < options->idle_seconds * 1e9;
}

/* --- a port --- */

static void receive_burst(
	struct gen_receiver *receiver, const struct gen_port *port, uint16_t queue)
{
	struct rte_mbuf *frames[BURST];
	uint16_t count = rte_eth_rx_burst(port->device.id, queue, frames, BURST);
	uint64_t time_ns;

	if (count == 0)
		return;
	time_ns = gen_realtime_ns();
	for (uint16_t i = 0; i < count; i++)
		gen_receiver_take(receiver, frames[i], time_ns);
	rte_pktmbuf_free_bulk(frames, count);
}

bool gen_receive_port(struct gen_receiver *receiver)
{
	struct rte_eth_stats stats;
	struct gen_port port;

	if (!gen_port_open(&port, receiver->options, true, SEGMENT))
		return false;
	gen_progress_start(&receiver->progress, "received", receiver->options->quiet);
	while (gen_receiver_goes_on(receiver)) {
		for (uint16_t q = 0; q < port.device.rx_queues; q++)
			receive_burst(receiver, &port, q);
	}
	if (rte_eth_stats_get(port.device.id, &stats) == 0)
		receiver->missed = stats.imissed + stats.rx_nombuf;
	gen_port_close(&port);
	return true;
}

/* --- all of it --- */

static bool receive_from(struct gen_receiver *receiver)
{
	if (receiver->options->output != NULL)
		return gen_receive_ring(receiver);
	if (receiver->options->device != NULL)
		return gen_receive_port(receiver);
	return gen_receive_pcap(receiver);
}

static bool check_end(const struct gen_receiver *receiver)
{
	uint64_t expected = receiver->options->expect;

	if (receiver->cut_off) {
		gen_complain("mirrortapd has ended; this is what had come until then");
		return false;
	}
	if (expected == 0 || receiver->account.unique == expected)
		return true;
	gen_complain("%" PRIu64 " marked packets were expected, %" PRIu64 " have come", expected,
		receiver->account.unique);
	return false;
}

bool gen_receive(const struct gen_options *options)
{
	struct gen_receiver receiver = {
		.options = options, .tunnels = gen_tunnels(&options->spec.ends)};
	bool fine;

	if (!gen_account_begin(&receiver.account, options->per_flow)) {
		gen_complain("out of memory");
		return false;
	}
	fine = receive_from(&receiver);
	if (fine)
		fine = gen_report_received(&receiver) && check_end(&receiver);
	gen_account_end(&receiver.account);
	return fine;
}
