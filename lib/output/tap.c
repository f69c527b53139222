/* SPDX-License-Identifier: BSD-3-Clause */
/* TAP: a kernel interface on which any tool sees the inner frames.
 *
 * Written with bare writes to /dev/net/tun instead of through DPDK's net_tap: a write per frame is
 * all that net_tap does too, but an interface that was deleted under it cannot be had back without
 * unplugging a port that workers are using, and its transmit stops at the first frame that is too
 * long. Here each queue is one file descriptor, in the order of the kernel's queues, so that
 * AF_PACKET fanout by queue (PACKET_FANOUT_QM) keeps conversations together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "output/output.h"
#include "output/tap_device.h"

enum {
	ETHERNET_OVERHEAD = 14 + 8, /* header and two VLAN tags, which an MTU does not count */
};

static void tap_close(struct mt_output *output)
{
	mt_tap_close(output->private);
	free(output->private);
}

static void take_error(struct mt_output *output)
{
	struct mt_tap *tap = output->private;

	snprintf(output->error, sizeof(output->error), "%s", tap->error);
}

static int tap_open(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct mt_tap *tap = calloc(1, sizeof(*tap));
	int rc;

	if (tap == NULL)
		return -ENOMEM;
	output->private = tap;
	tap->mtu = settings->mtu;
	tap->queues = settings->queues;
	tap->silent = true;
	snprintf(tap->interface, sizeof(tap->interface), "%s", settings->interface);
	rc = mt_tap_open(tap);
	if (rc < 0) {
		take_error(output);
		free(tap);
	}
	return rc;
}

static enum mt_output_drop drop_reason(struct mt_output *output, int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return MT_OUTPUT_DROP_FULL;
	case EMSGSIZE:
	case EINVAL:
		return MT_OUTPUT_DROP_TOO_LONG;
	default:
		mt_output_fail(output);
		return MT_OUTPUT_DROP_ERROR;
	}
}

static void tap_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct mt_tap *tap = output->private;
	struct mt_output_queue *q = &output->per_queue[queue];
	uint16_t drops[MT_OUTPUT_DROP_COUNT] = {0};
	uint16_t delivered = 0;
	uint64_t bytes = 0;
	int fd = tap->fds[queue];

	for (uint16_t i = 0; i < count; i++) {
		int error;

		/* One failed write says it for the rest of the burst. */
		if (drops[MT_OUTPUT_DROP_ERROR] > 0) {
			drops[MT_OUTPUT_DROP_ERROR]++;
			continue;
		}
		if (frames[i]->pkt_len > tap->mtu + ETHERNET_OVERHEAD) {
			drops[MT_OUTPUT_DROP_TOO_LONG]++;
			continue;
		}
		error = mt_tap_write(fd, frames[i]);
		if (error == 0) {
			delivered++;
			bytes += frames[i]->pkt_len;
		} else {
			drops[drop_reason(output, error)]++;
		}
	}
	mt_commit_begin(&q->commit);
	mt_count(&q->counts.offered, count);
	mt_count(&q->counts.delivered, delivered);
	mt_count(&q->counts.delivered_bytes, bytes);
	for (unsigned r = 0; delivered < count && r < MT_OUTPUT_DROP_COUNT; r++)
		mt_count(&q->counts.drops[r], drops[r]);
	mt_commit_end(&q->commit);
	rte_pktmbuf_free_bulk(frames, count);
}

static void tap_maintain(struct mt_output *output)
{
	struct mt_tap *tap = output->private;
	int problem;

	problem = mt_tap_check(tap);
	if (problem < 0) {
		take_error(output);
		/* Seen in error for one round at least, so that an operator can notice. */
		if (atomic_load_explicit(&output->state, memory_order_relaxed) == MT_OUTPUT_UP) {
			mt_output_fail(output);
			return;
		}
		if (mt_tap_mend(tap, problem) < 0) {
			take_error(output);
			return;
		}
	}
	atomic_store_explicit(&output->state, MT_OUTPUT_UP, memory_order_relaxed);
}

const struct mt_output_ops mt_output_tap = {
	.type = "tap",
	.open = tap_open,
	.send = tap_send,
	.maintain = tap_maintain,
	.close = tap_close,
};
