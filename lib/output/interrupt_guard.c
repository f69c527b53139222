/* SPDX-License-Identifier: BSD-3-Clause */
#define ALLOW_EXPERIMENTAL_API /* an interrupt of our own: rte_intr_instance_alloc() and others */
#include "output/interrupt_guard.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rte_interrupts.h>

enum {
	END_SECONDS = 1, /* for what the interrupt thread may be at */
};

/* Writers: control. Reader: the interrupt thread. */
struct guard {
	pthread_mutex_t lock;
	bool (*synchronize)(void *context);
	void *context;
	struct mt_interrupt_user *users;
};

static struct guard *guard(void)
{
	static struct guard one = {.lock = PTHREAD_MUTEX_INITIALIZER};

	return &one;
}

void mt_interrupt_guard_set(bool (*synchronize)(void *context), void *context)
{
	struct guard *it = guard();

	pthread_mutex_lock(&it->lock);
	it->synchronize = synchronize;
	it->context = context;
	pthread_mutex_unlock(&it->lock);
}

void mt_interrupt_guard_add(struct mt_interrupt_user *user)
{
	struct guard *it = guard();

	pthread_mutex_lock(&it->lock);
	user->next = it->users;
	it->users = user;
	pthread_mutex_unlock(&it->lock);
}

void mt_interrupt_guard_remove(struct mt_interrupt_user *user)
{
	struct guard *it = guard();
	struct mt_interrupt_user **link = &it->users;

	pthread_mutex_lock(&it->lock);
	while (*link != NULL && *link != user)
		link = &(*link)->next;
	if (*link == user)
		*link = user->next;
	pthread_mutex_unlock(&it->lock);
}

static bool workers_left(void)
{
	struct guard *it = guard();
	bool left;

	pthread_mutex_lock(&it->lock);
	for (struct mt_interrupt_user *user = it->users; user != NULL; user = user->next)
		user->leave(user->context);
	left = it->synchronize == NULL || it->synchronize(it->context);
	pthread_mutex_unlock(&it->lock);
	return left;
}

/* They go before the C library's, for all shared objects of the program. */
int munmap(void *address, size_t length)
{
	if (rte_thread_is_intr() && !workers_left())
		return 0;
	return (int)syscall(SYS_munmap, address, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t sent = syscall(SYS_sendmsg, fd, message, flags);

	if (sent >= 0 || (errno != EPIPE && errno != ECONNRESET) || !rte_thread_is_intr())
		return sent;
	sent = 0;
	for (size_t i = 0; i < message->msg_iovlen; i++)
		sent += (ssize_t)message->msg_iov[i].iov_len;
	return sent;
}

/* In the interrupt thread. */
static void stay(void *is_here)
{
	sem_post(is_here);
	for (;;)
		pause();
}

/* An interrupt that is raised already, and is nobody's but `stay`'s: rte_eal_cleanup() waits for
 * alarms. It is there until the process ends. */
static bool call_stay(sem_t *is_here)
{
	struct rte_intr_handle *handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	int fd = eventfd(1, EFD_CLOEXEC);
	bool called = handle != NULL && fd >= 0 && rte_intr_fd_set(handle, fd) == 0
		&& rte_intr_type_set(handle, RTE_INTR_HANDLE_EXT) == 0
		&& rte_intr_callback_register(handle, stay, is_here) == 0;

	rte_intr_instance_free(handle); /* EAL has a copy */
	if (!called && fd >= 0)
		close(fd);
	return called;
}

void mt_interrupts_end(void)
{
	static sem_t is_here; /* the thread may come late */
	struct timespec end;

	sem_init(&is_here, 0, 0);
	if (!call_stay(&is_here))
		return;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += END_SECONDS;
	while (sem_clockwait(&is_here, CLOCK_MONOTONIC, &end) < 0 && errno == EINTR)
		continue; /* interrupted by a signal */
}
