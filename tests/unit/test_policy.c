/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions and filters: random ones against the plain way of random_policy.c, and what random ones
 * do not show: sampling, many sessions, ranges of sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_malloc.h>

#include "packet/frame_info.h"
#include "policy/policy.h"
#include "random_packet.h"
#include "random_policy.h"

enum {
	SETS = 10000,
	BPF_SETS = 500,
	FRAMES = MT_POLICY_BURST,
};

static struct mt_policy *create(const struct mt_policy_spec *spec)
{
	char error[256] = "";
	struct mt_policy *policy = mt_policy_create(spec, error, sizeof(error));

	if (policy == NULL)
		fail_msg("%s", error);
	return policy;
}

/* The frame in up to four segments, with the information that the stage before gives it. */
static struct rte_mbuf *make(const struct random_frame *frame, struct chain *chain)
{
	uint32_t cuts[3];
	unsigned count = random_one_in(2) ? 0 : random_below(4);
	struct rte_mbuf *head;

	for (unsigned c = 0; c < count; c++)
		cuts[c] = (c == 0 ? 0 : cuts[c - 1]) + random_below(30);
	chain_split(chain, frame->packet.bytes, frame->packet.length, cuts, count);
	head = &chain->segments[0];
	head->nb_segs = (uint16_t)chain->count;
	head->hash.rss = random_next();
	*mt_frame_info(head) = (struct mt_frame_info){
		.source = frame->outer_source,
		.vni_flags = frame->vni << 8 | frame->flags,
		.original_length = frame->packet.length,
	};
	return head;
}

static void expect(const struct mt_decision *got, const struct mt_decision *wanted, unsigned set,
	unsigned frame)
{
	if (got->verdict == wanted->verdict && got->session == wanted->session
		&& got->filter == wanted->filter && got->rule == wanted->rule
		&& got->choices == wanted->choices && got->truncate == wanted->truncate)
		return;
	fail_msg("set %u, frame %u: %s, rule %u, choices %x, truncate %u; must be %s, rule %u, "
		 "choices %x, truncate %u",
		set, frame, mt_verdict_name(got->verdict),
		got->rule != NULL ? got->rule->number : 0, got->choices, got->truncate,
		mt_verdict_name(wanted->verdict), wanted->rule != NULL ? wanted->rule->number : 0,
		wanted->choices, wanted->truncate);
}

/* How often each verdict and kind of match came, so that the test cannot pass by seeing nothing. */
struct seen {
	unsigned verdicts[MT_VERDICT_COUNT];
	unsigned rules;
	unsigned bpf_rules;
	unsigned filtered;
};

static void note(struct seen *seen, const struct mt_decision *decision)
{
	seen->verdicts[decision->verdict]++;
	seen->rules += decision->rule != NULL;
	seen->bpf_rules += decision->rule != NULL && decision->rule->bpf != NULL;
	seen->filtered += (decision->choices >> 16) != 0;
}

static void run_set(unsigned set, bool bpf, struct seen *seen)
{
	static struct random_policy made;
	static struct random_frame frames[FRAMES];
	static struct chain chains[FRAMES];
	struct mt_policy_state state = {.random = 1};
	struct mt_decision decisions[FRAMES];
	struct rte_mbuf *mbufs[FRAMES];
	struct mt_policy *policy;
	uint16_t count = (uint16_t)(1 + random_below(FRAMES));

	random_policy(&made, bpf);
	policy = create(&made.spec);
	for (uint16_t i = 0; i < count; i++) {
		random_frame(&frames[i]);
		mbufs[i] = make(&frames[i], &chains[i]);
	}
	mt_policy_decide(policy, &state, mbufs, count, decisions);
	for (uint16_t i = 0; i < count; i++) {
		struct mt_decision wanted;

		plain_decision(&made.spec, &frames[i], &wanted);
		expect(&decisions[i], &wanted, set, i);
		note(seen, &wanted);
		chain_free(&chains[i]);
	}
	mt_policy_destroy(policy);
}

static void random_sets_match_the_plain_way(void **state)
{
	struct seen seen = {0};

	(void)state;
	for (unsigned set = 0; set < SETS; set++)
		run_set(set, false, &seen);
	for (unsigned v = MT_VERDICT_SESSION_UNKNOWN; v <= MT_VERDICT_FILTER_REJECTED; v++)
		assert_true(seen.verdicts[v] > SETS / 2);
	assert_true(seen.verdicts[MT_VERDICT_ACCEPTED] > SETS / 2);
	assert_true(seen.rules > SETS / 2);
	assert_true(seen.filtered > SETS / 2);
}

static void random_sets_with_bpf_match_the_plain_way(void **state)
{
	struct seen seen = {0};

	(void)state;
	for (unsigned set = 0; set < BPF_SETS; set++)
		run_set(set, true, &seen);
	assert_true(seen.bpf_rules > BPF_SETS / 8);
}

static int start(void **state)
{
	char *arguments[] = {"test_policy", "--no-huge", "-m", "256", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0"};

	(void)state;
	return rte_eal_init(RTE_DIM(arguments), arguments) < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sets_match_the_plain_way),
		cmocka_unit_test(random_sets_with_bpf_match_the_plain_way),
	};

	return cmocka_run_group_tests(tests, start, end);
}
