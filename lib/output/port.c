/* SPDX-License-Identifier: BSD-3-Clause */
/* Port: inner frames go out of another DPDK device: memif, vhost-user, a NIC, a capture file of
 * net_pcap.
 *
 * Each queue has a transmit queue of its own where the device has that many. Where it has fewer,
 * queues share one. It then has one sender, the worker that owns the lowest of these queues; other
 * workers set their frames aside in a single-producer ring for it. So no worker takes a lock.
 *
 * A device that asks to be reset, is unplugged or has lost its memif peer is `away`: the workers
 * leave it, what they would have sent is dropped and counted as an error, and the control thread
 * sees to its return (port_life.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "output/port.h"
#include "output/vlan.h"

enum {
	TX_DESCRIPTORS = 1024,
	ASIDE_LENGTH = 1024, /* frames that a queue may have set aside */
	BURST = 64,
	COPY_BUFFERS = 1023, /* for devices that take no chained frames */
	IDLE_DESCRIPTORS = 256,
	IDLE_BUFFERS = 511, /* for one receive queue, which is never polled */
};

static void port_close(struct mt_output *output)
{
	struct mt_port_output *port = output->private;
	struct rte_eth_dev_info info = {0};

	if (port->device.driver[0] != '\0') {
		rte_eth_dev_info_get(port->device.id, &info);
		mt_ethdev_forget(&port->device, &port->life);
	}
	mt_port_end(output);
	/* Out of DPDK, so that an output can have the device again. */
	if (info.device != NULL)
		mt_ethdev_take_out(info.device);
	for (uint16_t q = 0; q < output->queues; q++)
		rte_ring_free(port->queues[q].aside);
	rte_mempool_free(port->copies);
	free(port->vlans);
	rte_mempool_free(port->idle);
	free(port->device_string);
	rte_free(port);
}

static int share_tx_queues(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct mt_port_output *port = output->private;
	char name[RTE_RING_NAMESIZE];

	for (uint16_t q = 0; q < output->queues; q++) {
		struct mt_port_queue *queue = &port->queues[q];

		queue->tx_queue = q % port->tx_queues;
		queue->home = queue->tx_queue;
		if (settings->queue_worker[q] == settings->queue_worker[queue->home])
			continue;
		snprintf(name, sizeof(name), "mti_a_%.15s_%u", output->name, q % 1000);
		queue->aside = rte_ring_create(name, ASIDE_LENGTH, settings->queue_node[q],
			RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
		if (queue->aside == NULL)
			return -rte_errno;
	}
	return 0;
}

/* Receive queues are not polled, but some devices must have them, and fill them. */
static int create_idle_pool(struct mt_port_output *port, const char *output_name, uint16_t queues)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	uint32_t buffers, room;

	mt_ethdev_own_buffers(&port->device, queues, &buffers, &room);
	snprintf(name, sizeof(name), "mt_idle_%s", output_name);
	port->idle = rte_pktmbuf_pool_create(name, buffers + IDLE_BUFFERS * queues, 0, 0,
		RTE_MAX(room, (uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE), port->device.numa_node);
	return port->idle == NULL ? -rte_errno : 0;
}

static int create_copy_pool(struct mt_port_output *port, const char *output_name)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "mt_copies_%s", output_name);
	port->copies = rte_pktmbuf_pool_create(
		name, COPY_BUFFERS, 0, 0, MT_PORT_COPY_LENGTH, port->device.numa_node);
	return port->copies == NULL ? -rte_errno : 0;
}

static int start_device(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct mt_port_output *port = output->private;
	struct mt_ethdev_request *request = &port->request;
	int rc;

	*request = (struct mt_ethdev_request){
		.rx_queues = 1, /* memif and vhost count queue pairs */
		.rx_descriptors = IDLE_DESCRIPTORS,
		.tx_descriptors = TX_DESCRIPTORS,
		.mtu = MT_PORT_MTU,
	};
	rc = mt_ethdev_probe(
		port->device_string, &port->device, output->error, sizeof(output->error));
	if (rc < 0)
		return rc;
	request->tx_queues = settings->tx_queues > 0
		? RTE_MIN(settings->tx_queues, settings->queues)
		: mt_ethdev_default_tx_queues(&port->device, settings->queues);
	rc = create_idle_pool(port, output->name, request->tx_queues);
	if (rc < 0)
		return rc;
	request->pool = port->idle;
	port->memif = mt_ethdev_is_memif(&port->device);
	rc = mt_ethdev_start(&port->device, request, output->error, sizeof(output->error));
	/* Who connects must have its peer first. That it comes later is seen by a link that is
	 * down. */
	if (rc < 0 && (!mt_ethdev_connects(&port->device) || port->device.tx_queues == 0))
		return rc;
	if (port->device.tx_queues == 0) {
		snprintf(output->error, sizeof(output->error),
			"device \"%s\" can't send; give it a transmit side", settings->device);
		return -ENOTSUP;
	}
	port->tx_queues = port->device.tx_queues;
	if (settings->vlans_count > 0) {
		port->vlans = mt_vni_map_create(settings->vlans, settings->vlans_count);
		if (port->vlans == NULL)
			return -ENOMEM;
	}
	mt_port_fit_to_copies(port);
	if (port->device.multi_segment_tx && port->vlans == NULL)
		return 0;
	return create_copy_pool(port, output->name);
}

static int port_open(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct mt_port_output *port =
		rte_zmalloc("mt_output_port", sizeof(*port), RTE_CACHE_LINE_SIZE);
	int rc;

	if (port == NULL)
		return -ENOMEM;
	output->private = port;
	port->synchronize = settings->synchronize;
	port->synchronize_context = settings->synchronize_context;
	port->device_string = strdup(settings->device);
	rc = port->device_string == NULL ? -ENOMEM : start_device(output, settings);
	if (rc == 0)
		rc = share_tx_queues(output, settings);
	if (rc < 0) {
		port_close(output);
		return rc;
	}
	output->life = &port->life;
	mt_ethdev_watch(&port->device, &port->life);
	mt_port_begin(output); /* a peer may be away from the start */
	return 0;
}

/* --- sending, in the workers ------------------------------------------------------------------ */

/* One segment where the device can't take more. Takes over `frame`; NULL: no buffer left. */
static struct rte_mbuf *unchain(struct mt_port_output *port, struct rte_mbuf *frame)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(frame, port->copies, 0, UINT32_MAX);

	rte_pktmbuf_free(frame);
	return copy;
}

/* With a VLAN tag, if its VNI has one: in a copy, because others may have the frame too. Takes over
 * `frame`; NULL: no buffer left. */
static struct rte_mbuf *tag(struct mt_port_output *port, struct rte_mbuf *frame)
{
	int32_t vlan = mt_vlan_of(port->vlans, frame);
	uint8_t *bytes;

	if (vlan == MT_VNI_MAP_NONE)
		return frame;
	frame = unchain(port, frame);
	if (frame == NULL)
		return NULL;
	bytes = (uint8_t *)rte_pktmbuf_prepend(frame, MT_VLAN_TAG);
	if (bytes == NULL) { /* not with the headroom that the pool has */
		rte_pktmbuf_free(frame);
		return NULL;
	}
	memmove(bytes, bytes + MT_VLAN_TAG, MT_VLAN_AT);
	mt_vlan_write(bytes + MT_VLAN_AT, vlan);
	return frame;
}

/* What became of one burst. */
struct outcome {
	uint16_t sent;
	uint16_t drops[MT_OUTPUT_DROP_COUNT];
	uint64_t bytes;
};

/* Sends what the device takes, frees the rest. At most BURST frames. */
static void transmit(struct mt_output *output, uint16_t tx_queue, struct rte_mbuf **frames,
	uint16_t count, struct outcome *outcome)
{
	struct mt_port_output *port = output->private;
	struct rte_mbuf *burst[BURST];
	uint32_t lengths[BURST];
	uint16_t ready = 0;

	*outcome = (struct outcome){0};
	if (unlikely(atomic_load_explicit(&port->away, memory_order_acquire))) {
		rte_pktmbuf_free_bulk(frames, count);
		outcome->drops[MT_OUTPUT_DROP_ERROR] = count;
		return;
	}
	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *frame = frames[i];

		if (unlikely(frame->pkt_len > port->device.max_tx_bytes)) {
			outcome->drops[MT_OUTPUT_DROP_TOO_LONG]++;
			rte_pktmbuf_free(frame);
			continue;
		}
		if (unlikely(port->vlans != NULL))
			frame = tag(port, frame);
		if (unlikely(frame != NULL && frame->nb_segs > 1 && !port->device.multi_segment_tx))
			frame = unchain(port, frame);
		if (unlikely(frame == NULL)) {
			outcome->drops[MT_OUTPUT_DROP_NO_BUFFER]++;
			continue;
		}
		lengths[ready] = frame->pkt_len;
		burst[ready++] = frame;
	}
	outcome->sent = rte_eth_tx_burst(port->device.id, tx_queue, burst, ready);
	for (uint16_t i = 0; i < outcome->sent; i++)
		outcome->bytes += lengths[i];
	if (likely(outcome->sent == ready))
		return;
	rte_pktmbuf_free_bulk(&burst[outcome->sent], ready - outcome->sent);
	/* A peer that is away is no slow reader. */
	if (atomic_load_explicit(&output->state, memory_order_relaxed) == MT_OUTPUT_ERROR)
		outcome->drops[MT_OUTPUT_DROP_ERROR] += ready - outcome->sent;
	else
		outcome->drops[MT_OUTPUT_DROP_FULL] += ready - outcome->sent;
}

static void count_outcome(struct mt_output_queue *queue, uint16_t offered, uint16_t count,
	const struct outcome *outcome)
{
	mt_commit_begin(&queue->commit);
	mt_count(&queue->counts.offered, offered);
	mt_count(&queue->counts.delivered, outcome->sent);
	mt_count(&queue->counts.delivered_bytes, outcome->bytes);
	for (unsigned r = 0; outcome->sent < count && r < MT_OUTPUT_DROP_COUNT; r++)
		mt_count(&queue->counts.drops[r], outcome->drops[r]);
	mt_commit_end(&queue->commit);
}

static void set_aside(struct mt_port_queue *queue, struct mt_output_queue *q,
	struct rte_mbuf **frames, uint16_t count)
{
	unsigned set;

	/* Within the commit, so that the sender is never seen to be ahead. */
	mt_commit_begin(&q->commit);
	set = rte_ring_enqueue_burst(queue->aside, (void **)frames, count, NULL);
	mt_count(&q->counts.offered, count);
	mt_count(&q->counts.delivered, set);
	if (set < count)
		mt_count(&q->counts.drops[MT_OUTPUT_DROP_FULL], count - set);
	mt_commit_end(&q->commit);
	if (set < count)
		rte_pktmbuf_free_bulk(&frames[set], count - set);
}

static void port_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct mt_port_output *port = output->private;
	struct mt_port_queue *from = &port->queues[queue];

	if (from->aside != NULL) {
		set_aside(from, &output->per_queue[queue], frames, count);
		return;
	}
	while (count > 0) {
		uint16_t n = RTE_MIN(count, BURST);
		struct outcome outcome;

		transmit(output, from->tx_queue, frames, n, &outcome);
		count_outcome(&output->per_queue[queue], n, n, &outcome);
		frames += n;
		count -= n;
	}
}

/* One burst that another queue's owner set aside. Returns how many frames it had. */
static uint16_t send_aside(struct mt_output *output, struct mt_port_queue *from)
{
	struct rte_mbuf *frames[BURST];
	uint16_t n = rte_ring_dequeue_burst(from->aside, (void **)frames, BURST, NULL);
	struct outcome outcome;

	if (n > 0) {
		transmit(output, from->tx_queue, frames, n, &outcome);
		count_outcome(&from->sent, 0, n, &outcome);
	}
	return n;
}

static uint16_t port_poll(struct mt_output *output, uint16_t queue)
{
	struct mt_port_output *port = output->private;
	uint16_t count = 0;

	if (queue >= port->tx_queues)
		return 0; /* never a home */
	for (uint16_t q = queue + port->tx_queues; q < output->queues; q += port->tx_queues) {
		if (port->queues[q].aside != NULL)
			count += send_aside(output, &port->queues[q]);
	}
	return count;
}

static void port_read(struct mt_output *output, uint16_t queue, struct mt_output_counts *counts,
	uint64_t *in_flight)
{
	struct mt_port_output *port = output->private;
	struct mt_port_queue *from = &port->queues[queue];
	struct mt_output_queue *q = &output->per_queue[queue];
	struct mt_output_counts sent = {0};

	/* What was sent first, then what was set aside, so that the difference is not negative. */
	if (from->aside != NULL)
		mt_commit_read(&from->sent.commit, (uint64_t *)&sent,
			(const uint64_t *)&from->sent.counts, sizeof(sent));
	mt_commit_read(
		&q->commit, (uint64_t *)counts, (const uint64_t *)&q->counts, sizeof(*counts));
	if (from->aside == NULL)
		return;
	*in_flight = counts->delivered - sent.delivered;
	for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++) {
		*in_flight -= sent.drops[r];
		counts->drops[r] += sent.drops[r];
	}
	counts->delivered = sent.delivered;
	counts->delivered_bytes = sent.delivered_bytes;
}

/* In control, for which the interrupt thread does not wait as it does for workers: what a memif
 * shares with its peer is unmapped only when the lock was had (leave() in port_life.c). */
static uint16_t flush_some(struct mt_output *output, struct mt_port_queue *from)
{
	struct mt_port_output *port = output->private;
	uint16_t count;

	pthread_mutex_lock(&port->lock);
	count = send_aside(output, from);
	pthread_mutex_unlock(&port->lock);
	return count;
}

static void port_flush(struct mt_output *output)
{
	struct mt_port_output *port = output->private;

	for (uint16_t q = 0; q < output->queues; q++) {
		while (port->queues[q].aside != NULL && flush_some(output, &port->queues[q]) > 0)
			continue;
	}
}

const struct mt_output_ops mt_output_port = {
	.type = "port",
	.open = port_open,
	.send = port_send,
	.poll = port_poll,
	.maintain = mt_port_maintain,
	.read = port_read,
	.flush = port_flush,
	.close = port_close,
};
