/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of verdicts: names that tools and metrics can rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "packet/verdict.h"

/* Stable means stable: a changed or reordered name fails here first. New ones go to the end of
 * their group, and here. */
static void names_are_stable(void **state)
{
	(void)state;
	assert_string_equal(mt_verdict_name(MT_VERDICT_ACCEPTED), "accepted");
	assert_string_equal(mt_verdict_name(MT_VERDICT_HOST), "host");
	assert_string_equal(mt_verdict_name(MT_VERDICT_OUTER_MALFORMED), "outer_malformed");
	assert_string_equal(mt_verdict_name(MT_VERDICT_OUTER_FRAGMENT), "outer_fragment");
	assert_string_equal(mt_verdict_name(MT_VERDICT_UDP_BAD_LENGTH), "udp_bad_length");
	assert_string_equal(mt_verdict_name(MT_VERDICT_VXLAN_TOO_SHORT), "vxlan_too_short");
	assert_string_equal(mt_verdict_name(MT_VERDICT_VXLAN_NO_VNI), "vxlan_no_vni");
	assert_string_equal(mt_verdict_name(MT_VERDICT_GENEVE_TOO_SHORT), "geneve_too_short");
	assert_string_equal(mt_verdict_name(MT_VERDICT_GENEVE_BAD_VERSION), "geneve_bad_version");
	assert_string_equal(mt_verdict_name(MT_VERDICT_GENEVE_BAD_OPTIONS), "geneve_bad_options");
	assert_string_equal(
		mt_verdict_name(MT_VERDICT_GENEVE_CRITICAL_OPTION), "geneve_critical_option");
	assert_string_equal(mt_verdict_name(MT_VERDICT_GENEVE_CONTROL), "geneve_control");
	assert_string_equal(
		mt_verdict_name(MT_VERDICT_GENEVE_UNKNOWN_PROTOCOL), "geneve_unknown_protocol");
	assert_string_equal(mt_verdict_name(MT_VERDICT_INNER_TOO_SHORT), "inner_too_short");
	assert_string_equal(mt_verdict_name(MT_VERDICT_NO_HEADROOM), "no_headroom");
	assert_string_equal(mt_verdict_name(MT_VERDICT_QUEUE_FULL), "queue_full");
	assert_string_equal(mt_verdict_name(MT_VERDICT_STOPPED), "stopped");
}

static void names_are_labels(void **state)
{
	(void)state;
	for (int i = 0; i < MT_VERDICT_COUNT; i++) {
		const char *name = mt_verdict_name(i);

		assert_true(strlen(name) > 0);
		assert_int_equal(
			strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789"), strlen(name));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, mt_verdict_name(j));
	}
}

/* Metric help is one line; the documentation's table has no escapes. */
static void texts_are_sentences(void **state)
{
	(void)state;
	for (int i = 0; i < MT_VERDICT_COUNT; i++) {
		const char *texts[2] = {mt_verdict_meaning(i), mt_verdict_remedy(i)};

		for (int j = 0; j < 2; j++) {
			assert_true(strlen(texts[j]) > 10);
			assert_int_equal(texts[j][strlen(texts[j]) - 1], '.');
			assert_null(strpbrk(texts[j], "\n\"\\|"));
		}
	}
}

static void out_of_range_is_harmless(void **state)
{
	(void)state;
	assert_string_equal(mt_verdict_name(MT_VERDICT_COUNT), "?");
	assert_string_equal(mt_verdict_meaning(MT_VERDICT_COUNT), "?");
	assert_string_equal(mt_verdict_remedy((enum mt_verdict) - 1), "?");
}

static void all_but_two_are_drops(void **state)
{
	(void)state;
	assert_false(mt_verdict_is_drop(MT_VERDICT_ACCEPTED));
	assert_false(mt_verdict_is_drop(MT_VERDICT_HOST));
	for (int i = 2; i < MT_VERDICT_COUNT; i++)
		assert_true(mt_verdict_is_drop(i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_stable),
		cmocka_unit_test(names_are_labels),
		cmocka_unit_test(texts_are_sentences),
		cmocka_unit_test(out_of_range_is_harmless),
		cmocka_unit_test(all_but_two_are_drops),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
