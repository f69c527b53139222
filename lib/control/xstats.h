/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of a driver's extended statistics an operator should see, by name: ENA's allowances, which
 * tell that the instance dropped and not the program, its watchdog, and what single receive queues
 * lost. */
#pragma once

#include <stdbool.h>

enum mt_xstat_kind {
	MT_XSTAT_ALLOWANCE_EXCEEDED,  /* packets over one of the instance's limits */
	MT_XSTAT_ALLOWANCE_AVAILABLE, /* what is left of one: no counter */
	MT_XSTAT_DEVICE,              /* wd_expired, tx_drops */
	MT_XSTAT_QUEUE,               /* rx_qN_* */
};

struct mt_xstat {
	enum mt_xstat_kind kind;
	unsigned queue;   /* MT_XSTAT_QUEUE */
	const char *name; /* inside the name that was parsed; without rx_qN_ for a queue */
};

/* Returns false for a statistic that is not wanted. */
bool mt_xstat_parse(const char *name, struct mt_xstat *xstat);
