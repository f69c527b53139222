/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of a driver's extended statistics an operator should see, by name: ENA's allowances, which
 * tell that the instance dropped and not the program, its watchdog, and what single receive queues
 * lost. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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

/* A counter of a driver, which may begin anew when its device is reset or comes back: ours goes
 * on. */
struct mt_driver_count {
	uint64_t value; /* what is shown */
	uint64_t base;  /* of it, what was counted before the driver began anew */
};

/* Takes what the driver says. `restarted`: its device was, since the last time; a driver that kept
 * its counter nevertheless is seen by that it did not go back. */
static inline void mt_driver_count_see(struct mt_driver_count *count, uint64_t raw, bool restarted)
{
	if (restarted && raw < count->value - count->base)
		count->base = count->value;
	count->value = count->base + raw;
}
