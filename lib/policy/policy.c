/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/policy.h"

#include <stdio.h>

#include <rte_branch_prediction.h>
#include <rte_malloc.h>

#include "packet/frame_info.h"
#include "policy/filters.h"
#include "policy/sessions.h"

struct mt_policy {
	struct mt_session_table sessions;
	struct mt_filters filters;
	struct mt_session_policy unknown; /* what VNIs without a session get */
	bool chooses;
	bool outputs_decide; /* some output has a filter or samples */
	uint16_t outputs_count;
	uint32_t all_outputs; /* what a frame gets for which nobody names outputs */
	struct {
		const struct mt_filter_entry *filter; /* NULL: none */
		uint32_t sample;
		bool sample_packets;
	} outputs[MT_POLICY_MAX_OUTPUTS];
};

bool mt_policy_spec_is_empty(const struct mt_policy_spec *spec)
{
	for (unsigned o = 0; o < spec->outputs_count; o++) {
		if (spec->outputs[o].filter != NULL || spec->outputs[o].sample > 1)
			return false;
	}
	return spec->sessions_count == 0 && !spec->drop_unknown;
}

static void take_outputs(struct mt_policy *policy, const struct mt_policy_spec *spec)
{
	policy->outputs_count = spec->outputs_count;
	policy->all_outputs = ((UINT32_C(1) << spec->outputs_count) - 1) & ~spec->gaps;
	for (unsigned o = 0; o < spec->outputs_count; o++) {
		const struct mt_output_policy *output = &spec->outputs[o];

		if (output->filter != NULL)
			policy->outputs[o].filter =
				&policy->filters.entries[output->filter - spec->filters];
		policy->outputs[o].sample = output->sample;
		policy->outputs[o].sample_packets = output->sample_packets;
		policy->outputs_decide |= output->filter != NULL || output->sample > 1;
	}
}

/* Does any session or rule name outputs, or any output decide for itself? */
static bool chooses(const struct mt_policy *policy, const struct mt_policy_spec *spec)
{
	bool any = policy->outputs_decide;

	for (unsigned s = 0; s < spec->sessions_count; s++)
		any |= spec->sessions[s].treatment.outputs != 0;
	for (unsigned f = 0; f < spec->filters_count; f++) {
		for (unsigned r = 0; r < spec->filters[f].rules_count; r++)
			any |= spec->filters[f].rules[r].treatment.outputs != 0;
	}
	return any;
}

struct mt_policy *mt_policy_create(
	const struct mt_policy_spec *spec, char *error, size_t error_size)
{
	struct mt_policy *policy = rte_zmalloc("mt_policy", sizeof(*policy), RTE_CACHE_LINE_SIZE);

	if (policy == NULL || mt_session_table_make(&policy->sessions, spec) < 0) {
		snprintf(error, error_size,
			"sessions: no memory; use fewer or give EAL more hugepages");
		rte_free(policy);
		return NULL;
	}
	if (mt_filters_make(&policy->filters, spec, error, error_size) < 0) {
		mt_session_table_free(&policy->sessions);
		rte_free(policy);
		return NULL;
	}
	take_outputs(policy, spec);
	policy->chooses = chooses(policy, spec);
	return policy;
}

void mt_policy_destroy(struct mt_policy *policy)
{
	if (policy == NULL)
		return;
	mt_filters_free(&policy->filters);
	mt_session_table_free(&policy->sessions);
	rte_free(policy);
}

bool mt_policy_chooses(const struct mt_policy *policy)
{
	return policy->chooses;
}

const struct mt_session_spec *mt_policy_session(const struct mt_policy *policy, uint32_t vni)
{
	const struct mt_session_policy *entry = mt_session_table_find(&policy->sessions, vni);

	return entry == NULL ? NULL : entry->session;
}

const char *mt_policy_session_name(const struct mt_policy *policy, uint32_t vni)
{
	const struct mt_session_spec *session = mt_policy_session(policy, vni);

	return session == NULL ? NULL : session->name;
}

/* --- decisions --- */

/* Keys of a burst, each read when it is first needed. */
struct keys {
	struct mt_key keys[MT_POLICY_BURST];
	uint64_t read; /* set of those that were */
};

static struct mt_key *key_of(struct keys *keys, struct rte_mbuf *frame, uint16_t i)
{
	if ((keys->read >> i & 1) == 0) {
		mt_key_read(frame, mt_frame_flags(mt_frame_info(frame)), &keys->keys[i]);
		keys->read |= UINT64_C(1) << i;
	}
	return &keys->keys[i];
}

/* xorshift64* (Marsaglia 2003, Vigna 2016): the upper half is what is good of it. */
static uint32_t next_random(struct mt_policy_state *state)
{
	state->random ^= state->random >> 12;
	state->random ^= state->random << 25;
	state->random ^= state->random >> 27;
	return (uint32_t)(state->random * UINT64_C(2685821657736338717) >> 32);
}

/* Is this frame one of those that are kept, 1 in `sample`? Of a flow all or none, in both
 * directions and on every machine. The queue is chosen by the flow hash too, and other places
 * sample by it, so it is mixed anew, with a salt for each. (The finish of MurmurHash3.) */
static bool keep(struct mt_policy_state *state, const struct rte_mbuf *frame, uint32_t sample,
	bool packets, uint32_t salt)
{
	uint32_t mixed = frame->hash.rss ^ salt * 0x9e3779b9u;

	if (packets) {
		mixed = next_random(state);
	} else {
		mixed = (mixed ^ mixed >> 16) * 0x85ebca6bu;
		mixed = (mixed ^ mixed >> 13) * 0xc2b2ae35u;
		mixed ^= mixed >> 16;
	}
	return (uint64_t)mixed * sample >> 32 == 0;
}

enum {
	SALT_SESSION = 1,
	SALT_OUTPUT = 2, /* and the output's place */
};

/* What a rule says takes the place of what its session says. */
static struct mt_treatment refine(
	const struct mt_treatment *session, const struct mt_treatment *rule)
{
	struct mt_treatment treatment = *session;

	if (rule->outputs != 0)
		treatment.outputs = rule->outputs;
	if (rule->truncate != 0)
		treatment.truncate = rule->truncate;
	if (rule->sample != 0) {
		treatment.sample = rule->sample;
		treatment.sample_packets = rule->sample_packets;
	}
	return treatment;
}

static void apply_session_filters(const struct mt_policy *policy, struct mt_filter_job *jobs,
	const uint16_t *places, uint16_t count, struct mt_decision *decisions,
	struct mt_treatment *treatments)
{
	mt_filters_run(&policy->filters, jobs, count);
	for (uint16_t j = 0; j < count; j++) {
		const struct mt_rule *rule = jobs[j].rule;
		uint16_t i = places[j];

		decisions[i].filter = jobs[j].filter->filter;
		decisions[i].rule = rule;
		if (rule == NULL || !rule->accept)
			decisions[i].verdict = MT_VERDICT_FILTER_REJECTED;
		else
			treatments[i] = refine(&treatments[i], &rule->treatment);
	}
}

/* One output's own filter, then its sampling, on what it is offered. */
static void apply_output(const struct mt_policy *policy, unsigned output,
	struct mt_policy_state *state, struct rte_mbuf *const *frames, uint16_t count,
	struct keys *keys, struct mt_decision *decisions)
{
	const struct mt_filter_entry *filter = policy->outputs[output].filter;
	uint32_t sample = policy->outputs[output].sample;
	struct mt_filter_job jobs[MT_POLICY_BURST];
	uint16_t places[MT_POLICY_BURST];
	uint16_t offered = 0;

	for (uint16_t i = 0; i < count; i++) {
		if (decisions[i].verdict != MT_VERDICT_ACCEPTED
			|| (decisions[i].choices >> output & MT_CHOICE_DELIVER) == 0)
			continue;
		places[offered] = i;
		jobs[offered].frame = frames[i];
		jobs[offered].filter = filter;
		if (filter != NULL)
			jobs[offered].key = key_of(keys, frames[i], i);
		offered++;
	}
	if (filter != NULL)
		mt_filters_run(&policy->filters, jobs, offered);
	for (uint16_t j = 0; j < offered; j++) {
		uint32_t *choices = &decisions[places[j]].choices;

		if (filter != NULL && (jobs[j].rule == NULL || !jobs[j].rule->accept))
			*choices ^= (uint32_t)MT_CHOICE_SAMPLED << output; /* now FILTERED */
		else if (sample > 1
			&& !keep(state, frames[places[j]], sample,
				policy->outputs[output].sample_packets, SALT_OUTPUT + output))
			*choices |= (uint32_t)MT_CHOICE_SAMPLED << output;
	}
}

/* Finds a frame's session. False: it has its verdict. */
static bool enter_session(const struct mt_policy *policy, const struct mt_frame_info *info,
	const struct mt_session_policy **entry, struct mt_decision *decision)
{
	uint32_t vni = mt_frame_vni(info);

	*decision = (struct mt_decision){.verdict = MT_VERDICT_ACCEPTED};
	*entry = mt_session_table_find(&policy->sessions, vni);
	if (*entry == NULL) {
		*entry = &policy->unknown;
		if (policy->sessions.drop_unknown)
			decision->verdict = MT_VERDICT_SESSION_UNKNOWN;
	} else {
		decision->session = (*entry)->session;
		if ((*entry)->ranges_count > 0
			&& !mt_session_table_allow(&policy->sessions, *entry, info->source))
			decision->verdict = MT_VERDICT_SOURCE_NOT_ALLOWED;
	}
	return decision->verdict == MT_VERDICT_ACCEPTED;
}

/* What is left to say of a frame that its session and filter accept. */
static void finish(const struct mt_policy *policy, struct mt_policy_state *state,
	const struct rte_mbuf *frame, const struct mt_treatment *treatment,
	struct mt_decision *decision)
{
	if (treatment->sample > 1
		&& !keep(
			state, frame, treatment->sample, treatment->sample_packets, SALT_SESSION)) {
		decision->verdict = MT_VERDICT_SAMPLED_OUT;
		return;
	}
	decision->truncate = treatment->truncate;
	decision->choices = treatment->outputs != 0 ? treatment->outputs : policy->all_outputs;
}

void mt_policy_decide(const struct mt_policy *policy, struct mt_policy_state *state,
	struct rte_mbuf *const *frames, uint16_t count, struct mt_decision *decisions)
{
	struct mt_treatment treatments[MT_POLICY_BURST];
	struct mt_filter_job jobs[MT_POLICY_BURST];
	uint16_t places[MT_POLICY_BURST];
	uint16_t filtered = 0;
	struct keys keys;

	keys.read = 0;
	for (uint16_t i = 0; i < count; i++) {
		const struct mt_session_policy *entry;

		if (!enter_session(policy, mt_frame_info(frames[i]), &entry, &decisions[i]))
			continue;
		treatments[i] = entry->treatment;
		if (entry->filter == 0)
			continue;
		places[filtered] = i;
		jobs[filtered++] = (struct mt_filter_job){
			.filter = &policy->filters.entries[entry->filter - 1],
			.key = key_of(&keys, frames[i], i),
			.frame = frames[i],
		};
	}
	if (filtered > 0)
		apply_session_filters(policy, jobs, places, filtered, decisions, treatments);
	for (uint16_t i = 0; i < count; i++) {
		if (likely(decisions[i].verdict == MT_VERDICT_ACCEPTED))
			finish(policy, state, frames[i], &treatments[i], &decisions[i]);
	}
	for (unsigned o = 0; policy->outputs_decide && o < policy->outputs_count; o++) {
		if (policy->outputs[o].filter != NULL || policy->outputs[o].sample > 1)
			apply_output(policy, o, state, frames, count, &keys, decisions);
	}
}
