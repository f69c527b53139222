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

/* --- sampling --- */

/* A frame that only has a VNI and a flow hash. */
static struct rte_mbuf *bare(struct rte_mbuf *frame, uint32_t vni, uint32_t hash)
{
	static uint8_t bytes[64];

	*frame = (struct rte_mbuf){.buf_addr = bytes, .data_len = 64, .pkt_len = 64, .nb_segs = 1};
	frame->hash.rss = hash;
	*mt_frame_info(frame) = (struct mt_frame_info){.vni_flags = vni << 8};
	return frame;
}

static struct mt_decision decide_one(
	struct mt_policy *policy, struct mt_policy_state *state, uint32_t vni, uint32_t hash)
{
	struct mt_decision decision;
	struct rte_mbuf mbuf;
	struct rte_mbuf *frame = bare(&mbuf, vni, hash);

	mt_policy_decide(policy, state, &frame, 1, &decision);
	return decision;
}

/* 1 in N of the flows, whole flows, of every queue, and again 1 in N of them at an output. */
static void samples_flows(void **state)
{
	enum { FLOWS = 100000, N = 10 };
	struct mt_session_spec session = {.vni = 1, .name = "s", .treatment.sample = N};
	struct mt_policy_spec spec = {
		.sessions = &session,
		.sessions_count = 1,
		.outputs = {{.sample = N}},
		.outputs_count = 2,
	};
	struct mt_policy *policy = create(&spec);
	struct mt_policy_state random = {.random = 1};
	unsigned kept = 0, at_output = 0, at_other = 0, first_half = 0;

	(void)state;
	for (unsigned f = 0; f < FLOWS; f++) {
		uint32_t hash = random_next();
		struct mt_decision decision = decide_one(policy, &random, 1, hash);
		struct mt_decision again = decide_one(policy, &random, 1, hash);

		assert_int_equal(decision.verdict, again.verdict);
		assert_int_equal(decision.choices, again.choices);
		if (decision.verdict != MT_VERDICT_ACCEPTED) {
			assert_int_equal(decision.verdict, MT_VERDICT_SAMPLED_OUT);
			continue;
		}
		kept++;
		first_half += hash < UINT32_MAX / 2; /* the queues of one half */
		at_output += mt_choice_of(decision.choices, 0) == MT_CHOICE_DELIVER;
		at_other += mt_choice_of(decision.choices, 1) == MT_CHOICE_DELIVER;
		assert_true(mt_choice_of(decision.choices, 0) == MT_CHOICE_DELIVER
			|| mt_choice_of(decision.choices, 0) == MT_CHOICE_SAMPLED);
	}
	/* Six standard deviations of a binomial distribution. */
	assert_in_range(kept, FLOWS / N - 570, FLOWS / N + 570);
	assert_in_range(first_half, kept / 2 - 300, kept / 2 + 300);
	assert_in_range(at_output, FLOWS / N / N - 190, FLOWS / N / N + 190);
	assert_int_equal(at_other, kept);
	mt_policy_destroy(policy);
}

/* 1 in N of the packets of one flow. */
static void samples_packets(void **state)
{
	enum { PACKETS = 100000, N = 4 };
	struct mt_session_spec session = {
		.vni = 1,
		.name = "s",
		.treatment = {.sample = N, .sample_packets = true},
	};
	struct mt_policy_spec spec = {.sessions = &session, .sessions_count = 1};
	struct mt_policy *policy = create(&spec);
	struct mt_policy_state random = {.random = 1};
	unsigned kept = 0;

	(void)state;
	for (unsigned p = 0; p < PACKETS; p++)
		kept += decide_one(policy, &random, 1, 7).verdict == MT_VERDICT_ACCEPTED;
	assert_in_range(kept, PACKETS / N - 830, PACKETS / N + 830);
	mt_policy_destroy(policy);
}

/* A rule's sampling instead of its session's. */
static void samples_by_rule(void **state)
{
	struct mt_rule rule = {
		.number = 1,
		.direction_first = MT_DIRECTION_INGRESS,
		.direction_last = MT_DIRECTION_EGRESS,
		.accept = true,
		.protocol = -1,
		.vlan = -1,
		.icmp_type = -1,
		.source_ports = MT_ALL_PORTS,
		.destination_ports = MT_ALL_PORTS,
		.treatment.sample = 1,
	};
	struct mt_filter filter = {"f", &rule, 1};
	struct mt_session_spec session = {
		.vni = 1,
		.name = "s",
		.filter = &filter,
		.treatment.sample = 1000000,
	};
	struct mt_policy_spec spec = {
		.sessions = &session, .sessions_count = 1, .filters = &filter, .filters_count = 1};
	struct mt_policy *policy = create(&spec);
	struct mt_policy_state random = {.random = 1};

	(void)state;
	for (unsigned f = 0; f < 1000; f++)
		assert_int_equal(
			decide_one(policy, &random, 1, random_next()).verdict, MT_VERDICT_ACCEPTED);
	mt_policy_destroy(policy);
}

/* --- sessions --- */

/* Ten thousand sessions: each VNI is found, none but those, and each has its own sources, which
 * nest and touch. */
static void finds_many_sessions(void **state)
{
	enum { SESSIONS = 10000, SOURCES = 3 };
	struct mt_session_spec *sessions = calloc(SESSIONS, sizeof(*sessions));
	struct mt_cidr(*sources)[SOURCES] = calloc(SESSIONS, sizeof(*sources));
	struct mt_policy_spec spec = {
		.sessions = sessions, .sessions_count = SESSIONS, .drop_unknown = true};
	struct mt_policy_state random = {.random = 1};
	struct mt_policy *policy;
	char names[2][16];

	(void)state;
	assert_non_null(sessions);
	assert_non_null(sources);
	for (uint32_t s = 0; s < SESSIONS; s++) {
		uint32_t network = RTE_BE32(0x0a000000u) | rte_cpu_to_be_32(s << 8);

		/* 10.x.y.0/25 with a host in it, and 10.x.y.128/26 behind it. */
		sources[s][0] =
			(struct mt_cidr){mt_address_from_ipv4(network | RTE_BE32(7)), 128, 4};
		sources[s][1] = (struct mt_cidr){mt_address_from_ipv4(network), 96 + 25, 4};
		sources[s][2] =
			(struct mt_cidr){mt_address_from_ipv4(network | RTE_BE32(128)), 96 + 26, 4};
		sessions[s] = (struct mt_session_spec){
			.vni = s * 1677,
			.name = names[s % 2],
			.sources = sources[s],
			.sources_count = SOURCES,
		};
	}
	policy = create(&spec);
	for (uint32_t s = 0; s < SESSIONS; s++) {
		static const uint8_t hosts[] = {0, 7, 127, 128, 191, 192, 255};
		struct rte_mbuf mbuf;
		struct rte_mbuf *frame = bare(&mbuf, sessions[s].vni, 0);
		struct mt_decision decision;

		for (unsigned h = 0; h < RTE_DIM(hosts); h++) {
			mt_frame_info(frame)->source = mt_address_from_ipv4(
				rte_cpu_to_be_32(0x0a000000u | s << 8 | hosts[h]));
			mt_policy_decide(policy, &random, &frame, 1, &decision);
			assert_ptr_equal(decision.session, &sessions[s]);
			assert_int_equal(decision.verdict,
				hosts[h] < 192 ? MT_VERDICT_ACCEPTED
					       : MT_VERDICT_SOURCE_NOT_ALLOWED);
		}
		assert_int_equal(decide_one(policy, &random, sessions[s].vni + 1, 0).verdict,
			MT_VERDICT_SESSION_UNKNOWN);
		assert_ptr_equal(mt_policy_session_name(policy, sessions[s].vni), names[s % 2]);
	}
	assert_null(mt_policy_session_name(policy, 0xffffff));
	mt_policy_destroy(policy);
	free(sources);
	free(sessions);
}

/* A bad BPF program is refused with filter and rule. */
static void refuses_bad_bpf(void **state)
{
	struct mt_rule rule = {.number = 7, .bpf = "no such thing"};
	struct mt_filter filter = {"broken", &rule, 1};
	struct mt_policy_spec spec = {.filters = &filter, .filters_count = 1};
	char error[256] = "";

	(void)state;
	assert_null(mt_policy_create(&spec, error, sizeof(error)));
	assert_non_null(strstr(error, "filter broken, rule 7: bpf: "));
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
		cmocka_unit_test(samples_flows),
		cmocka_unit_test(samples_packets),
		cmocka_unit_test(samples_by_rule),
		cmocka_unit_test(finds_many_sessions),
		cmocka_unit_test(refuses_bad_bpf),
	};

	return cmocka_run_group_tests(tests, start, end);
}
