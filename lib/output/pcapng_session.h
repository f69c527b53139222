/* SPDX-License-Identifier: BSD-3-Clause */
/* What a session is as an interface of a pcapng file, the same in capture files and live. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "output/output.h"

/* Describes the session of `vni`, whose number is `number` (MT_VNI_OTHER: all the others), as in
 * mt_pcapng_put_interface(), with its name and description where `describe` knows them; it may be
 * NULL. Needs MT_PCAPNG_MAX_INTERFACE_BYTES; returns how many it put. */
uint32_t mt_pcapng_put_session(uint8_t *to, uint32_t number, uint32_t vni, uint32_t snap,
	bool (*describe)(void *context, uint32_t vni, struct mt_output_session *session),
	void *context);
