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
#include "output/release.h"
#include "output/tap.h"

struct tap_output {
	struct mt_tap device;
	struct mt_vni_map *vlans; /* NULL: none */
	bool seen;                /* in error in the round before; control only */
};

static void tap_close(struct mt_output *output)
{
	struct tap_output *tap = output->private;

	mt_tap_close(&tap->device);
	free(tap->vlans);
	free(tap);
}

static void take_error(struct mt_output *output)
{
	struct tap_output *tap = output->private;

	snprintf(output->error, sizeof(output->error), "%s", tap->device.error);
}

static int tap_open(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct tap_output *tap = calloc(1, sizeof(*tap));
	int rc;

	if (tap == NULL)
		return -ENOMEM;
	output->private = tap;
	tap->device.mtu = settings->mtu;
	tap->device.queues = settings->queues;
	tap->device.silent = true;
	snprintf(tap->device.interface, sizeof(tap->device.interface), "%s", settings->interface);
	if (settings->vlans_count > 0) {
		tap->vlans = mt_vni_map_create(settings->vlans, settings->vlans_count);
		if (tap->vlans == NULL) {
			free(tap);
			return -ENOMEM;
		}
	}
	rc = mt_tap_open(&tap->device);
	if (rc < 0) {
		take_error(output);
		free(tap->vlans);
		free(tap);
	}
	return rc;
}

static void tap_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	const struct mt_vni_map *vlans = ((struct tap_output *)output->private)->vlans;
	struct mt_tap *tap = &((struct tap_output *)output->private)->device;
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
		error = mt_tap_put(tap, fd, vlans, frames[i]);
		if (error == 0) {
			delivered++;
			bytes += frames[i]->pkt_len;
		} else {
			drops[mt_tap_drop_reason(output, error)]++;
		}
	}
	mt_commit_begin(&q->commit);
	mt_count(&q->counts.offered, count);
	mt_count(&q->counts.delivered, delivered);
	mt_count(&q->counts.delivered_bytes, bytes);
	for (unsigned r = 0; delivered < count && r < MT_OUTPUT_DROP_COUNT; r++)
		mt_count(&q->counts.drops[r], drops[r]);
	mt_commit_end(&q->commit);
	mt_release(frames, count);
}

static void tap_maintain(struct mt_output *output)
{
	struct tap_output *tap = output->private;
	int problem = mt_tap_check(&tap->device);

	if (problem == 0) {
		tap->seen = false;
		atomic_store_explicit(&output->state, MT_OUTPUT_UP, memory_order_relaxed);
		return;
	}
	take_error(output);
	mt_output_fail(output);
	/* In error for one round at least, whoever noticed it first, so that it can be seen. */
	if (!tap->seen) {
		tap->seen = true;
		return;
	}
	if (mt_tap_mend(&tap->device, problem) < 0) {
		take_error(output);
		return;
	}
	tap->seen = false;
	atomic_store_explicit(&output->state, MT_OUTPUT_UP, memory_order_relaxed);
}

const struct mt_output_ops mt_output_tap = {
	.type = "tap",
	.open = tap_open,
	.send = tap_send,
	.maintain = tap_maintain,
	.close = tap_close,
};
