/* SPDX-License-Identifier: BSD-3-Clause */
/* Health: which facts turn it red, and what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/health.h"
#include "control/xstats.h"

static struct mt_health_facts good(void)
{
	return (struct mt_health_facts){
		.stall_seconds = 5,
		.workers_count = 2,
		.workers = {{1, false, "idle"}, {2, false, "idle"}},
		.ports_count = 1,
		.ports = {{"eth1", true, true}},
		.outputs_count = 2,
		.outputs = {{"tools", false, true, NULL}, {"ids", false, true, NULL}},
	};
}

static void expect_healthy(const struct mt_health_facts *facts)
{
	struct mt_health health;

	mt_health_judge(facts, &health);
	assert_true(health.healthy);
	assert_int_equal(health.reasons_count, 0);
}

static void expect_reason(const struct mt_health_facts *facts, const char *reason)
{
	struct mt_health health;

	mt_health_judge(facts, &health);
	assert_false(health.healthy);
	assert_int_equal(health.reasons_count, 1);
	assert_string_equal(health.reasons[0], reason);
}

static void test_good(void **state)
{
	struct mt_health_facts facts = good();

	(void)state;
	expect_healthy(&facts);
	facts.outputs_count = 0;
	expect_healthy(&facts);
}

static void test_bad(void **state)
{
	struct mt_health_facts facts = good();

	(void)state;
	facts.draining = true;
	expect_reason(&facts, "draining");
	facts = good();
	facts.workers[1] = (struct mt_health_worker){2, true, "deliver"};
	expect_reason(&facts, "worker on lcore 2: no heartbeat for 5 s, last stage deliver");
	facts = good();
	facts.control_stuck = true;
	expect_reason(&facts, "control thread has not run for 5 s");
	facts = good();
	facts.ports[0].link = false;
	expect_reason(&facts, "port eth1: no link");
	facts.ports[0].started = false;
	expect_reason(&facts, "port eth1: not started");
}

static void test_outputs(void **state)
{
	struct mt_health_facts facts = good();
	struct mt_health health;

	(void)state;
	/* None is marked: one of all is enough. */
	facts.outputs[0].up = false;
	expect_healthy(&facts);
	facts.outputs[1].up = false;
	mt_health_judge(&facts, &health);
	assert_int_equal(health.reasons_count, 2);
	/* One is marked: only that one counts. */
	facts = good();
	facts.outputs[0].required = true;
	facts.outputs[1].up = false;
	expect_healthy(&facts);
	facts.outputs[0].up = false;
	facts.outputs[0].error = "gone";
	facts.outputs[1].up = true;
	expect_reason(&facts, "output tools can't take frames: gone");
	/* Two are marked: one of them is enough. */
	facts.outputs[1].required = true;
	expect_healthy(&facts);
}

static void test_many_reasons(void **state)
{
	struct mt_health_facts facts = {.workers_count = MT_HEALTH_MAX_WORKERS};
	struct mt_health health;

	(void)state;
	for (unsigned w = 0; w < facts.workers_count; w++)
		facts.workers[w] = (struct mt_health_worker){w, true, "receive"};
	mt_health_judge(&facts, &health);
	assert_int_equal(health.reasons_count, MT_HEALTH_MAX_REASONS);
	assert_non_null(strstr(health.reasons[MT_HEALTH_MAX_REASONS - 1], "more"));
}

static void test_heartbeat(void **state)
{
	struct mt_heartbeat heartbeat = {0};

	(void)state;
	assert_true(mt_heartbeat_see(&heartbeat, 0, 1000));
	assert_false(mt_heartbeat_see(&heartbeat, 0, 2000));
	assert_false(mt_heartbeat_is_stale(&heartbeat, 0, 5999, 5000));
	assert_true(mt_heartbeat_is_stale(&heartbeat, 0, 6000, 5000));
	/* It moved since control looked. */
	assert_false(mt_heartbeat_is_stale(&heartbeat, 1, 6000, 5000));
	assert_true(mt_heartbeat_see(&heartbeat, 1, 6000));
	assert_false(mt_heartbeat_is_stale(&heartbeat, 1, 6000, 5000));
}

static void expect_xstat(
	const char *text, enum mt_xstat_kind kind, unsigned queue, const char *name)
{
	struct mt_xstat xstat;

	assert_true(mt_xstat_parse(text, &xstat));
	assert_int_equal(xstat.kind, kind);
	assert_int_equal(xstat.queue, queue);
	assert_string_equal(xstat.name, name);
}

/* The names of DPDK's ENA driver (drivers/net/ena/ena_ethdev.c). */
static void test_xstats(void **state)
{
	static const char *const exceeded[] = {"bw_in_allowance_exceeded",
		"bw_out_allowance_exceeded", "pps_allowance_exceeded",
		"conntrack_allowance_exceeded", "linklocal_allowance_exceeded"};
	static const char *const unwanted[] = {
		"rx_good_packets", "tx_q0_packets", "dev_start", "rx_q", "rx_q1_", "rx_qa_x", ""};
	struct mt_xstat xstat;

	(void)state;
	for (size_t i = 0; i < sizeof(exceeded) / sizeof(*exceeded); i++)
		expect_xstat(exceeded[i], MT_XSTAT_ALLOWANCE_EXCEEDED, 0, exceeded[i]);
	expect_xstat("conntrack_allowance_available", MT_XSTAT_ALLOWANCE_AVAILABLE, 0,
		"conntrack_allowance_available");
	expect_xstat("wd_expired", MT_XSTAT_DEVICE, 0, "wd_expired");
	expect_xstat("tx_drops", MT_XSTAT_DEVICE, 0, "tx_drops");
	expect_xstat("rx_q0_mbuf_alloc_fail", MT_XSTAT_QUEUE, 0, "mbuf_alloc_fail");
	expect_xstat("rx_q31_bad_desc_num", MT_XSTAT_QUEUE, 31, "bad_desc_num");
	expect_xstat("rx_q2_refill_partial", MT_XSTAT_QUEUE, 2, "refill_partial");
	for (size_t i = 0; i < sizeof(unwanted) / sizeof(*unwanted); i++)
		assert_false(mt_xstat_parse(unwanted[i], &xstat));
}

static void driver_counts_go_on(void **state)
{
	struct mt_driver_count count = {0};

	(void)state;
	mt_driver_count_see(&count, 100, false);
	assert_int_equal(count.value, 100);
	mt_driver_count_see(&count, 7, true); /* began anew */
	assert_int_equal(count.value, 107);
	mt_driver_count_see(&count, 9, false);
	assert_int_equal(count.value, 109);
	mt_driver_count_see(&count, 9, true); /* kept its counter */
	assert_int_equal(count.value, 109);
	mt_driver_count_see(&count, 0, true);
	assert_int_equal(count.value, 109);
	mt_driver_count_see(&count, 1, true);
	assert_int_equal(count.value, 110);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_outputs),
		cmocka_unit_test(test_many_reasons),
		cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_xstats),
		cmocka_unit_test(driver_counts_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
