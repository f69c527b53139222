/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include <rte_pause.h>

#include "consumer/consumer.h"
#include "output/monotonic.h"

enum {
	BUSY_POLLS = 2000,
	MIN_NAP_NS = 1000,
	MAX_NAP_NS = 100000,
	NAPS_NS = 5000000, /* naps altogether, before it sleeps */
};

static const long NS_PER_MS = 1000000;

static bool has_frames(const struct mirrortap_queue *queue)
{
	return atomic_load_explicit(&queue->area->head, memory_order_acquire)
		!= atomic_load_explicit(&queue->area->taken, memory_order_relaxed);
}

static bool any_frames(struct mirrortap_queue *const *queues, unsigned count)
{
	for (unsigned q = 0; q < count; q++)
		if (has_frames(queues[q]))
			return true;
	return false;
}

static bool is_closing(struct mirrortap_queue *queue)
{
	if (atomic_load_explicit(&queue->area->closing, memory_order_relaxed) != 0)
		queue->consumer->closing = true;
	return queue->consumer->closing;
}

int mirrortap_fd(const struct mirrortap_queue *queue)
{
	return queue->wake_fd;
}

int mirrortap_daemon_fd(const struct mirrortap_consumer *consumer)
{
	return consumer->fd;
}

int mirrortap_arm(struct mirrortap_queue *queue)
{
	queue->armed = true;
	atomic_store(&queue->area->sleeping, 1); /* before it looks: no frame is missed */
	if (atomic_load(&queue->area->head) != atomic_load(&queue->area->taken))
		return 1;
	return is_closing(queue) || mt_consumer_daemon_gone(queue->consumer) ? -ESHUTDOWN : 0;
}

static int sleep_on(struct mirrortap_queue *const *queues, unsigned count, int timeout_ms)
{
	struct pollfd polled[MT_RING_MAX_QUEUES + 1];
	int result = 0;

	for (unsigned q = 0; q < count && result == 0; q++) {
		polled[q] = (struct pollfd){.fd = queues[q]->wake_fd, .events = POLLIN};
		result = mirrortap_arm(queues[q]);
	}
	if (result != 0)
		return result;
	polled[count] = (struct pollfd){.fd = queues[0]->consumer->fd, .events = POLLIN};
	poll(polled, count + 1, timeout_ms);
	if (any_frames(queues, count))
		return 1;
	for (unsigned q = 0; q < count; q++)
		if (is_closing(queues[q]))
			return -ESHUTDOWN;
	return mt_consumer_daemon_gone(queues[0]->consumer) ? -ESHUTDOWN : 0;
}

static int wait_for(struct mirrortap_queue *const *queues, unsigned count, int timeout_ms)
{
	uint64_t begin;
	long nap = MIN_NAP_NS;

	for (unsigned n = 0; n < BUSY_POLLS; n++) {
		if (any_frames(queues, count))
			return 1;
		rte_pause();
	}
	begin = mt_monotonic_ns();
	for (;;) {
		uint64_t gone = mt_monotonic_ns() - begin;

		if (any_frames(queues, count))
			return 1;
		if (timeout_ms >= 0 && gone >= (uint64_t)timeout_ms * (uint64_t)NS_PER_MS)
			return 0;
		if (gone >= NAPS_NS)
			return sleep_on(queues, count,
				timeout_ms < 0 ? -1
					       : timeout_ms - (int)(gone / (uint64_t)NS_PER_MS));
		if (nanosleep(&(struct timespec){.tv_nsec = nap}, NULL) < 0)
			return 0;
		nap = nap * 2 < MAX_NAP_NS ? nap * 2 : MAX_NAP_NS;
	}
}

int mirrortap_wait(struct mirrortap_queue *queue, int timeout_ms)
{
	struct mirrortap_queue *const queues[1] = {queue};

	return wait_for(queues, 1, timeout_ms);
}

int mirrortap_wait_any(struct mirrortap_consumer *consumer, int timeout_ms)
{
	return wait_for(consumer->queues, consumer->queues_count, timeout_ms);
}
