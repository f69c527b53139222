/* SPDX-License-Identifier: BSD-3-Clause */
/* Device events on demand, in builds with -Dtest_events=true only: the tests' way to a reset that
 * no virtual device asks for by itself. */
#pragma once

struct mt_daemon;

#ifdef MT_TEST_EVENTS
/* Reads lines like "reset port 0", "remove output 1" or "link port 1" (numbers: places in the
 * configuration) from the file that the environment names as MIRRORTAP_TEST_EVENTS, removes the
 * file and raises the events. */
void mt_test_events(struct mt_daemon *daemon);
#else
static inline void mt_test_events(struct mt_daemon *daemon)
{
	(void)daemon;
}
#endif
