/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/interrupt_guard.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_interrupts.h>

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
