/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/sessions.h"

#include <rte_branch_prediction.h>

#include "output/commit.h"
#include "packet/frame_info.h"

static uint32_t add(struct mt_sessions *sessions, uint32_t entry, uint32_t vni)
{
	mt_count(&sessions->entries[entry].counts.first_ns, sessions->time_ns);
	sessions->entries[entry].key = vni + 1;
	__atomic_store_n(&sessions->keys[entry], vni + 1, __ATOMIC_RELEASE);
	return entry;
}

/* Where a VNI's search begins: a bucket, and the place in it that the VNI takes if it is free. So
 * few of some thousand sessions are elsewhere that the look-up is one comparison, well predicted.
 * Fibonacci hashing keeps VNIs in a row apart. */
static inline uint32_t home_of(uint32_t vni)
{
	static_assert(MT_SESSION_CAPACITY == 1u << (32 - 18), "the hash's upper bits are a place");
	return (vni * 0x9e3779b1u) >> 18;
}

/* A VNI that is not at home: it is in the same bucket, or further on, or nowhere. Other buckets are
 * taken only when those before are full, so a free key ends the search. */
static __rte_noinline uint32_t find_further(struct mt_sessions *sessions, uint32_t vni)
{
	const uint32_t home = home_of(vni);
	const uint32_t step = (vni * 0x85ebca6bu) >> 16 | 1;
	uint64_t *first_ns = &sessions->entries[MT_SESSION_OTHER].counts.first_ns;
	uint32_t bucket = home / MT_SESSION_WAYS;

	for (unsigned choice = 0; choice < MT_SESSION_CHOICES; choice++) {
		const uint32_t *keys = &sessions->keys[bucket * MT_SESSION_WAYS];
		uint32_t unused = MT_SESSION_WAYS;

		for (uint32_t i = 0; i < MT_SESSION_WAYS; i++) {
			uint32_t way = (home - i) % MT_SESSION_WAYS;

			if (keys[way] == vni + 1)
				return bucket * MT_SESSION_WAYS + way;
			if (keys[way] == 0 && unused == MT_SESSION_WAYS)
				unused = way;
		}
		if (unused < MT_SESSION_WAYS)
			return add(sessions, bucket * MT_SESSION_WAYS + unused, vni);
		bucket = (bucket + step) % MT_SESSION_BUCKETS;
	}
	if (*first_ns == 0)
		mt_count(first_ns, sessions->time_ns);
	return MT_SESSION_OTHER;
}

/* The entry of a VNI, a new one if need be. */
static inline uint32_t find(struct mt_sessions *sessions, uint32_t vni)
{
	const uint32_t home = home_of(vni);

	return likely(sessions->entries[home].key == vni + 1) ? home : find_further(sessions, vni);
}

static inline uint32_t vni_flags_of(struct rte_mbuf *frame)
{
	return mt_frame_info(frame)->vni_flags;
}

static inline uint32_t is_truncated(uint32_t vni_flags)
{
	return (vni_flags & MT_FLAG_TRUNCATED) != 0;
}

/* Several sessions in one batch: a part for each frame. Runs are not looked for: where sessions
 * change at random, a wrong guess costs more than a look-up. */
static __rte_noinline void gather_mixed(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	const uint16_t count = batch->count;

	for (uint16_t i = 0; i < count; i++) {
		uint32_t vni_flags = vni_flags_of(batch->frames[i]);

		sessions->parts[i] = (struct mt_session_part){
			.entry = find(sessions, vni_flags >> 8),
			.packets = 1,
			.truncated = is_truncated(vni_flags),
			.bytes = batch->frames[i]->pkt_len,
		};
	}
	sessions->parts_count = count;
}

static uint16_t count_truncated(const struct mt_batch *batch)
{
	uint16_t truncated = 0;

	for (uint16_t i = 0; i < batch->count; i++)
		truncated += is_truncated(vni_flags_of(batch->frames[i]));
	return truncated;
}

void mt_sessions_gather(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	const struct mt_sums *sums = &batch->sums;

	sessions->time_ns = batch->time_ns;
	if (unlikely(sums->some >> 8 != sums->all >> 8)) {
		gather_mixed(sessions, batch);
		return;
	}
	/* One session, as in most batches. */
	sessions->parts[0] = (struct mt_session_part){
		.entry = find(sessions, sums->all >> 8),
		.packets = batch->count,
		.truncated = is_truncated(sums->some) ? count_truncated(batch) : 0,
		.bytes = sums->bytes,
	};
	sessions->parts_count = 1;
}

/* The part that a frame was added to, or one of its session with a frame just like it. */
static struct mt_session_part *part_of(
	struct mt_sessions *sessions, uint32_t entry, uint32_t bytes, uint32_t truncated)
{
	struct mt_session_part *part = sessions->parts;

	if (sessions->parts_count == 1)
		return part;
	while (part->entry != entry || part->packets == 0 || part->bytes != bytes
		|| part->truncated != truncated)
		part++;
	return part;
}

void mt_sessions_lose(struct mt_sessions *sessions, struct rte_mbuf **frames, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++) {
		uint32_t vni_flags = vni_flags_of(frames[i]);
		uint32_t truncated = is_truncated(vni_flags);
		struct mt_session_part *part = part_of(
			sessions, find(sessions, vni_flags >> 8), frames[i]->pkt_len, truncated);

		part->packets--;
		part->bytes -= frames[i]->pkt_len;
		part->truncated -= truncated;
		part->drops++;
	}
}

static __rte_noinline void count_drops(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	sessions->time_ns = batch->time_ns;
	for (uint16_t d = 0; d < batch->session_drops_count; d++) {
		uint32_t entry = find(sessions, batch->session_drops[d]);
		struct mt_session_counts *counts = &sessions->entries[entry].counts;

		mt_count(&counts->drops, 1);
		__atomic_store_n(&counts->last_ns, batch->time_ns, __ATOMIC_RELAXED);
	}
}

void mt_sessions_count(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	const uint32_t parts = sessions->parts_count;
	const uint64_t time_ns = batch->time_ns;

	for (uint32_t p = 0; p < parts; p++) {
		const struct mt_session_part *part = &sessions->parts[p];
		struct mt_session_counts *counts = &sessions->entries[part->entry].counts;

		mt_count(&counts->packets, part->packets);
		mt_count(&counts->bytes, part->bytes);
		mt_count(&counts->truncated, part->truncated);
		if (unlikely(part->drops != 0))
			mt_count(&counts->drops, part->drops);
		__atomic_store_n(&counts->last_ns, time_ns, __ATOMIC_RELAXED);
	}
	sessions->parts_count = 0;
	if (unlikely(batch->session_drops_count > 0))
		count_drops(sessions, batch);
}

void mt_sessions_count_duplicates(
	struct mt_sessions *sessions, struct rte_mbuf **frames, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++) {
		const struct mt_frame_info *info = mt_frame_info(frames[i]);
		uint32_t entry;

		/* It may be the first that this worker sees of the session. */
		sessions->time_ns = info->time_ns;
		entry = find(sessions, mt_frame_vni(info));
		mt_count(&sessions->entries[entry].counts.duplicates, 1);
	}
}

bool mt_sessions_read(const struct mt_sessions *sessions, uint32_t entry, uint32_t *vni,
	struct mt_session_counts *counts)
{
	const struct mt_session_counts *from = &sessions->entries[entry].counts;

	if (entry != MT_SESSION_OTHER) {
		uint32_t key = __atomic_load_n(&sessions->keys[entry], __ATOMIC_ACQUIRE);

		if (key == 0)
			return false;
		*vni = key - 1;
	}
	*counts = (struct mt_session_counts){
		.packets = mt_counter(&from->packets),
		.bytes = mt_counter(&from->bytes),
		.truncated = mt_counter(&from->truncated),
		.drops = mt_counter(&from->drops),
		.duplicates = mt_counter(&from->duplicates),
		.first_ns = mt_counter(&from->first_ns),
		.last_ns = mt_counter(&from->last_ns),
	};
	return true;
}
