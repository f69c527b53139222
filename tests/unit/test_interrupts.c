/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of DPDK's interrupt thread: a source that a driver has left behind, in memory that EAL
 * unmaps, and an interrupt after that do no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_interrupts.h>

#include "output/interrupt_guard.h"

enum {
	HARM_MS = 200, /* in which the thread would have done it: it does so at once */
};

static void ignore(void *context)
{
	(void)context;
}

/* As the memif driver does with its listener. Returns what can raise the interrupt, or -1. */
static int leave_a_source_behind(void)
{
	struct rte_intr_handle *handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_SHARED);
	int fd = eventfd(0, EFD_NONBLOCK);

	if (handle == NULL || fd < 0 || rte_intr_fd_set(handle, fd) != 0
		|| rte_intr_type_set(handle, RTE_INTR_HANDLE_EXT) != 0
		|| rte_intr_callback_register(handle, ignore, NULL) != 0)
		return -1;
	rte_intr_instance_free(handle);
	return fd;
}

static int end_with_a_source_left(void)
{
	char *arguments[] = {"test_interrupts", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0"};
	const uint64_t one = 1;
	int fd;

	if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0)
		return 1;
	fd = leave_a_source_behind();
	if (fd < 0)
		return 2;
	mt_interrupts_end();
	if (rte_eal_cleanup() != 0 || write(fd, &one, sizeof(one)) != sizeof(one))
		return 3;
	poll(NULL, 0, HARM_MS);
	return 0;
}

static void interrupts_after_the_end_do_no_harm(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(end_with_a_source_left());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interrupts_after_the_end_do_no_harm),
	};

	return cmocka_run_group_tests_name("interrupts", tests, NULL, NULL);
}
