/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/test_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/daemon.h"

static struct mt_ethdev_life *life_of(struct mt_daemon *daemon, const char *kind, unsigned place)
{
	if (strcmp(kind, "port") == 0 && place < daemon->ports_count)
		return &daemon->ports[place].life;
	if (strcmp(kind, "output") == 0 && place < daemon->snapshot->outputs_count)
		return daemon->snapshot->outputs[place]->life;
	return NULL;
}

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
	char word[16], kind[16];
	unsigned place;

	if (file == NULL)
		return;
	while (fscanf(file, "%15s %15s %u", word, kind, &place) == 3) {
		struct mt_ethdev_life *life = life_of(daemon, kind, place);

		for (size_t e = 0; e < sizeof(events) / sizeof(*events); e++) {
			if (strcmp(word, events[e].word) == 0 && life != NULL)
				mt_ethdev_raise(life, events[e].event);
		}
	}
	fclose(file);
	unlink(path);
}
