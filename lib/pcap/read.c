/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames out of the ring into a program's function: a burst of one queue, then of the next. */
#include <errno.h>
#include <stdio.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include "output/monotonic.h"
#include "pcap/handle.h"

enum {
	AHEAD = 4,          /* frames whose bytes are fetched before they are wanted */
	A_BUFFER = 4096,    /* frames, where a program asks for as many as a buffer holds */
	WAIT_STEP_MS = 100, /* after which is looked whether pcap_breakloop() was called */
};

static const uint64_t NS_PER_SECOND = 1000000000;
static const uint64_t NS_PER_MS = 1000000;
static const uint64_t NS_PER_US = 1000;

/* --- from the ring --- */

void mt_pcap_release(struct mt_pcap *pcap)
{
	if (pcap->count > 0)
		mirrortap_release(pcap->from, pcap->count);
	pcap->count = 0;
	pcap->next = 0;
}

/* A burst of the next queue that has frames. Returns how many; 0: there are none; -ESHUTDOWN: nor
 * will there be. */
static int receive(struct mt_pcap *pcap)
{
	unsigned queues = mirrortap_queues(pcap->consumer);
	unsigned ended = 0;

	mt_pcap_release(pcap);
	for (unsigned n = 0; n < queues; n++) {
		struct mirrortap_queue *queue =
			mirrortap_queue(pcap->consumer, pcap->turn++ % queues);
		int count = mirrortap_receive(queue, pcap->frames, MT_PCAP_BURST);

		if (count > 0) {
			pcap->from = queue;
			pcap->count = (unsigned)count;
			pcap->received += (unsigned)count;
			return count;
		}
		ended += count < 0;
	}
	return ended == queues ? -ESHUTDOWN : 0;
}

/* When the program's timeout is over; 0: there is none. Counted from the first question on, so that
 * who finds frames asks no clock. */
static uint64_t end_of(const struct mt_pcap *pcap, uint64_t *end_ns)
{
	if (*end_ns == 0 && pcap->timeout_ms > 0)
		*end_ns = mt_monotonic_ns() + (uint64_t)pcap->timeout_ms * NS_PER_MS;
	return *end_ns;
}

static bool is_over(const struct mt_pcap *pcap, uint64_t *end_ns)
{
	return end_of(pcap, end_ns) != 0 && mt_monotonic_ns() >= *end_ns;
}

static void wait_for_frames(struct mt_pcap *pcap, uint64_t *end_ns)
{
	int step_ms = WAIT_STEP_MS;

	if (end_of(pcap, end_ns) != 0) {
		uint64_t now_ns = mt_monotonic_ns();
		uint64_t left_ms = now_ns < *end_ns ? (*end_ns - now_ns) / NS_PER_MS + 1 : 0;

		if (left_ms < WAIT_STEP_MS)
			step_ms = (int)left_ms;
	}
	mirrortap_wait_any(pcap->consumer, step_ms);
}

/* --- to the program --- */

static bool has_direction(const struct mt_pcap *pcap, const struct mirrortap_frame *frame)
{
	return pcap->direction == PCAP_D_INOUT
		|| (frame->flags
			   & (pcap->direction == PCAP_D_IN ? MIRRORTAP_INGRESS : MIRRORTAP_EGRESS))
		!= 0;
}

static inline void set_time(const struct mt_pcap *pcap, struct pcap_pkthdr *header, uint64_t ns)
{
	uint64_t rest = ns % NS_PER_SECOND;

	header->ts.tv_sec = (time_t)(ns / NS_PER_SECOND);
	header->ts.tv_usec =
		(suseconds_t)(pcap->precision == PCAP_TSTAMP_PRECISION_NANO ? rest
									    : rest / NS_PER_US);
}

/* Gives the frame to the program if it wants such ones. */
static inline bool give(struct mt_pcap *pcap, const struct mirrortap_frame *frame,
	pcap_handler handler, u_char *user)
{
	struct pcap_pkthdr header;
	const u_char *bytes = frame->data;
	uint32_t length = frame->length;

	if (unlikely(!has_direction(pcap, frame)))
		return false;
	if (unlikely(frame->contiguous < length)) {
		length = length < MT_PCAP_MAX_SNAPLEN ? length : MT_PCAP_MAX_SNAPLEN;
		bytes = mirrortap_frame_read(frame, 0, length, pcap->linear);
		if (bytes == NULL)
			return false; /* its pieces are shorter than it says: a broken daemon */
	}
	header.len = frame->original_length > length ? frame->original_length : length;
	if (pcap->filter.bf_insns != NULL
		&& bpf_filter(pcap->filter.bf_insns, bytes, header.len, length) == 0)
		return false;
	header.caplen = length < (uint32_t)pcap->snaplen ? length : (uint32_t)pcap->snaplen;
	set_time(pcap, &header, frame->time_ns);
	handler(user, &header, bytes);
	return true;
}

static bool is_broken(const struct mt_pcap *pcap)
{
	return atomic_load_explicit(&pcap->broken, memory_order_relaxed);
}

/* Small frames lie in two lines of the cache, mostly. */
static inline void prefetch(const struct mirrortap_frame *frame)
{
	rte_prefetch0(frame->data);
	rte_prefetch0(frame->data + RTE_CACHE_LINE_SIZE);
}

/* Of the burst at hand, until `limit` were given. Returns how many. */
static int give_burst(struct mt_pcap *pcap, int limit, pcap_handler handler, u_char *user)
{
	int given = 0;

	while (pcap->next < pcap->count && given < limit && !is_broken(pcap)) {
		const struct mirrortap_frame *frame = &pcap->frames[pcap->next];

		if (pcap->next + AHEAD < pcap->count)
			prefetch(&frame[AHEAD]);
		pcap->next++; /* before the program's function, which may ask for the next one */
		given += give(pcap, frame, handler, user);
	}
	return given;
}

static int tell_end(struct mt_pcap *pcap)
{
	pcap->ended = true;
	return mt_pcap_fail(
		pcap, PCAP_ERROR, "mirrortapd has ended; start this program again when it is back");
}

/* At least one frame, as long as it may wait for one, and what is there then, up to `limit`.
 * Returns how many, 0 when the time was over, or an error of libpcap's. */
static int read_some(
	struct mt_pcap *pcap, int limit, bool may_wait, pcap_handler handler, u_char *user)
{
	uint64_t end_ns = 0;
	unsigned looked_at = 0;
	int given = 0;

	while (given < limit && !is_broken(pcap)) {
		int count = (int)(pcap->count - pcap->next);

		if (count == 0)
			count = receive(pcap);
		if (count < 0 && given == 0)
			return tell_end(pcap);
		if (count <= 0 && (given > 0 || !may_wait))
			break;
		if (count == 0)
			wait_for_frames(pcap, &end_ns);
		given += give_burst(pcap, limit - given, handler, user);
		looked_at += (unsigned)count;
		/* In the midst of frames that the filter does not want. */
		if (given == 0 && (is_over(pcap, &end_ns) || (!may_wait && looked_at >= A_BUFFER)))
			break;
	}
	if (given == 0 && is_broken(pcap)) {
		atomic_store(&pcap->broken, false);
		return PCAP_ERROR_BREAK;
	}
	return given;
}

static int read_and_tell(
	struct mt_pcap *pcap, int limit, bool may_wait, pcap_handler handler, u_char *user)
{
	int rc = mt_pcap_check_active(pcap);

	if (rc < 0)
		return rc;
	rc = read_some(pcap, limit > 0 ? limit : A_BUFFER, may_wait, handler, user);
	if (pcap->poll_fd >= 0)
		mt_pcap_tell_poll(pcap);
	return rc;
}

/* --- libpcap's functions --- */

MT_PCAP_EXPORT int pcap_dispatch(pcap_t *seen, int count, pcap_handler handler, u_char *user)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	if (pcap == NULL)
		return REAL(pcap_dispatch)(seen, count, handler, user);
	return read_and_tell(pcap, count, !pcap->nonblock, handler, user);
}

MT_PCAP_EXPORT int pcap_loop(pcap_t *seen, int count, pcap_handler handler, u_char *user)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	if (pcap == NULL)
		return REAL(pcap_loop)(seen, count, handler, user);
	for (;;) {
		int given = read_and_tell(pcap, count, true, handler, user);

		if (given < 0)
			return given;
		if (count > 0) {
			count -= given;
			if (count == 0)
				return 0;
		}
	}
}

static void keep_one(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct mt_pcap *pcap = (void *)user;

	pcap->one_header = *header;
	pcap->one_bytes = bytes;
}

/* The frame stays where it is until the next call: nothing is released before. */
MT_PCAP_EXPORT int pcap_next_ex(pcap_t *seen, struct pcap_pkthdr **header, const u_char **bytes)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	int given;

	if (pcap == NULL)
		return REAL(pcap_next_ex)(seen, header, bytes);
	given = read_and_tell(pcap, 1, !pcap->nonblock, keep_one, (void *)pcap);
	if (given > 0) {
		*header = &pcap->one_header;
		*bytes = pcap->one_bytes;
	}
	return given;
}

MT_PCAP_EXPORT const u_char *pcap_next(pcap_t *seen, struct pcap_pkthdr *header)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	if (pcap == NULL)
		return REAL(pcap_next)(seen, header);
	if (read_and_tell(pcap, 1, !pcap->nonblock, keep_one, (void *)pcap) <= 0)
		return NULL;
	*header = pcap->one_header;
	return pcap->one_bytes;
}

/* Called by handlers of signals: the real one is looked up before. */
static void (*real_breakloop)(pcap_t *);

__attribute__((constructor)) static void find_breakloop(void)
{
	real_breakloop = REAL(pcap_breakloop);
}

MT_PCAP_EXPORT void pcap_breakloop(pcap_t *seen)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	if (pcap == NULL)
		real_breakloop(seen);
	else
		atomic_store(&pcap->broken, true);
}
