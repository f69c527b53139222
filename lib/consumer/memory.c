/* SPDX-License-Identifier: BSD-3-Clause */
/* Zero-copy: the memory of the daemon's mbufs is mapped here, for reading only. DPDK is not started
 * for that: the daemon hands over the descriptors of its huge pages. So this process can do the
 * daemon no harm, holds none of its locks when it is killed, and may use DPDK for itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_version.h>

#include "consumer/consumer.h"

/* Huge pages are mapped at multiples of their size. */
static const uint64_t ALIGNMENT = UINT64_C(1) << 30;

static int check_layout(const struct mt_ring_welcome *welcome, char *error, size_t error_size)
{
	uint16_t layout[8];

	mt_ring_mbuf_layout(layout);
	if (memcmp(layout, welcome->mbuf_layout, sizeof(layout)) == 0)
		return 0;
	snprintf(error, error_size,
		"the consumer library was built with DPDK %d.%d, the daemon runs with %.31s, and "
		"their mbufs differ: install both from one build, then restart the older one",
		RTE_VER_YEAR, RTE_VER_MONTH, welcome->dpdk_version);
	return -EPROTO;
}

/* Where the daemon has it, if that is free here; then its addresses are ours. */
static int reserve(struct mirrortap_consumer *consumer, uint64_t from, uint64_t to, char *error,
	size_t error_size)
{
	uint64_t bytes = to - from;
	uint64_t extra = ALIGNMENT;
	char *memory = mmap((void *)(uintptr_t)from, bytes, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (memory == (void *)(uintptr_t)from) {
		consumer->reserved = memory;
		consumer->reserved_bytes = bytes;
		consumer->delta = 0;
		return 0;
	}
	if (memory != MAP_FAILED)
		munmap(memory, bytes); /* a kernel that does not know MAP_FIXED_NOREPLACE */
	memory = mmap(
		NULL, bytes + extra, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		snprintf(error, error_size, "%llu bytes of addresses for the daemon's memory: %s",
			(unsigned long long)bytes, strerror(errno));
		return -errno;
	}
	consumer->reserved = memory;
	consumer->reserved_bytes = bytes + extra;
	/* As far from a multiple of the alignment as there. */
	consumer->delta = (((uint64_t)(uintptr_t)memory + ALIGNMENT - 1) & ~(ALIGNMENT - 1))
		+ (from & (ALIGNMENT - 1)) - from;
	if (consumer->delta + to > (uint64_t)(uintptr_t)memory + bytes + extra)
		consumer->delta -= ALIGNMENT;
	return 0;
}

static int map_part(
	const struct mirrortap_consumer *consumer, const struct mt_ring_part *part, int descriptor)
{
	void *wanted = (void *)(uintptr_t)(part->address + consumer->delta);
	void *got;

	if (part->address < consumer->from || part->length > consumer->to - part->address
		|| part->address > consumer->to)
		return -EPROTO;
	got = mmap(wanted, part->length, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
		descriptor, (off_t)part->offset);
	return got == MAP_FAILED ? -errno : 0;
}

/* A message's worth of parts. Returns how many there were. */
static int map_parts(
	struct mirrortap_consumer *consumer, uint32_t first, char *error, size_t error_size)
{
	struct mt_ring_memory memory;
	int descriptors[MT_CONSUMER_MAX_DESCRIPTORS];
	unsigned count;
	int rc = mt_consumer_ask_memory(
		consumer, first, &memory, descriptors, &count, error, error_size);

	if (rc == 0 && (memory.count == 0 || memory.count != count || count > MT_RING_PARTS)) {
		snprintf(error, error_size,
			"the daemon does not hand over all of its memory: it "
			"has too few file descriptors (LimitNOFILE), or "
			"shares none");
		rc = -ENOTSUP;
	}
	for (unsigned p = 0; rc == 0 && p < count; p++) {
		rc = map_part(consumer, &memory.parts[p], descriptors[p]);
		if (rc < 0)
			snprintf(error, error_size, "the daemon's memory can't be mapped: %s",
				strerror(-rc));
	}
	while (count > 0)
		close(descriptors[--count]);
	return rc < 0 ? rc : (int)memory.count;
}

int mt_consumer_map_memory(struct mirrortap_consumer *consumer,
	const struct mt_ring_welcome *welcome, char *error, size_t error_size)
{
	int rc = check_layout(welcome, error, error_size);

	if (rc < 0)
		return rc;
	if (welcome->memory_parts == 0 || welcome->memory_from >= welcome->memory_to) {
		snprintf(error, error_size,
			"the daemon's memory can't be shared: remove --legacy-mem or --no-huge "
			"from dataplane.eal, or have the output copied (mode: copy)");
		return -ENOTSUP;
	}
	consumer->from = welcome->memory_from;
	consumer->to = welcome->memory_to;
	rc = reserve(consumer, consumer->from, consumer->to, error, error_size);
	for (uint32_t parts = 0; rc >= 0 && parts < welcome->memory_parts; parts += (uint32_t)rc)
		rc = map_parts(consumer, parts, error, error_size);
	return rc < 0 ? rc : 0;
}

void mt_consumer_unmap_memory(struct mirrortap_consumer *consumer)
{
	if (consumer->reserved != NULL)
		munmap(consumer->reserved, consumer->reserved_bytes);
}
