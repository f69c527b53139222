/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/unmap_guard.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_interrupts.h>

/* Writer: mt_unmap_guard_set(). Reader: the interrupt thread. */
struct guard {
	pthread_mutex_t lock;
	bool (*synchronize)(void *context);
	void *context;
};

static struct guard *guard(void)
{
	static struct guard one = {.lock = PTHREAD_MUTEX_INITIALIZER};

	return &one;
}

void mt_unmap_guard_set(bool (*synchronize)(void *context), void *context)
{
	struct guard *it = guard();

	pthread_mutex_lock(&it->lock);
	it->synchronize = synchronize;
	it->context = context;
	pthread_mutex_unlock(&it->lock);
}

static bool workers_left(void)
{
	struct guard *it = guard();
	bool left;

	pthread_mutex_lock(&it->lock);
	left = it->synchronize == NULL || it->synchronize(it->context);
	pthread_mutex_unlock(&it->lock);
	return left;
}

/* Goes before the C library's, for all shared objects of the program. */
int munmap(void *address, size_t length)
{
	if (rte_thread_is_intr() && !workers_left())
		return 0;
	return (int)syscall(SYS_munmap, address, length);
}
