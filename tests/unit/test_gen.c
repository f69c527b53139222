/* SPDX-License-Identifier: BSD-3-Clause */
/* mirrorgen without files or ports: what it draws, what frames are, what the receiver's books say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gen_account.h"
#include "gen_broken.h"
#include "gen_choice.h"
#include "gen_options.h"
#include "gen_random.h"
#include "gen_traffic.h"
#include "packet/decapsulate.h"

static const struct gen_ends ends = {
	.target_mac = {2, 0, 0, 0, 0, 2},
	.sender_mac = {2, 0, 0, 0, 0, 1},
	.target = 0x0a000002,
	.target6 = {0x20, 1, 0xd, 0xb8, [15] = 2},
	.source = 0x0a000101,
	.vxlan_port = 4789,
	.geneve_port = 6081,
};

/* --- drawing --- */

/* How often each of `count` is drawn in a million. */
static uint32_t *draw_million(const struct gen_choice *choice, uint32_t count)
{
	uint32_t *drawn = calloc(count, sizeof(*drawn));
	struct gen_random random = {.state = 7};

	assert_non_null(drawn);
	for (unsigned i = 0; i < 1000000; i++) {
		uint32_t one = gen_choice_draw(choice, gen_random_next(&random));

		assert_true(one < count);
		drawn[one]++;
	}
	return drawn;
}

/* Within five standard deviations, and a seed that does not change. */
static void assert_about(uint32_t drawn, double share)
{
	double deviation = sqrt(1e6 * share * (1 - share));

	assert_true(fabs(drawn - 1e6 * share) <= 5 * deviation + 1);
}

static void weights_are_kept(void **state)
{
	const double weights[] = {7, 4, 0, 1};
	struct gen_choice choice;
	uint32_t *drawn;

	(void)state;
	assert_true(gen_choice_make(&choice, weights, 4));
	drawn = draw_million(&choice, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_about(drawn[i], weights[i] / 12);
	assert_int_equal(drawn[2], 0);
	free(drawn);
	gen_choice_free(&choice);
}

static void one_of_one(void **state)
{
	const double weight = 0.3;
	struct gen_choice choice;

	(void)state;
	assert_true(gen_choice_make(&choice, &weight, 1));
	assert_int_equal(gen_choice_draw(&choice, 0), 0);
	assert_int_equal(gen_choice_draw(&choice, UINT64_MAX), 0);
	gen_choice_free(&choice);
}

static void zipf_is_zipf(void **state)
{
	enum { FLOWS = 1000 };
	static const double exponents[] = {0, 0.8, 1, 1.5};
	struct gen_choice choice;

	(void)state;
	for (unsigned e = 0; e < RTE_DIM(exponents); e++) {
		double sum = 0;
		uint32_t *drawn;

		for (unsigned n = 1; n <= FLOWS; n++)
			sum += pow(n, -exponents[e]);
		assert_true(gen_choice_zipf(&choice, FLOWS, exponents[e]));
		drawn = draw_million(&choice, FLOWS);
		for (unsigned n = 1; n <= FLOWS; n++)
			assert_about(drawn[n - 1], pow(n, -exponents[e]) / sum);
		free(drawn);
		gen_choice_free(&choice);
	}
}

static void sizes_are_parsed(void **state)
{
	struct gen_sizes sizes = {0};
	double sum = 0;

	(void)state;
	assert_true(gen_parse_sizes("imix", &sizes));
	assert_int_equal(sizes.count, 3);
	assert_int_equal(sizes.bytes[1], 590);
	assert_true(sizes.weights[0] == 7 && sizes.weights[1] == 4 && sizes.weights[2] == 1);
	assert_true(gen_parse_sizes("100-199:50,1400:50", &sizes));
	assert_int_equal(sizes.count, 101);
	for (unsigned i = 0; i < 100; i++)
		sum += sizes.weights[i];
	assert_true(fabs(sum - 50) < 1e-9 && sizes.weights[100] == 50);
	assert_false(gen_parse_sizes("", &sizes));
	assert_false(gen_parse_sizes("1400-64", &sizes));
	assert_false(gen_parse_sizes("64:-1", &sizes));
	assert_false(gen_parse_sizes("64x", &sizes));
	assert_false(gen_parse_sizes("16001", &sizes));
	free(sizes.bytes);
	free(sizes.weights);
}

/* --- frames --- */

static struct mt_facts read_frame(const uint8_t *bytes, uint32_t length)
{
	/* In a block of its very size, so that a sanitizer sees what reads beyond it. */
	uint8_t *copy = malloc(length);
	struct rte_mbuf frame = {
		.buf_addr = copy, .data_len = (uint16_t)length, .pkt_len = length, .nb_segs = 1};
	struct mt_tunnels tunnels = gen_tunnels(&ends);
	struct mt_facts facts;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	mt_packet_decapsulate(&frame, &tunnels, &facts);
	free(copy);
	return facts;
}

static void malformed_frames_get_their_verdicts(void **state)
{
	unsigned kinds = 0;

	(void)state;
	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++) {
		uint8_t bytes[GEN_BROKEN_BYTES];
		uint32_t length;

		for (unsigned n = 0; (length = gen_broken_make(v, n, &ends, bytes)) != 0; n++) {
			assert_true(length >= 60 && length <= sizeof(bytes));
			assert_string_equal(mt_verdict_name(read_frame(bytes, length).verdict),
				mt_verdict_name(v));
			/* Nor does a link's padding change it. */
			assert_int_equal(read_frame(bytes, sizeof(bytes)).verdict, v);
			kinds += n == 0;
		}
	}
	/* All but accepted, what sessions and filters say (4), and no_headroom, host_full,
	 * queue_full, duplicate, stopped: the daemon's own. */
	assert_int_equal(kinds, MT_VERDICT_COUNT - 10);
}

/* Every shape at every small size, with every truncation that matters. */
static void frames_are_what_they_say(void **state)
{
	static const uint32_t truncations[] = {0, 14, 60, 100};
	double weight = 1;

	(void)state;
	for (uint32_t size = GEN_MIN_INNER; size < 260; size += 7) {
		for (unsigned t = 0; t < RTE_DIM(truncations); t++) {
			struct gen_spec spec = {
				.ends = ends,
				.sources = 3,
				.sessions = 4,
				.first_vni = 10,
				.flows = 200,
				.distribution = GEN_CYCLE,
				.sizes = {&size, &weight, 1},
				.tunnels = {1, 1, 1},
				.ipv6 = 0.5,
				.outer_ipv6 = 0.5,
				.udp = 0.5,
				.fragments = 0.5,
				.copies = 0.5,
				.truncate = truncations[t],
				.seed = 5,
			};
			char error[GEN_ERROR_SIZE];
			struct gen_traffic *traffic = gen_traffic_create(&spec, error);
			uint8_t *bytes = malloc(gen_traffic_room(traffic));

			assert_non_null(bytes);
			gen_traffic_fill(bytes, gen_traffic_room(traffic));
			for (unsigned n = 0; n < 1000; n++) {
				struct gen_next next;
				uint32_t length;
				struct mt_facts facts;

				gen_traffic_choose(traffic, &next, 1);
				length = gen_traffic_write(traffic, &next, bytes, n).length;
				assert_true(length <= gen_traffic_longest(traffic));
				facts = read_frame(bytes, length);
				assert_int_equal(facts.verdict, MT_VERDICT_ACCEPTED);
				assert_int_equal(facts.strip + facts.inner_length, length);
				assert_true(facts.vni >= 10 && facts.vni < 18);
				/* The mirrored interface has the same address inside. */
				if (spec.truncate != 14
					&& (facts.source.high == 0)
						== (bytes[facts.strip + 12] == 0x08))
					assert_true(
						(facts.flags & (MT_FLAG_INGRESS | MT_FLAG_EGRESS))
						!= 0);
				if (truncations[t] != 0)
					assert_true(facts.inner_length <= truncations[t]);
			}
			free(bytes);
			gen_traffic_free(traffic);
		}
	}
}

static uint32_t sum_words(uint32_t sum, const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
	return sum;
}

/* Of pseudo header, header and payload, folded: 0xffff if the checksum in it is right. */
static uint32_t sum_of_packet(const uint8_t *addresses, uint32_t address_bytes, uint8_t protocol,
	const uint8_t *l4, uint32_t length)
{
	uint32_t sum = sum_words(protocol + length, addresses, address_bytes);

	sum = sum_words(sum, l4, length);
	sum = (sum >> 16) + (sum & 0xffff);
	return (sum >> 16) + (sum & 0xffff);
}

/* TCP and UDP checksums, whatever the size, with a mark and without. */
static void inner_checksums_are_right(void **state)
{
	unsigned checked = 0;

	(void)state;
	for (uint32_t size = 40; size < 220; size++) {
		double weight = 1;
		struct gen_spec spec = {
			.ends = ends,
			.sources = 1,
			.sessions = 1,
			.flows = 16,
			.distribution = GEN_CYCLE,
			.sizes = {&size, &weight, 1},
			.tunnels = {1, 1, 1},
			.ipv6 = 0.5,
			.udp = 0.5,
			.copies = 0.5,
			.seed = size,
		};
		char error[GEN_ERROR_SIZE];
		struct gen_traffic *traffic = gen_traffic_create(&spec, error);
		uint8_t *bytes = malloc(gen_traffic_room(traffic));

		assert_non_null(bytes);
		gen_traffic_fill(bytes, gen_traffic_room(traffic));
		for (unsigned n = 0; n < 64; n++) {
			const uint8_t *ip;
			struct gen_next next;
			uint32_t length;

			gen_traffic_choose(traffic, &next, 1);
			length = gen_traffic_write(traffic, &next, bytes, 1700000000123456789 + n)
					 .length;
			ip = bytes + read_frame(bytes, length).strip + 14;
			assert_int_equal(ip[0] == 0x45
					? sum_of_packet(ip + 12, 8, ip[9], ip + 20,
						(uint32_t)(bytes + length - ip - 20))
					: sum_of_packet(ip + 8, 32, ip[6], ip + 40,
						(uint32_t)(bytes + length - ip - 40)),
				0xffff);
			checked += ip[0] != 0x45;
		}
		free(bytes);
		gen_traffic_free(traffic);
	}
	assert_in_range(checked, 1000, 10000);
}

static void marks_are_found(void **state)
{
	const struct gen_mark written = {.run = 1,
		.flow = 2,
		.flow_sequence = 1ull << 40,
		.sequence = 1ull << 41,
		.time_ns = 1700000000123456789,
		.flags = GEN_MARK_INGRESS};
	uint8_t bytes[14 + 20 + 8 + GEN_MARK_LENGTH] = {
		[12] = 8, [14] = 0x45, [17] = 68, [23] = 17};
	struct rte_mbuf frame = {.buf_addr = bytes,
		.data_len = sizeof(bytes),
		.pkt_len = sizeof(bytes),
		.nb_segs = 1};
	struct mt_tunnels tunnels = gen_tunnels(&ends);
	struct gen_mark read;

	(void)state;
	assert_false(gen_mark_find(&frame, &tunnels, &read));
	gen_mark_write(bytes + 42, &written);
	assert_memory_equal(bytes + 42, "MTGN\x01\x01\0\0\0\0\0\x01\0\0\0\x02", 16);
	assert_true(gen_mark_find(&frame, &tunnels, &read));
	assert_true(read.run == written.run && read.flow == written.flow
		&& read.flow_sequence == written.flow_sequence && read.sequence == written.sequence
		&& read.time_ns == written.time_ns && read.flags == written.flags);
	bytes[17]--; /* the packet ends within it */
	assert_false(gen_mark_find(&frame, &tunnels, &read));
}

/* The receiver trusts no length: frames cut anywhere, and with bytes changed, in blocks of their
 * very size, so that a sanitizer sees what reads beyond them. */
static void cut_frames_are_read_safely(void **state)
{
	uint32_t size = 200;
	double weight = 1;
	struct gen_spec spec = {
		.ends = ends,
		.sources = 1,
		.sessions = 1,
		.flows = 64,
		.distribution = GEN_CYCLE,
		.sizes = {&size, &weight, 1},
		.tunnels = {1, 1, 1},
		.ipv6 = 0.5,
		.outer_ipv6 = 0.5,
		.udp = 0.5,
		.fragments = 0.3,
	};
	struct mt_tunnels tunnels = gen_tunnels(&ends);
	struct gen_random random = {.state = 3};
	char error[GEN_ERROR_SIZE];
	struct gen_traffic *traffic = gen_traffic_create(&spec, error);
	uint8_t *bytes = malloc(gen_traffic_room(traffic));
	unsigned found = 0;

	(void)state;
	assert_non_null(bytes);
	gen_traffic_fill(bytes, gen_traffic_room(traffic));
	for (unsigned n = 0; n < 128; n++) {
		struct gen_next next;
		uint32_t whole;

		gen_traffic_choose(traffic, &next, 1);
		whole = gen_traffic_write(traffic, &next, bytes, n).length;
		for (uint32_t length = 0; length <= whole; length++) {
			uint8_t *copy = malloc(RTE_MAX(length, 1u));
			struct rte_mbuf frame = {.buf_addr = copy,
				.data_len = (uint16_t)length,
				.pkt_len = length,
				.nb_segs = 1};
			struct gen_mark mark;

			assert_non_null(copy);
			memcpy(copy, bytes, length);
			found += gen_mark_find(&frame, &tunnels, &mark);
			if (length > 0)
				copy[gen_random_next(&random) % length] ^=
					(uint8_t)gen_random_next(&random);
			gen_mark_find(&frame, &tunnels, &mark);
			free(copy);
		}
	}
	assert_true(found >= 128);
	free(bytes);
	gen_traffic_free(traffic);
}

/* What a port did not take is not in the counts, whatever it was. */
static void frames_are_taken_back(void **state)
{
	uint32_t sizes[] = {60, 300, 900}; /* too small for a mark, cut or not */
	double weights[] = {1, 1, 1};
	struct gen_spec spec = {
		.ends = ends,
		.sources = 1,
		.sessions = 1,
		.flows = 50,
		.distribution = GEN_UNIFORM,
		.sizes = {sizes, weights, RTE_DIM(sizes)},
		.tunnels = {1, 1, 1},
		.ipv6 = 0.5,
		.udp = 0.5,
		.fragments = 0.3,
		.copies = 0.3,
		.truncate = 500,
		.malformed = {[MT_VERDICT_HOST] = 0.1, [MT_VERDICT_VXLAN_NO_VNI] = 0.1},
	};
	char error[GEN_ERROR_SIZE];
	struct gen_traffic *traffic = gen_traffic_create(&spec, error);
	const struct gen_counts *counts = gen_traffic_counts(traffic);
	uint8_t *bytes = malloc(gen_traffic_room(traffic));
	struct gen_made made[600];
	struct gen_counts before = {0};
	const unsigned sent = 200;

	(void)state;
	assert_non_null(bytes);
	gen_traffic_fill(bytes, gen_traffic_room(traffic));
	for (unsigned n = 0; n < RTE_DIM(made); n++) {
		struct gen_next next;

		if (n == sent)
			before = *counts;
		gen_traffic_choose(traffic, &next, 1);
		made[n] = gen_traffic_write(traffic, &next, bytes, n);
	}
	assert_true(before.marked > 0 && counts->marked > before.marked);
	assert_true(counts->unmarked > before.unmarked && counts->copies > before.copies);
	assert_true(counts->truncated > before.truncated && counts->ipv6 > before.ipv6);
	assert_true(counts->fragments > before.fragments);
	assert_true(counts->verdicts[MT_VERDICT_HOST] > before.verdicts[MT_VERDICT_HOST]);
	for (unsigned n = sent; n < RTE_DIM(made); n++)
		gen_traffic_take_back(traffic, &made[n]);
	assert_memory_equal(counts, &before, sizeof(before));
	free(bytes);
	gen_traffic_free(traffic);
}

/* --- the receiver's books --- */

static void take(struct gen_account *account, uint32_t flow, uint64_t flow_sequence,
	uint64_t sequence, uint8_t flags)
{
	const struct gen_mark mark = {.run = 9,
		.flow = flow,
		.flow_sequence = flow_sequence,
		.sequence = sequence,
		.time_ns = 1000,
		.flags = flags};

	gen_account_take(account, &mark, 3000);
}

static void loss_is_counted(void **state)
{
	struct gen_account account;

	(void)state;
	assert_true(gen_account_begin(&account, 2));
	take(&account, 0, 0, 0, 0);
	take(&account, 0, 3, 6, 0);
	take(&account, 1, 1, 7, 0);
	assert_int_equal(account.unique, 3);
	assert_int_equal(gen_account_lost(&account, 0), 5);
	assert_int_equal(gen_account_lost(&account, 10), 7);
	assert_int_equal(gen_flow_lost(&account.flows[0]), 2);
	assert_int_equal(gen_flow_lost(&account.flows[1]), 1);
	assert_int_equal(account.duplicated + account.reordered + account.stale, 0);
	gen_account_end(&account);
}

static void duplicates_are_not_late_ones(void **state)
{
	struct gen_account account;

	(void)state;
	assert_true(gen_account_begin(&account, 0));
	take(&account, 0, 0, 0, 0);
	take(&account, 0, 2, 2, 0);
	take(&account, 0, 1, 1, GEN_MARK_INGRESS); /* late, but first on its way */
	take(&account, 0, 1, 1, GEN_MARK_INGRESS);
	take(&account, 0, 0, 0, 0);
	assert_int_equal(account.unique, 3);
	assert_int_equal(account.duplicated, 2);
	assert_int_equal(account.reordered, 1);
	assert_int_equal(account.reordered_one_way, 0);
	assert_int_equal(gen_account_lost(&account, 0), 0);
	gen_account_end(&account);
}

static void the_window_moves(void **state)
{
	const uint64_t window = GEN_ACCOUNT_WINDOW;
	struct gen_account account;

	(void)state;
	assert_true(gen_account_begin(&account, 0));
	take(&account, 0, 0, 0, 0);
	take(&account, 0, 1, window - 1, 0);
	take(&account, 0, 0, 0, 0); /* just within */
	assert_int_equal(account.duplicated, 1);
	take(&account, 0, 2, window, 0); /* has the place of 0 */
	assert_int_equal(account.unique, 3);
	take(&account, 0, 0, 0, 0);
	assert_int_equal(account.stale, 1);
	take(&account, 0, 3, 10 * window, 0); /* all is forgotten */
	take(&account, 0, 4, 9 * window + 1, 0);
	assert_int_equal(account.unique, 5);
	take(&account, 0, 4, 9 * window + 1, 0);
	assert_int_equal(account.duplicated, 2);
	gen_account_end(&account);
}

static void nonsense_is_set_aside(void **state)
{
	struct gen_mark mark = {.run = 9, .sequence = UINT64_MAX};
	struct gen_account account;

	(void)state;
	assert_true(gen_account_begin(&account, 0));
	take(&account, 0, 0, 0, 0);
	take(&account, UINT32_MAX, 0, 1, 0);
	gen_account_take(&account, &mark, 3000);
	assert_int_equal(account.impossible, 2);
	mark.run = 8;
	gen_account_take(&account, &mark, 3000);
	assert_int_equal(account.other_runs, 1);
	assert_int_equal(account.marked, 1);
	assert_int_equal(gen_account_lost(&account, 0), 0);
	gen_account_end(&account);
}

static void latencies_are_kept(void **state)
{
	struct gen_account account;
	struct gen_mark mark = {.flow = 1, .time_ns = 5000};

	(void)state;
	assert_true(gen_account_begin(&account, 2));
	gen_account_take(&account, &mark, 4000); /* by clocks that differ */
	assert_int_equal(account.early, 1);
	for (uint64_t n = 1; n <= 999; n++) {
		mark.sequence = n;
		gen_account_take(&account, &mark, 5000 + n * 1000);
	}
	assert_in_range(gen_histogram_percentile(account.latency, 0.5), 499000, 504000);
	assert_in_range(gen_histogram_percentile(account.latency, 0.99), 989000, 998000);
	assert_int_equal(gen_histogram_percentile(account.latency, 1), 999000);
	assert_int_equal(account.latency->max, 999000);
	assert_int_equal(account.latency->min, 0);
	assert_null(account.flow_latency[0]);
	assert_in_range(gen_histogram_percentile(account.flow_latency[1], 0.5), 499000, 535000);
	gen_account_end(&account);
}

static void buckets_hold_what_they_say(void **state)
{
	(void)state;
	for (uint32_t bits = GEN_HISTOGRAM_COARSE; bits <= GEN_HISTOGRAM_FINE; bits++) {
		uint32_t last = 0;

		for (uint64_t time = 1; time >> GEN_HISTOGRAM_OCTAVES == 0; time += time / 50 + 1) {
			uint32_t bucket = gen_histogram_bucket(bits, time);

			assert_true(bucket >= last && bucket < gen_histogram_buckets(bits));
			assert_true(gen_histogram_upper(bits, bucket) >= time);
			assert_true(gen_histogram_upper(bits, bucket) <= time + (time >> bits));
			assert_true(bucket == 0 || gen_histogram_upper(bits, bucket - 1) < time);
			last = bucket;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_are_kept),
		cmocka_unit_test(one_of_one),
		cmocka_unit_test(zipf_is_zipf),
		cmocka_unit_test(sizes_are_parsed),
		cmocka_unit_test(malformed_frames_get_their_verdicts),
		cmocka_unit_test(frames_are_what_they_say),
		cmocka_unit_test(inner_checksums_are_right),
		cmocka_unit_test(marks_are_found),
		cmocka_unit_test(cut_frames_are_read_safely),
		cmocka_unit_test(frames_are_taken_back),
		cmocka_unit_test(loss_is_counted),
		cmocka_unit_test(duplicates_are_not_late_ones),
		cmocka_unit_test(the_window_moves),
		cmocka_unit_test(nonsense_is_set_aside),
		cmocka_unit_test(latencies_are_kept),
		cmocka_unit_test(buckets_hold_what_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
