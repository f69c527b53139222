/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/pcapng_session.h"

#include <inttypes.h>
#include <stdio.h>

#include "output/pcapng_blocks.h"
#include "output/vni_table.h"

uint32_t mt_pcapng_put_session(uint8_t *to, uint32_t number, uint32_t vni, uint32_t snap,
	bool (*describe)(void *context, uint32_t vni, struct mt_output_session *session),
	void *context)
{
	struct mt_output_session session = {0};
	struct mt_pcapng_interface interface = {.name = session.name, .snap = snap};
	char text[sizeof(session.description) + 32];

	if (number == MT_VNI_OTHER) {
		interface.name = "other";
	} else if (describe != NULL && describe(context, vni, &session)) {
		snprintf(text, sizeof(text), "vni %" PRIu32 "%s%s", vni,
			session.description[0] != '\0' ? ": " : "", session.description);
		interface.description = text;
	} else {
		snprintf(session.name, sizeof(session.name), "vni %" PRIu32, vni);
	}
	return mt_pcapng_put_interface(to, &interface);
}
