/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of sessions for a live capture, as they are when it begins: copies, so that it may outlive
 * the configuration that they come from. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "output/output.h"
#include "policy/spec.h"

struct mt_live_names {
	struct mt_live_name {
		uint32_t vni;
		struct mt_output_session session;
	} * list; /* by VNI */
	uint32_t count;
};

/* Copies what `sessions` are called. Returns 0 or -ENOMEM. */
int mt_live_names_copy(
	struct mt_live_names *names, const struct mt_session_spec *sessions, unsigned count);
void mt_live_names_free(struct mt_live_names *names);

/* A `describe` of struct mt_output_settings; `names` is a struct mt_live_names. */
bool mt_live_names_describe(void *names, uint32_t vni, struct mt_output_session *session);

/* The session of this name; NULL: there is none. */
const struct mt_session_spec *mt_live_names_find(
	const struct mt_session_spec *sessions, unsigned count, const char *name);
