/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/metrics.h"

static void expect(struct mt_metrics *metrics, bool openmetrics, const char *part)
{
	size_t length;
	char *text = mt_metrics_render(metrics, openmetrics, &length);

	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	assert_string_equal(text + length - 6, "# EOF\n");
	if (strstr(text, part) == NULL)
		fail_msg("missing: %s", part);
	free(text);
}

static void test_counter(void **state)
{
	struct mt_metrics *m = mt_metrics_create();

	(void)state;
	mt_metrics_add(m, MT_METRIC_DROPPED, UINT64_MAX, "verdict", "queue_full", NULL);
	mt_metrics_add(m, MT_METRIC_ACCEPTED, 0, NULL);
	expect(m, true,
		"# TYPE mirrortap_dropped_packets counter\n"
		"# UNIT mirrortap_dropped_packets packets\n"
		"mirrortap_dropped_packets_total{verdict=\"queue_full\"} "
		"18446744073709551615\n");
	expect(m, false,
		"# TYPE mirrortap_dropped_packets_total counter\n"
		"mirrortap_dropped_packets_total{verdict=\"queue_full\"} "
		"18446744073709551615\n");
	expect(m, true, "\nmirrortap_accepted_packets_total 0\n");
	mt_metrics_free(m);
}

static void test_escape(void **state)
{
	struct mt_metrics *m = mt_metrics_create();

	(void)state;
	mt_metrics_add(m, MT_METRIC_PORT_LINK, 1, "port", "a\"b\\c\nd", NULL);
	expect(m, true, "mirrortap_port_link{port=\"a\\\"b\\\\c\\nd\"} 1\n");
	mt_metrics_free(m);
}

static void test_histogram(void **state)
{
	const double bounds[] = {0.5, 1.5};
	const uint64_t buckets[] = {1, 2, 4};
	struct mt_metrics *m = mt_metrics_create();

	(void)state;
	mt_metrics_add_histogram(m, MT_METRIC_LATENCY, "queue", "0", bounds, buckets, 3, 9.25);
	expect(m, true,
		"# UNIT mirrortap_latency_seconds seconds\n"
		"mirrortap_latency_seconds_bucket{queue=\"0\",le=\"0.5\"} 1\n"
		"mirrortap_latency_seconds_bucket{queue=\"0\",le=\"1.5\"} 3\n"
		"mirrortap_latency_seconds_bucket{queue=\"0\",le=\"+Inf\"} 7\n"
		"mirrortap_latency_seconds_count{queue=\"0\"} 7\n"
		"mirrortap_latency_seconds_sum{queue=\"0\"} 9.25\n");
	mt_metrics_free(m);
}

/* More than the bound is no text at all, and no more memory. */
static void test_bound(void **state)
{
	struct mt_metrics *m = mt_metrics_create();
	char port[512];
	size_t length;

	(void)state;
	memset(port, 'x', sizeof(port) - 1);
	port[sizeof(port) - 1] = '\0';
	for (unsigned i = 0; i < MT_METRICS_MAX_BYTES / 512; i++)
		mt_metrics_add(m, MT_METRIC_PORT_LINK, 1, "port", port, NULL);
	assert_null(mt_metrics_render(m, true, &length));
	mt_metrics_free(m);
}

static void test_accept(void **state)
{
	(void)state;
	assert_false(mt_metrics_wants_openmetrics(NULL));
	assert_false(mt_metrics_wants_openmetrics("*/*"));
	assert_true(mt_metrics_wants_openmetrics(
		"application/openmetrics-text;version=1.0.0,text/plain;q=0.5"));
}

/* OpenMetrics 1.0: a unit is the end of the name; a counter's name does not end in _total here. */
static void test_families(void **state)
{
	static const struct {
		const char *name;
		const char *unit;
	} families[] = {
#define X(symbol, name, type, unit, help) {name, unit},
		MT_METRICS(X)
#undef X
	};

	(void)state;
	for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
		const char *name = families[f].name;
		size_t end = strlen(name) - strlen(families[f].unit);

		assert_string_equal(name + end, families[f].unit);
		assert_null(strstr(name, "_total"));
		for (size_t g = 0; g < f; g++)
			assert_string_not_equal(name, families[g].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counter),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
