/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/mempool_lifo.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#define NAME "mt_lifo"

enum {
	NODE_BUFFERS = 16,
};

static const uint32_t NO_NODE = UINT32_MAX;

/* What a node is in its list. Apart from the buffers, so that who looks along a list waits for few
 * cache lines of another core. Atomic because a thread may still read it when the node has gone to
 * another one already; what it read is then thrown away. */
struct link {
	_Atomic uint32_t next;
	_Atomic uint32_t count; /* in the full list at least 1, in the spare list whatever it was */
};

struct node {
	void *buffers[NODE_BUFFERS];
} __rte_aligned(NODE_BUFFERS * sizeof(void *));
static_assert(sizeof(struct link) + sizeof(struct node) == MT_MEMPOOL_LIFO_BYTES,
	"as the plan of the memory has it");

/* The first node's number, below a number that changes with each change, so that a list which
 * begins with the same node again is not taken for the same list: but for a thread that sleeps for
 * exactly 2^32 changes, which is more than an hour. */
struct list {
	_Atomic uint64_t head;
};

/* There are as many nodes as buffers, and each node that is not in the spare list holds a buffer,
 * or is held by a thread that holds as many buffers of it or for it: so that who frees n buffers
 * finds n spare nodes. What every call writes is in one cache line. */
struct stack {
	struct list full;
	struct list spare;
	_Atomic uint32_t available; /* buffers; never less than there are */
	struct link *links;
	struct node nodes[] __rte_aligned(sizeof(struct node));
};

/* A chain of nodes that is one thread's. */
struct chain {
	uint32_t first, last;
};

static uint32_t first_of(uint64_t head)
{
	return (uint32_t)head;
}

static uint64_t changed(uint64_t head, uint32_t first)
{
	return ((head >> 32) + 1) << 32 | first;
}

static uint32_t next_of(const struct stack *stack, uint32_t node)
{
	return atomic_load_explicit(&stack->links[node].next, memory_order_relaxed);
}

static uint32_t count_of(const struct stack *stack, uint32_t node)
{
	return atomic_load_explicit(&stack->links[node].count, memory_order_relaxed);
}

static void push(struct stack *stack, struct list *list, struct chain chain)
{
	uint64_t head = atomic_load_explicit(&list->head, memory_order_relaxed);

	do
		atomic_store_explicit(
			&stack->links[chain.last].next, first_of(head), memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&list->head, &head,
		changed(head, chain.first), memory_order_release, memory_order_relaxed));
}

/* How far a list must be taken off to have `wanted` of what `worth` says a node has, at least 1 of
 * it in each. False: it has not so many, or changes meanwhile. */
static bool measure(
	const struct stack *stack, uint64_t head, uint32_t wanted, bool spare, struct chain *chain)
{
	uint32_t node = first_of(head);
	uint32_t have = 0;

	chain->first = node;
	for (uint32_t steps = 0; steps < wanted; steps++) {
		if (node == NO_NODE)
			return false;
		chain->last = node;
		have += spare ? 1 : count_of(stack, node);
		if (have >= wanted)
			return true;
		node = next_of(stack, node);
	}
	return false;
}

/* Takes a chain off a list: of `wanted` nodes, or of the full list one with so many buffers, none
 * of its nodes being without need. False: there are not so many. */
static bool pop(
	struct stack *stack, struct list *list, uint32_t wanted, bool spare, struct chain *chain)
{
	uint64_t head = atomic_load_explicit(&list->head, memory_order_acquire);

	for (;;) {
		if (unlikely(!measure(stack, head, wanted, spare, chain))) {
			uint64_t now = atomic_load_explicit(&list->head, memory_order_acquire);

			if (now == head)
				return false;
			head = now;
			continue;
		}
		/* If nothing has changed, all that was read in the list was right. */
		if (likely(atomic_compare_exchange_weak_explicit(&list->head, &head,
			    changed(head, next_of(stack, chain->last)), memory_order_acquire,
			    memory_order_acquire)))
			return true;
	}
}

static int lifo_enqueue(struct rte_mempool *pool, void *const *buffers, unsigned count)
{
	struct stack *stack = pool->pool_data;
	struct chain chain;
	uint32_t node;

	if (unlikely(count == 0))
		return 0;
	if (unlikely(!pop(
		    stack, &stack->spare, (count + NODE_BUFFERS - 1) / NODE_BUFFERS, true, &chain)))
		return -ENOBUFS; /* more buffers than there are: one was freed twice */
	atomic_fetch_add_explicit(&stack->available, count, memory_order_relaxed);
	/* The last node of the chain gets what stands first and does not fill one. */
	node = chain.first;
	while (count > 0) {
		const unsigned part = RTE_MIN(count, (unsigned)NODE_BUFFERS);

		count -= part;
		memcpy(stack->nodes[node].buffers, &buffers[count], part * sizeof(*buffers));
		atomic_store_explicit(&stack->links[node].count, part, memory_order_relaxed);
		node = next_of(stack, node);
	}
	push(stack, &stack->full, chain);
	return 0;
}

static int lifo_dequeue(struct rte_mempool *pool, void **buffers, unsigned count)
{
	struct stack *stack = pool->pool_data;
	struct chain chain;
	uint32_t node, before;
	unsigned left = count;

	if (unlikely(count == 0))
		return 0;
	if (unlikely(!pop(stack, &stack->full, count, false, &chain)))
		return -ENOBUFS;
	atomic_fetch_sub_explicit(&stack->available, count, memory_order_relaxed);
	for (node = before = chain.first;; node = next_of(stack, node)) {
		const uint32_t there = count_of(stack, node);
		const uint32_t part = RTE_MIN(there, left);

		left -= part;
		memcpy(&buffers[left], &stack->nodes[node].buffers[there - part],
			part * sizeof(*buffers));
		if (unlikely(part < there)) {
			/* The last one, of which something is left. */
			atomic_store_explicit(
				&stack->links[node].count, there - part, memory_order_relaxed);
			push(stack, &stack->full, (struct chain){node, node});
			if (node == chain.first)
				return 0;
			chain.last = before;
			break;
		}
		if (node == chain.last)
			break;
		before = node;
	}
	push(stack, &stack->spare, chain);
	return 0;
}

static unsigned lifo_get_count(const struct rte_mempool *pool)
{
	const struct stack *stack = pool->pool_data;

	return RTE_MIN(atomic_load_explicit(&stack->available, memory_order_relaxed), pool->size);
}

static int lifo_alloc(struct rte_mempool *pool)
{
	const size_t nodes = sizeof(struct node) * pool->size;
	const size_t links = sizeof(struct link) * pool->size;
	struct stack *stack = rte_malloc_socket(NAME, sizeof(*stack) + nodes + links,
		RTE_MAX(sizeof(struct node), (size_t)RTE_CACHE_LINE_SIZE), pool->socket_id);

	if (stack == NULL)
		return -ENOMEM;
	memset(stack, 0, sizeof(*stack) + nodes + links);
	stack->links = RTE_PTR_ADD(stack->nodes, nodes);
	atomic_init(&stack->full.head, NO_NODE);
	atomic_init(&stack->spare.head, NO_NODE);
	for (uint32_t n = 0; n < pool->size; n++)
		push(stack, &stack->spare, (struct chain){n, n});
	pool->pool_data = stack;
	return 0;
}

static void lifo_free(struct rte_mempool *pool)
{
	rte_free(pool->pool_data);
}

const char *mt_mempool_lifo(void)
{
	static const struct rte_mempool_ops ops = {
		.name = NAME,
		.alloc = lifo_alloc,
		.free = lifo_free,
		.enqueue = lifo_enqueue,
		.dequeue = lifo_dequeue,
		.get_count = lifo_get_count,
	};
	static bool registered;

	if (!registered)
		registered = rte_mempool_register_ops(&ops) >= 0;
	return NAME;
}
