/* SPDX-License-Identifier: BSD-3-Clause */
/* Policy: what shall become of each inner frame. One immutable object, made by control, that all
 * workers read; pure of ports, threads and clocks. docs/sessions-and-filters.md says what it does.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "packet/verdict.h"
#include "policy/spec.h"

enum {
	MT_POLICY_BURST = 64, /* frames that one call takes at most */
};

struct mt_policy;

/* Which outputs get a frame, two sets in one word: bit o, and bit o + 16. It travels in the mbuf.
 */
enum mt_choice {
	MT_CHOICE_NONE = 0, /* not offered to the output */
	MT_CHOICE_DELIVER = 1,
	MT_CHOICE_FILTERED = 1 << 16, /* offered, and its own filter says no */
	MT_CHOICE_SAMPLED = MT_CHOICE_DELIVER | MT_CHOICE_FILTERED, /* so does its sampling */
};

/* Where a frame's choice is kept, between the policy stage and delivery: a field of the mbuf that
 * only a device with a flow director would use, in its first cache line. */
static inline uint32_t *mt_frame_choices(struct rte_mbuf *frame)
{
	return &frame->hash.fdir.hi;
}

static inline const uint32_t *mt_frame_choices_of(const struct rte_mbuf *frame)
{
	return &frame->hash.fdir.hi;
}

/* The set of outputs that get the frame, bit o for output o. */
static inline uint32_t mt_choices_delivered(uint32_t choices)
{
	return choices & ~(choices >> 16) & UINT16_MAX;
}

static inline enum mt_choice mt_choice_of(uint32_t choices, unsigned output)
{
	return (enum mt_choice)(choices >> output & MT_CHOICE_SAMPLED);
}

struct mt_decision {
	uint8_t verdict;   /* enum mt_verdict */
	uint32_t choices;  /* of the outputs */
	uint32_t truncate; /* keep so many bytes; 0: all */
	/* For a person: which rule decided, and of what. NULL: none did. */
	const struct mt_session_spec *session;
	const struct mt_filter *filter;
	const struct mt_rule *rule;
};

/* What one caller, a worker, keeps between calls. */
struct mt_policy_state {
	uint64_t random; /* not 0 */
};

/* Makes a policy; EAL must have been started. Copies all of `spec` but what the pointers in
 * struct mt_decision lead to: that must live as long. Returns NULL on failure, with one line in
 * `error`. */
struct mt_policy *mt_policy_create(
	const struct mt_policy_spec *spec, char *error, size_t error_size);

void mt_policy_destroy(struct mt_policy *policy);

/* Decides on inner frames with their frame information and flow hash. Changes no frame. At most
 * MT_POLICY_BURST. */
void mt_policy_decide(const struct mt_policy *policy, struct mt_policy_state *state,
	struct rte_mbuf *const *frames, uint16_t count, struct mt_decision *decisions);

/* True if not all frames go to all outputs, so that the choice matters. */
bool mt_policy_chooses(const struct mt_policy *policy);

/* The session of a VNI, or NULL. Any thread. */
const struct mt_session_spec *mt_policy_session(const struct mt_policy *policy, uint32_t vni);

/* The name of a VNI's session, or NULL. Any thread. */
const char *mt_policy_session_name(const struct mt_policy *policy, uint32_t vni);
