/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/test_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/lifecycle.h"

void mt_test_events(struct mt_daemon *daemon)
{
	static const struct {
		const char *word;
		enum rte_eth_event_type event;
	} events[] = {
		{"reset", RTE_ETH_EVENT_INTR_RESET},
		{"remove", RTE_ETH_EVENT_INTR_RMV},
		{"link", RTE_ETH_EVENT_INTR_LSC},
	};
	const char *path = getenv("MIRRORTAP_TEST_EVENTS");
	FILE *file = path != NULL ? fopen(path, "re") : NULL;
	char word[16];
	unsigned port;

	if (file == NULL)
		return;
	while (fscanf(file, "%15s %u", word, &port) == 2) {
		for (size_t e = 0; e < sizeof(events) / sizeof(*events); e++) {
			if (strcmp(word, events[e].word) == 0 && port < daemon->ports_count)
				mt_lifecycle_raise(&daemon->ports[port], events[e].event);
		}
	}
	fclose(file);
	unlink(path);
}
