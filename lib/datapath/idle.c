/* SPDX-License-Identifier: BSD-3-Clause */
#define ALLOW_EXPERIMENTAL_API /* rte_power_pause, until DPDK 23.11 */
#include "datapath/idle.h"

#include <sys/prctl.h>
#include <time.h>

#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_power_intrinsics.h>

enum {
	/* Bursts follow each other with gaps: what comes soon shall not find a worker resting. */
	PAUSE_AFTER = 64,
	SLEEP_AFTER = 1024,
	TIMER_SLACK_NS = 1000, /* the default, 50 microseconds, would double every sleep */
};

void mt_idle_init(struct mt_idle *idle, enum mt_idle_mode mode)
{
	struct rte_cpu_intrinsics cpu;

	rte_cpu_get_intrinsics_support(&cpu);
	*idle = (struct mt_idle){
		.mode = mode,
		.waitpkg = cpu.power_pause,
		.pause_tsc = rte_get_tsc_hz() * MT_IDLE_PAUSE_NS / NS_PER_S,
	};
	if (mode == MT_IDLE_SLEEP)
		prctl(PR_SET_TIMERSLACK, (unsigned long)TIMER_SLACK_NS, 0, 0, 0);
}

static void pause_until(const struct mt_idle *idle, uint64_t tsc)
{
	if (idle->waitpkg) {
		rte_power_pause(tsc);
		return;
	}
	while (rte_rdtsc() < tsc)
		rte_pause();
}

void mt_idle_rest(struct mt_idle *idle)
{
	if (idle->empties < SLEEP_AFTER)
		idle->empties++;
	if (idle->mode == MT_IDLE_SLEEP && idle->empties == SLEEP_AFTER)
		nanosleep(&(struct timespec){.tv_nsec = MT_IDLE_SLEEP_NS}, NULL);
	else if (idle->mode == MT_IDLE_PAUSE && idle->empties >= PAUSE_AFTER)
		pause_until(idle, rte_rdtsc() + idle->pause_tsc);
}
