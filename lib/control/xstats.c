/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/xstats.h"

#include <stdio.h>
#include <string.h>

static bool ends_with(const char *text, const char *end)
{
	size_t text_length = strlen(text);
	size_t end_length = strlen(end);

	return text_length > end_length && strcmp(text + text_length - end_length, end) == 0;
}

/* rx_q0_errors and rx_q0errors: DPDK's own basic statistics have been written both ways. */
static bool parse_queue(const char *name, struct mt_xstat *xstat)
{
	int used = 0;

	if (sscanf(name, "rx_q%u%n", &xstat->queue, &used) != 1 || used == 0)
		return false;
	xstat->name = name + used + (name[used] == '_');
	xstat->kind = MT_XSTAT_QUEUE;
	return xstat->queue < 1024 && *xstat->name != '\0';
}

bool mt_xstat_parse(const char *name, struct mt_xstat *xstat)
{
	static const char *const device[] = {"wd_expired", "tx_drops"};

	xstat->queue = 0;
	xstat->name = name;
	if (ends_with(name, "_allowance_exceeded")) {
		xstat->kind = MT_XSTAT_ALLOWANCE_EXCEEDED;
		return true;
	}
	if (ends_with(name, "_allowance_available")) {
		xstat->kind = MT_XSTAT_ALLOWANCE_AVAILABLE;
		return true;
	}
	for (unsigned i = 0; i < sizeof(device) / sizeof(*device); i++) {
		if (strcmp(name, device[i]) == 0) {
			xstat->kind = MT_XSTAT_DEVICE;
			return true;
		}
	}
	return parse_queue(name, xstat);
}
