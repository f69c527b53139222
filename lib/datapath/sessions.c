/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/sessions.h"

#include <stddef.h>

#include <rte_branch_prediction.h>

#include "output/commit.h"
#include "packet/frame_info.h"

/* What the counters of one frame are found by: its VNI, above a byte of ones. So it is made of the
 * frame information's vni_flags by one instruction. */
static inline uint32_t key_of(uint32_t vni_flags)
{
	return vni_flags | 0xff;
}

/* Where a key's search begins: a bucket, and the place in it that the VNI takes if it is free. So
 * few of some thousand sessions are elsewhere that the look-up is one comparison, well predicted.
 * VNIs in a row are neighbours, so that few pages and cache lines hold them; rows that differ in
 * their upper bits alone are set apart by a factor. */
static inline uint32_t home_of(uint32_t key)
{
	static_assert(MT_SESSION_CAPACITY == 1u << 14, "a VNI's lower bits are a place");
	return ((key >> 8) + (key >> 22) * 0x19e3u) % MT_SESSION_CAPACITY;
}

static struct mt_session_entry *add(
	struct mt_sessions *sessions, uint32_t place, uint32_t key, uint64_t time_ns)
{
	struct mt_session_entry *entry = &sessions->entries[place];

	mt_count(&entry->counts.first_ns, time_ns);
	entry->key = key;
	__atomic_store_n(&sessions->keys[place], key, __ATOMIC_RELEASE);
	return entry;
}

/* A key that is not at home: it is in the same bucket, or further on, or nowhere. Other buckets are
 * taken only when those before are full, so a free key ends the search. */
static __rte_noinline struct mt_session_entry *find_further(
	struct mt_sessions *sessions, uint32_t key, uint64_t time_ns)
{
	const uint32_t home = home_of(key);
	const uint32_t step = (key * 0x85ebca6bu) >> 16 | 1;
	struct mt_session_entry *other = &sessions->entries[MT_SESSION_OTHER];
	uint32_t bucket = home / MT_SESSION_WAYS;

	for (unsigned choice = 0; choice < MT_SESSION_CHOICES; choice++) {
		const uint32_t first = bucket * MT_SESSION_WAYS;
		const uint32_t *keys = &sessions->keys[first];
		uint32_t unused = MT_SESSION_WAYS;

		for (uint32_t i = 0; i < MT_SESSION_WAYS; i++) {
			uint32_t way = (home - i) % MT_SESSION_WAYS;

			if (keys[way] == key)
				return &sessions->entries[first + way];
			if (keys[way] == 0 && unused == MT_SESSION_WAYS)
				unused = way;
		}
		if (unused < MT_SESSION_WAYS)
			return add(sessions, first + unused, key, time_ns);
		bucket = (bucket + step) % MT_SESSION_BUCKETS;
	}
	if (other->counts.first_ns == 0)
		mt_count(&other->counts.first_ns, time_ns);
	return other;
}

/* The entry of a key, a new one if need be. */
static inline struct mt_session_entry *find(
	struct mt_sessions *sessions, uint32_t key, uint64_t time_ns)
{
	struct mt_session_entry *entry = &sessions->entries[home_of(key)];

	return likely(entry->key == key) ? entry : find_further(sessions, key, time_ns);
}

static inline uint32_t vni_flags_of(struct rte_mbuf *frame)
{
	return mt_frame_info(frame)->vni_flags;
}

static inline void seen(struct mt_session_entry *entry, uint64_t time_ns)
{
	__atomic_store_n(&entry->counts.last_ns, time_ns, __ATOMIC_RELAXED);
}

/* Adds one frame to packets and bytes, both at once: one load, one store, each half of which a
 * reader sees whole. */
static inline void add_frame(struct mt_session_counts *counts, uint32_t bytes)
{
	typedef uint64_t pair __attribute__((vector_size(16), may_alias));

	static_assert(offsetof(struct mt_session_counts, bytes) == 0
			&& offsetof(struct mt_session_counts, packets) == sizeof(uint64_t),
		"bytes and packets are a pair");
	*(volatile pair *)counts += (pair){bytes, 0} + (pair){0, 1};
}

/* Several sessions in one batch. Runs are not looked for: where sessions change at random, a wrong
 * guess costs more than a look-up. */
static __rte_noinline void count_mixed(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	const uint64_t time_ns = batch->time_ns;
	const uint16_t count = batch->count;

	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *frame = batch->frames[i];
		struct mt_session_entry *entry =
			find(sessions, key_of(vni_flags_of(frame)), time_ns);

		add_frame(&entry->counts, frame->pkt_len);
		seen(entry, time_ns);
	}
}

/* One session, as in most batches. */
static void count_one(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	struct mt_session_entry *entry = find(sessions, key_of(batch->sums.all), batch->time_ns);

	mt_count(&entry->counts.packets, batch->count);
	mt_count(&entry->counts.bytes, batch->sums.bytes);
	seen(entry, batch->time_ns);
}

static __rte_noinline void count_truncated(
	struct mt_sessions *sessions, const struct mt_batch *batch)
{
	for (uint16_t i = 0; i < batch->count; i++) {
		uint32_t vni_flags = vni_flags_of(batch->frames[i]);

		if ((vni_flags & MT_FLAG_TRUNCATED) != 0)
			mt_count(&find(sessions, key_of(vni_flags), batch->time_ns)
					  ->counts.truncated,
				1);
	}
}

static __rte_noinline void count_drops(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	for (uint16_t d = 0; d < batch->session_drops_count; d++) {
		struct mt_session_entry *entry =
			find(sessions, key_of(batch->session_drops[d] << 8), batch->time_ns);

		mt_count(&entry->counts.drops, 1);
		seen(entry, batch->time_ns);
	}
}

void mt_sessions_count(struct mt_sessions *sessions, const struct mt_batch *batch)
{
	const struct mt_sums *sums = &batch->sums;

	if (likely(batch->count > 0)) {
		if (likely(sums->some >> 8 == sums->all >> 8))
			count_one(sessions, batch);
		else
			count_mixed(sessions, batch);
		if (unlikely((sums->some & MT_FLAG_TRUNCATED) != 0))
			count_truncated(sessions, batch);
	}
	if (unlikely(batch->session_drops_count > 0))
		count_drops(sessions, batch);
}

void mt_sessions_lose(struct mt_sessions *sessions, struct rte_mbuf **frames, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++) {
		struct mt_session_entry *entry = find(sessions, key_of(vni_flags_of(frames[i])),
			mt_frame_info(frames[i])->time_ns);

		mt_count(&entry->counts.drops, 1);
	}
}

void mt_sessions_count_duplicates(
	struct mt_sessions *sessions, struct rte_mbuf **frames, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++) {
		/* It may be the first that this worker sees of the session. */
		struct mt_session_entry *entry = find(sessions, key_of(vni_flags_of(frames[i])),
			mt_frame_info(frames[i])->time_ns);

		mt_count(&entry->counts.duplicates, 1);
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
		*vni = key >> 8;
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
