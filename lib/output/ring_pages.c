/* SPDX-License-Identifier: BSD-3-Clause */
/* Which pages a zero-copy ring's consumers need: those of the pools of mbufs. */
#include <stdlib.h>

#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>

#include "output/ring.h"

static void add_part(struct mt_ring_pages *memory, const struct rte_memseg *page)
{
	struct mt_ring_page_part *last =
		memory->count > 0 ? &memory->parts[memory->count - 1] : NULL;
	int fd = rte_memseg_get_fd(page);
	size_t offset = 0;
	struct mt_ring_page_part *grown;

	if (fd < 0 || rte_memseg_get_fd_offset(page, &offset) < 0) {
		memory->failed = true;
		return;
	}
	if (last != NULL && last->fd == fd && last->place.offset + last->place.length == offset
		&& last->place.address + last->place.length == page->addr_64) {
		last->place.length += page->len;
		return;
	}
	grown = realloc(memory->parts, (memory->count + 1) * sizeof(*grown));
	if (grown == NULL) {
		memory->failed = true;
		return;
	}
	memory->parts = grown;
	grown[memory->count++] =
		(struct mt_ring_page_part){.place = {page->addr_64, page->len, offset}, .fd = fd};
}

/* Pages that two chunks share are there once: chunks come in the order of their addresses, or in
 * the opposite one. */
static bool is_known(const struct mt_ring_pages *memory, uint64_t address)
{
	for (unsigned p = memory->count; p > 0; p--)
		if (address - memory->parts[p - 1].place.address
			< memory->parts[p - 1].place.length)
			return true;
	return false;
}

static void add_chunk(
	struct rte_mempool *pool, void *opaque, struct rte_mempool_memhdr *chunk, unsigned index)
{
	struct mt_ring_pages *memory = opaque;
	uint64_t end = (uintptr_t)chunk->addr + chunk->len;

	(void)pool;
	(void)index;
	for (uint64_t at = (uintptr_t)chunk->addr; at < end && !memory->failed;) {
		const struct rte_memseg *page = rte_mem_virt2memseg((void *)(uintptr_t)at, NULL);

		if (page == NULL) {
			memory->failed = true;
			return;
		}
		if (!is_known(memory, page->addr_64))
			add_part(memory, page);
		at = page->addr_64 + page->len;
	}
}

/* All pools of mbufs: what is in which is not for outputs to know. */
static void add_pool(struct rte_mempool *pool, void *opaque)
{
	if (pool->private_data_size >= sizeof(struct rte_pktmbuf_pool_private))
		rte_mempool_mem_iter(pool, add_chunk, opaque);
}

void mt_ring_pages_find(struct mt_ring_pages *memory)
{
	*memory = (struct mt_ring_pages){.from = UINT64_MAX};
	rte_mempool_walk(add_pool, memory);
	for (unsigned p = 0; p < memory->count; p++) {
		const struct mt_ring_part *place = &memory->parts[p].place;

		memory->from = RTE_MIN(memory->from, place->address);
		memory->to = RTE_MAX(memory->to, place->address + place->length);
	}
}
