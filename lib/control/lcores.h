/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL's --lcores syntax, read without EAL so that --check can plan before anything is started:
 * LCORES[@CPUS][,...], each of the two a number, a range, or a group of both in parentheses.
 * https://doc.dpdk.org/guides/linux_gsg/linux_eal_parameters.html */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MT_LCORES_MAX_ID = 128,   /* lcore ids are below: EAL's RTE_MAX_LCORE */
	MT_LCORES_MAX_CPU = 1024, /* CPU numbers are below: CPU_SETSIZE */
};

struct mt_cpus {
	uint64_t bits[MT_LCORES_MAX_CPU / 64];
};

struct mt_lcores {
	struct {
		unsigned id;
		struct mt_cpus cpus; /* that it may run on */
	} list[MT_LCORES_MAX_ID];    /* in the order written, a range or group upwards */
	unsigned count;
};

static inline bool mt_cpus_has(const struct mt_cpus *cpus, unsigned cpu)
{
	return cpu < MT_LCORES_MAX_CPU && (cpus->bits[cpu / 64] >> cpu % 64 & 1) != 0;
}

static inline void mt_cpus_add(struct mt_cpus *cpus, unsigned cpu)
{
	cpus->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

/* Returns 0, or -EINVAL and what is wrong in `problem`. What EAL takes by accident (text behind a
 * group, an lcore named twice) is refused. */
int mt_lcores_parse(const char *text, struct mt_lcores *lcores, char *problem, size_t size);

/* Plain ids and ranges: "1,3-5". Also the format of the kernel's CPU lists. */
int mt_lcores_parse_ids(const char *text, struct mt_cpus *ids, char *problem, size_t size);

/* Writes a set as "0-2,5". */
void mt_lcores_format(const struct mt_cpus *set, char *text, size_t size);

/* The CPUs of this machine that are online. Not the affinity of the caller: a running daemon's
 * control thread is bound to one CPU and must still be able to plan. */
void mt_lcores_online(struct mt_cpus *cpus);
