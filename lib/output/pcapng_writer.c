/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/pcapng_writer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_prefetch.h>

#include "output/pcapng_blocks.h"
#include "output/pcapng_session.h"
#include "output/release.h"
#include "packet/frame_info.h"

enum {
	BURST = 64,
	WAKE_NS = 1000000,
	STOP_SECONDS = 10,
};

static const uint64_t second_ns = 1000000000;
static const uint64_t flush_ns = 100000000; /* what is not written is no older */
static const struct mt_capture_mark no_frame;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

/* --- errors ----------------------------------------------------------------------------------- */

static const char *remedy_of(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return "free some, or bound the output's files with keep_bytes";
	case EROFS:
		return "mount it for writing";
	case EACCES:
	case EPERM:
		return "let the daemon write there";
	case ENOENT:
	case ENOTDIR:
		return "make the folder";
	default:
		return "see the kernel's log";
	}
}

static void fail(struct mt_pcapng_writer *writer, int error)
{
	bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;

	pthread_mutex_lock(&writer->lock);
	writer->failed = true;
	snprintf(writer->error, sizeof(writer->error), "%.70s: %s; %s; tried again each second",
		writer->ring.directory, strerror(error), remedy_of(error));
	pthread_mutex_unlock(&writer->lock);
	atomic_store_explicit(&writer->refuse,
		full ? MT_OUTPUT_DROP_NO_SPACE : MT_OUTPUT_DROP_ERROR, memory_order_relaxed);
	writer->tried_ns = clock_ns(CLOCK_MONOTONIC);
}

static void mend(struct mt_pcapng_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->failed = false;
	pthread_mutex_unlock(&writer->lock);
	atomic_store_explicit(&writer->refuse, MT_PCAPNG_TAKING, memory_order_relaxed);
}

static bool is_open(const struct mt_pcapng_writer *writer)
{
	return writer->file.fd >= 0;
}

/* --- counting what became of frames ----------------------------------------------------------- */

static void drop(struct mt_pcapng_queue *queue, int reason, uint32_t frames)
{
	mt_commit_begin(&queue->written.commit);
	mt_count(&queue->written.counts.drops[reason], frames);
	mt_commit_end(&queue->written.commit);
}

static void count_written(void *context, const struct mt_capture_mark *mark)
{
	struct mt_pcapng_writer *writer = context;
	struct mt_output_queue *written = &writer->queues[mark->queue].written;

	if (mark->bytes == 0)
		return;
	mt_commit_begin(&written->commit);
	mt_count(&written->counts.delivered, 1);
	mt_count(&written->counts.delivered_bytes, mark->bytes);
	mt_commit_end(&written->commit);
	writer->interfaces[mark->number].written++;
}

/* Frames whose blocks did not get into the file. */
static void drop_marks(struct mt_pcapng_writer *writer)
{
	int reason = atomic_load_explicit(&writer->refuse, memory_order_relaxed);

	for (uint32_t i = 0; i < writer->file.marks_count; i++) {
		const struct mt_capture_mark *mark = &writer->file.marks[i];

		if (mark->bytes == 0)
			continue;
		drop(&writer->queues[mark->queue], reason, 1);
		mt_vni_count(writer->queues[mark->queue].lost_after, mark->vni);
	}
	writer->file.marks_count = 0;
}

/* --- the file --------------------------------------------------------------------------------- */

/* The file ends here, behind its last whole block. */
static void give_up(struct mt_pcapng_writer *writer, int error)
{
	fail(writer, error);
	mt_capture_file_take(&writer->file, count_written, writer);
	drop_marks(writer);
	if (mt_capture_file_finish(&writer->file) < 0)
		writer->recovered = false; /* its name is seen to later */
}

static bool flush(struct mt_pcapng_writer *writer, bool tail)
{
	int rc = mt_capture_file_flush(&writer->file, tail);

	writer->flushed_ns = clock_ns(CLOCK_MONOTONIC);
	if (rc < 0) {
		give_up(writer, -rc);
		return false;
	}
	mt_capture_file_take(&writer->file, count_written, writer);
	return true;
}

/* Room for a block; NULL: the file could not be written and is closed. */
static uint8_t *reserve(struct mt_pcapng_writer *writer, size_t bytes)
{
	uint8_t *to = mt_capture_file_reserve(&writer->file, bytes);

	if (to == NULL && flush(writer, writer->file.marks_count == MT_CAPTURE_MAX_MARKS))
		to = mt_capture_file_reserve(&writer->file, bytes);
	return to;
}

static bool put_section(struct mt_pcapng_writer *writer)
{
	uint8_t *to = reserve(writer, MT_PCAPNG_SECTION_BYTES);

	if (to != NULL)
		mt_capture_file_commit(&writer->file, mt_pcapng_put_section(to), no_frame);
	return to != NULL;
}

static void begin_file(struct mt_pcapng_writer *writer)
{
	int directory = mt_capture_ring_open(&writer->ring);
	int rc = directory < 0 ? directory : 0;

	if (rc == 0 && !writer->recovered) {
		rc = mt_capture_ring_recover(&writer->ring, directory);
		writer->recovered = rc >= 0;
	}
	/* Room for the new file first: the disk may be full of what need not be kept. */
	if (rc >= 0)
		rc = mt_capture_ring_prune(&writer->ring, directory, writer->rotate_bytes);
	if (rc < 0 && directory >= 0)
		close(directory);
	if (rc >= 0)
		rc = mt_capture_file_open(
			&writer->file, directory, writer->ring.name, clock_ns(CLOCK_REALTIME));
	if (rc < 0) {
		fail(writer, -rc);
		return;
	}
	memset(&writer->vnis, 0, sizeof(writer->vnis));
	memset(writer->interfaces, 0, sizeof(writer->interfaces));
	writer->described = 0;
	if (put_section(writer) && flush(writer, true))
		mend(writer);
}

static bool describe(struct mt_pcapng_writer *writer, uint32_t number, uint32_t vni)
{
	uint8_t *to = reserve(writer, MT_PCAPNG_MAX_INTERFACE_BYTES);
	uint32_t bytes;

	if (to == NULL)
		return false;
	bytes = mt_pcapng_put_session(
		to, number, vni, writer->snap, writer->describe, writer->describe_context);
	mt_capture_file_commit(&writer->file, bytes, no_frame);
	writer->described++;
	return true;
}

/* The VNI's interface in the file, -1 if the file could not be written. */
static int interface_of(struct mt_pcapng_writer *writer, uint32_t vni)
{
	uint32_t number = mt_vni_number(&writer->vnis, vni);

	if (number >= writer->described && !describe(writer, number, vni))
		return -1;
	return (int)number;
}

/* --- statistics ------------------------------------------------------------------------------- */

/* Adds what was lost of the VNIs since the last time to their interfaces. */
static bool collect_lost(struct mt_pcapng_writer *writer, struct mt_vni_counts *lost, bool *changed)
{
	uint32_t count = atomic_load_explicit(&lost->count, memory_order_acquire);

	for (uint32_t n = 0; n < MT_VNI_NUMBERS; n++) {
		uint64_t more;
		int interface;

		if (n == MT_VNI_OTHER ? writer->described <= MT_VNI_OTHER : n >= count)
			continue; /* that interface can only be the last one */
		if (mt_counter(&lost->packets[n]) == lost->taken[n])
			continue;
		interface = n == MT_VNI_OTHER ? MT_VNI_OTHER : interface_of(writer, lost->vnis[n]);
		if (interface < 0)
			return false;
		more = mt_vni_take(lost, n);
		writer->interfaces[interface].dropped += more;
		*changed = true;
	}
	return true;
}

static bool put_statistics(struct mt_pcapng_writer *writer)
{
	for (uint32_t i = 0; i < writer->described; i++) {
		const struct mt_pcapng_interface_counts *counts = &writer->interfaces[i];
		struct mt_pcapng_statistics statistics = {
			.interface = i,
			.start_ns = writer->file.opened_ns,
			.now_ns = clock_ns(CLOCK_REALTIME),
			.received = counts->written + counts->dropped,
			.dropped = counts->dropped,
			.delivered = counts->written,
		};
		uint8_t *to = reserve(writer, MT_PCAPNG_STATISTICS_BYTES);

		if (to == NULL)
			return false;
		mt_capture_file_commit(
			&writer->file, mt_pcapng_put_statistics(to, &statistics), no_frame);
	}
	return true;
}

/* What was lost, for all sessions that have lost something; false: the file is closed. */
static bool collect(struct mt_pcapng_writer *writer, bool *changed)
{
	for (uint16_t q = 0; q < writer->queues_count; q++) {
		if (!collect_lost(writer, writer->queues[q].lost_before, changed)
			|| !collect_lost(writer, writer->queues[q].lost_after, changed))
			return false;
	}
	return true;
}

/* --- rotation --------------------------------------------------------------------------------- */

/* Completes the file. Afterwards none is open. */
static void end_file(struct mt_pcapng_writer *writer)
{
	bool changed = false;
	int rc;

	/* Statistics count what is written, so that comes first. */
	if (!flush(writer, true) || !collect(writer, &changed) || !put_statistics(writer)
		|| !flush(writer, true))
		return;
	rc = mt_capture_file_finish(&writer->file);
	if (rc < 0) {
		fail(writer, -rc);
		writer->recovered = false;
	}
}

static void rotate(struct mt_pcapng_writer *writer)
{
	end_file(writer);
	begin_file(writer);
}

/* --- frames ----------------------------------------------------------------------------------- */

static void copy_frame(uint8_t *to, const struct rte_mbuf *frame, uint32_t length)
{
	while (length > 0) {
		uint32_t part = RTE_MIN(length, (uint32_t)frame->data_len);

		memcpy(to, rte_pktmbuf_mtod(frame, const void *), part);
		to += part;
		length -= part;
		frame = frame->next;
	}
}

/* What must still go into the file besides a frame: its interface, and statistics at the end. */
static uint32_t end_bytes(const struct mt_pcapng_writer *writer)
{
	return MT_PCAPNG_MAX_INTERFACE_BYTES + (writer->described + 1) * MT_PCAPNG_STATISTICS_BYTES;
}

/* False: it could not be written, and the file is closed. */
static bool put_frame(struct mt_pcapng_writer *writer, uint16_t queue, struct rte_mbuf *frame)
{
	const struct mt_frame_info *info = mt_frame_info(frame);
	uint32_t length = RTE_MIN(frame->pkt_len, writer->snap);
	uint32_t bytes = mt_pcapng_packet_bytes(length);
	struct mt_capture_mark mark = {
		.bytes = length,
		.queue = queue,
		.vni = mt_frame_vni(info),
	};
	struct mt_pcapng_packet packet = {
		.time_ns = info->time_ns,
		.original_length = RTE_MAX(info->original_length, frame->pkt_len),
		.flags = mt_frame_flags(info),
	};
	int interface;
	uint8_t *to;

	if (writer->file.first_ns != 0
		&& mt_capture_file_size(&writer->file) + bytes + end_bytes(writer)
			> writer->rotate_bytes)
		rotate(writer);
	if (!is_open(writer))
		return false;
	interface = interface_of(writer, mark.vni);
	to = interface < 0 ? NULL : reserve(writer, bytes);
	if (to == NULL)
		return false;
	if (writer->file.first_ns == 0) {
		writer->file.first_ns = info->time_ns;
		writer->begun_ns = clock_ns(CLOCK_MONOTONIC);
	}
	packet.interface = (uint32_t)interface;
	mark.number = (uint16_t)interface;
	mt_pcapng_put_packet_head(to, &packet, length);
	copy_frame(to + MT_PCAPNG_PACKET_HEAD_BYTES, frame, length);
	mt_pcapng_put_packet_tail(to + MT_PCAPNG_PACKET_HEAD_BYTES + length, packet.flags, length);
	mt_capture_file_commit(&writer->file, bytes, mark);
	return true;
}

/* One burst of a queue. Returns how many frames it had. */
static unsigned take(struct mt_pcapng_writer *writer, uint16_t index)
{
	struct mt_pcapng_queue *queue = &writer->queues[index];
	struct rte_mbuf *frames[BURST];
	unsigned count = rte_ring_dequeue_burst(queue->ring, (void **)frames, BURST, NULL);

	for (unsigned i = 0; i < count; i++) {
		if (i + 4 < count)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + 4], void *));
		if (is_open(writer) && put_frame(writer, index, frames[i]))
			continue;
		drop(queue, atomic_load_explicit(&writer->refuse, memory_order_relaxed), 1);
		mt_vni_count(queue->lost_after, mt_frame_vni(mt_frame_info(frames[i])));
	}
	mt_release(frames, count);
	return count;
}

static unsigned take_all(struct mt_pcapng_writer *writer)
{
	unsigned count = 0;

	for (uint16_t q = 0; q < writer->queues_count; q++)
		count += take(writer, q);
	return count;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* What time asks for. */
static void keep_house(struct mt_pcapng_writer *writer)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	bool changed = false;

	if (!is_open(writer)) {
		if (now - writer->tried_ns >= second_ns)
			begin_file(writer);
		return;
	}
	if (writer->rotate_ns != 0 && writer->file.first_ns != 0
		&& now - writer->begun_ns >= writer->rotate_ns) {
		rotate(writer);
		return;
	}
	if (now - writer->statistics_ns >= second_ns) {
		writer->statistics_ns = now;
		if (!collect(writer, &changed) || (changed && !put_statistics(writer)))
			return;
	}
	if (writer->file.marks_count > 0 && now - writer->flushed_ns >= flush_ns)
		flush(writer, true);
}

/* The end: the last file is one of those that are kept. */
static void finish(struct mt_pcapng_writer *writer)
{
	int directory;

	if (!is_open(writer))
		return;
	end_file(writer);
	directory = mt_capture_ring_open(&writer->ring);
	if (directory >= 0) {
		mt_capture_ring_prune(&writer->ring, directory, 0);
		close(directory);
	}
}

static void *run(void *context)
{
	struct mt_pcapng_writer *writer = context;
	uint64_t end;

	while (!atomic_load_explicit(&writer->stop, memory_order_acquire)) {
		unsigned count = take_all(writer);

		keep_house(writer);
		if (count == 0)
			nanosleep(&(struct timespec){.tv_nsec = WAKE_NS}, NULL);
	}
	end = clock_ns(CLOCK_MONOTONIC) + STOP_SECONDS * second_ns;
	while (take_all(writer) > 0 && clock_ns(CLOCK_MONOTONIC) < end)
		continue;
	finish(writer);
	return NULL;
}

int mt_pcapng_writer_start(struct mt_pcapng_writer *writer)
{
	sigset_t all, before;
	char name[16];
	int rc = mt_capture_file_init(&writer->file);

	if (rc < 0)
		return rc;
	pthread_mutex_init(&writer->lock, NULL);
	begin_file(writer);
	/* Signals are the control thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = -pthread_create(&writer->thread, NULL, run, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	writer->running = rc == 0;
	if (rc == 0) {
		snprintf(name, sizeof(name), "mt-%.12s", writer->ring.name);
		pthread_setname_np(writer->thread, name);
	}
	if (rc < 0)
		mt_pcapng_writer_stop(writer);
	return rc;
}

void mt_pcapng_writer_stop(struct mt_pcapng_writer *writer)
{
	if (writer->running) {
		atomic_store_explicit(&writer->stop, true, memory_order_release);
		pthread_join(writer->thread, NULL);
		writer->running = false;
	} else {
		finish(writer);
	}
	mt_capture_file_free(&writer->file);
	pthread_mutex_destroy(&writer->lock);
}
