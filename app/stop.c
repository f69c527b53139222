/* SPDX-License-Identifier: BSD-3-Clause */
#include "stop.h"

#include <signal.h>
#include <stddef.h>

/* The only thing that a signal handler may write. */
static volatile sig_atomic_t *flag(void)
{
	static volatile sig_atomic_t wanted;

	return &wanted;
}

static void on_signal(int number)
{
	(void)number;
	*flag() = 1;
}

void stop_on_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool stop_wanted(void)
{
	return *flag() != 0;
}

void stop_now(void)
{
	*flag() = 1;
}
