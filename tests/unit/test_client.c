/* SPDX-License-Identifier: BSD-3-Clause */
/* What the command line programs print: numbers, times, addresses; and the errors of their client
 * where there is no daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>

#include <cmocka.h>

#include "commands.h"
#include "control/client.h"
#include "control/json_list.h"
#include "dump.h"

static void test_counts(void **state)
{
	static const struct {
		uint64_t count;
		const char *text;
	} cases[] = {{0, "0"}, {999, "999"}, {1000, "1,000"}, {12345, "12,345"},
		{1234567, "1,234,567"}, {UINT64_MAX, "18,446,744,073,709,551,615"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[FORMAT_SIZE];

		format_count(text, cases[i].count);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_lists(void **state)
{
	static const struct {
		const char *json;
		size_t size;
		const char *text;
	} cases[] = {{"[]", 16, "-"}, {"[7]", 16, "7"}, {"[0, 1, 63]", 16, "0,1,63"},
		{"[\"eth1/0\", \"eth1/1\"]", 16, "eth1/0,eth1/1"},
		{"[\"eth1/0\", \"eth1/1\"]", 8, "eth1/0,"}, {"[\"eth1/0\", 1]", 7, "eth1/0"}};
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *array = json_loads(cases[i].json, 0, NULL);

		assert_non_null(array);
		mt_json_list_text(array, "-", text, cases[i].size);
		assert_string_equal(text, cases[i].text);
		json_decref(array);
	}
	mt_json_list_text(NULL, "-", text, sizeof(text));
	assert_string_equal(text, "-");
}

static void test_scaled(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {{0, "0"}, {0.5, "0.50"}, {7, "7.00"}, {9.996, "10.0"}, {99.96, "100"},
		{999.4, "999"}, {999.6, "1.00 k"}, {1234, "1.23 k"}, {45600000, "45.6 M"},
		{9.9999e9, "10.0 G"}, {7.89e11, "789 G"}, {1e20, "100000 P"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[FORMAT_SIZE];

		format_scaled(text, cases[i].value);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_durations(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {{0, "0 s"}, {59, "59 s"}, {60, "1 min 00 s"}, {3599, "59 min 59 s"},
		{7500, "2 h 05 min"}, {86400 * 3 + 3600 * 4, "3 d 04 h"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[FORMAT_SIZE];

		format_duration(text, cases[i].seconds);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_rates(void **state)
{
	(void)state;
	assert_true(rate_per_second(100, 300, 2) == 100);
	assert_true(rate_per_second(300, 100, 2) == 0); /* the daemon was restarted */
	assert_true(rate_per_second(100, 300, 0) == 0);
}

static void test_members(void **state)
{
	json_t *object = json_pack(
		"{s:i, s:i, s:s, s:i}", "full", 1200, "error", 0, "name", "ids", "below", -1);
	json_t *drops = json_pack("{s:i, s:i, s:i}", "full", 1200, "error", 0, "stopped", 3);
	char text[64], small[8];
	uint64_t count;

	(void)state;
	assert_true(member_count(object, "full", &count));
	assert_int_equal(count, 1200);
	assert_false(member_count(object, "below", &count));
	assert_false(member_count(object, "name", &count));
	assert_false(member_count(NULL, "full", &count));
	assert_string_equal(member_text(object, "name"), "ids");
	assert_string_equal(member_text(object, "none"), "-");
	assert_int_equal(sum_members(drops), 1203);
	list_members(drops, text, sizeof(text));
	assert_string_equal(text, "full 1,200, stopped 3");
	list_members(drops, small, sizeof(small));
	assert_string_equal(small, "full 1,");
	list_members(NULL, text, sizeof(text));
	assert_string_equal(text, "-");
	json_decref(object);
	json_decref(drops);
}

static void test_table(void **state)
{
	static const struct column columns[] = {{"name", false}, {"packets", true}, {"why", false}};
	struct table table = {.columns = columns, .columns_count = 3};
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	table_text(&table, "a");
	table_count(&table, 1000000000);
	table_text(&table, "-");
	table_text(&table, "longer");
	table_member_count(&table, NULL, "none");
	table_text(&table, "full");
	table_end(&table, stream);
	fclose(stream);
	assert_string_equal(text,
		"name          packets  why\n"
		"a       1,000,000,000  -\n"
		"longer              -  full\n");
	free(text);
}

static void test_addresses(void **state)
{
	struct mt_address v6;
	char text[DUMP_ADDRESS_SIZE];
	uint8_t bytes[16];

	(void)state;
	dump_format_address(text, mt_address_from_ipv4(inet_addr("10.1.2.3")));
	assert_string_equal(text, "10.1.2.3");
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", bytes), 1);
	memcpy(&v6, bytes, sizeof(v6));
	dump_format_address(text, v6);
	assert_string_equal(text, "2001:db8::1");
}

static void test_times(void **state)
{
	char text[DUMP_TIME_SIZE];

	(void)state;
	dump_format_time(text, 0);
	assert_string_equal(text, "1970-01-01T00:00:00.000000000Z");
	dump_format_time(text, UINT64_C(1732363571974553377));
	assert_string_equal(text, "2024-11-23T12:06:11.974553377Z");
}

static void test_no_daemon(void **state)
{
	char error[256];
	char path[201];
	json_t *answer;

	(void)state;
	assert_int_equal(mt_client_get("/tmp/mt-no-such.sock", "/api/v1/status", &answer, error,
				 sizeof(error)),
		-ECONNREFUSED);
	assert_null(answer);
	assert_string_equal(error,
		"/tmp/mt-no-such.sock: mirrortapd is not running, or listens "
		"elsewhere: give --socket PATH");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(mt_client_post(path, "/api/v1/drain", &answer, error, sizeof(error)),
		-ENAMETOOLONG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_scaled),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_no_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
