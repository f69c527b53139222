/* SPDX-License-Identifier: BSD-3-Clause */
/* From one configuration to the next: what may differ and what may not, with which words; which
 * outputs stay, which are in each other's way, and that they keep their places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/config_change.h"

#define DATAPLANE "dataplane: {lcores: \"0@0,1@0\"}\n"
#define PORTS "ports: [{name: p, device: net_null0}]\n"
#define BASE DATAPLANE PORTS

static char *path(void)
{
	static char text[32];

	if (text[0] == '\0')
		snprintf(text, sizeof(text), "/tmp/mt-change-%d.yaml", (int)getpid());
	return text;
}

/* The file stays: messages about a change read it again. */
static struct mt_config *load(const char *text, const struct mt_config *running)
{
	struct mt_config *config = NULL;
	FILE *file = fopen(path(), "w");
	char error[512] = "";

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	if (mt_config_load_again(path(), running, &config, error, sizeof(error)) != 0)
		fail_msg("refused: %s", error);
	return config;
}

/* "": it may change. */
static void expect(const char *before, const char *after, const char *expected)
{
	struct mt_config *running = load(before, NULL);
	struct mt_config *wanted = load(after, running);
	char error[1024] = "", whole[1024] = "";
	int result = mt_config_change_check(running, wanted, error, sizeof(error));

	if (*expected != '\0')
		snprintf(whole, sizeof(whole), "%s%s", path(), expected);
	assert_string_equal(error, whole);
	assert_int_equal(result, *expected == '\0' ? 0 : -EINVAL);
	mt_config_free(wanted);
	mt_config_free(running);
}

#define NOT " can't change while the daemon runs; take it back, or restart (nothing was changed)"

static void what_can_change(void **state)
{
	(void)state;
	expect(BASE, BASE, "");
	expect(BASE,
		BASE "tunnels: {vxlan_ports: [4790]}\n"
		     "sessions: {unknown: drop, list: [{vni: 1, name: a, filter: f}]}\n"
		     "filters: [{name: f, rules: []}]\n"
		     "outputs: [{name: o, type: ring}]\n"
		     "health: {stall_seconds: 9, drain_seconds: 3}\n",
		"");
	/* What is written out is the default. */
	expect(BASE,
		"dataplane: {lcores: \"0@0,1@0\", queues: 1, idle: poll, hash: {fields: 5-tuple}}\n"
		"ports: [{name: p, device: net_null0, descriptors: 1024}]\n"
		"http: {control_socket: /run/mirrortap/control.sock}\n",
		"");
}

static void what_cannot(void **state)
{
	static const struct {
		const char *key;
		const char *name;
	} dataplane[] = {
		{"queues: 2", "queues"},
		{"idle: sleep", "idle"},
		{"queue_length: 64", "queue_length"},
		{"hash: {fields: vni}", "hash.fields"},
		{"hash: {include_vni: true}", "hash.include_vni"},
		{"eal: [--no-pci]", "eal"},
		{"receive_lcores: \"1\"", "receive_lcores"},
		{"queue_lcores: \"1\"", "queue_lcores"},
	};
	static const struct {
		const char *key;
		const char *name;
	} ports[] = {
		{"host_interface: x", "host_interface"},
		{"host_interface_backend: tap", "host_interface_backend"},
		{"host_rate: 100", "host_rate"},
		{"buffer_bytes: 4096", "buffer_bytes"},
		{"buffers: 32767", "buffers"},
		{"descriptors: 512", "descriptors"},
	};
	char after[512], expected[512];

	(void)state;
	for (size_t k = 0; k < sizeof(dataplane) / sizeof(*dataplane); k++) {
		snprintf(after, sizeof(after), "dataplane:\n  lcores: \"0@0,1@0\"\n  %s\n" PORTS,
			dataplane[k].key);
		snprintf(expected, sizeof(expected), ":3: dataplane.%s" NOT, dataplane[k].name);
		expect(BASE, after, expected);
	}
	for (size_t k = 0; k < sizeof(ports) / sizeof(*ports); k++) {
		snprintf(after, sizeof(after),
			DATAPLANE "ports:\n  - name: p\n    device: net_null0\n    %s\n",
			ports[k].key);
		snprintf(expected, sizeof(expected), ":5: ports[0].%s" NOT, ports[k].name);
		expect(BASE, after, expected);
	}
	expect(BASE, "dataplane: {lcores: \"0@0,1@1\"}\n" PORTS, ":1: dataplane.lcores" NOT);
	expect(BASE, DATAPLANE "ports: [{name: q, device: net_null0}]\n", ":2: ports[0].name" NOT);
	expect(BASE, BASE "http: {listen: [\"127.0.0.1:80\"]}\n", ":3: http.listen" NOT);
	expect(BASE, BASE "http: {probe_listen: [\"127.0.0.1:80\"]}\n",
		":3: http.probe_listen" NOT);
	expect(BASE, BASE "http: {control_socket: /x}\n", ":3: http.control_socket" NOT);
	/* Of what is gone, the line of what it was in. */
	expect(BASE "http: {listen: [\"127.0.0.1:80\"]}\n",
		BASE "http: {control_socket: "
		     "/run/mirrortap/control.sock}\n",
		":3: http.listen" NOT);
}

static void all_that_cannot_is_named(void **state)
{
	char expected[512];

	(void)state;
	snprintf(expected, sizeof(expected),
		":3: dataplane.queues" NOT
		"; the same of %s:5: ports[0].device; the same of %s:6: ports[1].name",
		path(), path());
	expect(BASE,
		"dataplane:\n  lcores: \"0@0,1@0\"\n  queues: 3\nports:\n"
		"  - {name: p, device: net_null1}\n  - {name: q, device: net_null2}\n",
		expected);
	expect(DATAPLANE "ports: [{name: p, device: net_null0}, {name: q, device: net_null2}]\n",
		BASE, ":2: ports" NOT);
}

static unsigned place_of(const struct mt_config *config, const char *name)
{
	const struct mt_config_output *output = mt_config_find_output(config, name);

	assert_non_null(output);
	return output->place;
}

static void outputs_keep_their_places(void **state)
{
	struct mt_config *first, *second, *third;

	(void)state;
	first = load(BASE "outputs: [{name: a, type: ring}, {name: b, type: ring}]\n", NULL);
	assert_int_equal(place_of(first, "a"), 0);
	assert_int_equal(place_of(first, "b"), 1);
	assert_int_equal(first->policy.outputs_count, 2);
	assert_int_equal(first->policy.gaps, 0);

	/* A place that is used now is not given to another at once. */
	second = load(BASE "outputs: [{name: c, type: ring}, {name: b, type: ring, sample: 7}]\n"
			   "sessions: {list: [{vni: 1, name: s, outputs: [c]}]}\n",
		first);
	assert_int_equal(place_of(second, "b"), 1);
	assert_int_equal(place_of(second, "c"), 2);
	assert_int_equal(second->policy.outputs_count, 3);
	assert_int_equal(second->policy.gaps, 1);
	assert_int_equal(second->policy.outputs[1].sample, 7);
	assert_int_equal(second->policy.outputs[2].sample, 0);
	assert_int_equal(second->policy.sessions[0].treatment.outputs, 1 << 2);

	third = load(BASE "outputs: [{name: d, type: ring}]\n", second);
	assert_int_equal(place_of(third, "d"), 0);
	assert_int_equal(third->policy.outputs_count, 1);
	mt_config_free(first);
	mt_config_free(second);
	mt_config_free(third);
}

static void write_outputs(char *text, size_t size, unsigned from, unsigned count)
{
	size_t used = (size_t)snprintf(text, size, BASE "outputs:\n");

	for (unsigned o = from; o < from + count; o++)
		used += (size_t)snprintf(
			text + used, size - used, "  - {name: o%u, type: ring}\n", o);
}

static void a_place_changes_hands_in_two_steps(void **state)
{
	char sixteen[1024], others[1024], fifteen[1024], expected[512];

	(void)state;
	write_outputs(sixteen, sizeof(sixteen), 0, 16);
	write_outputs(others, sizeof(others), 1, 16);
	write_outputs(fifteen, sizeof(fifteen), 1, 15);
	snprintf(expected, sizeof(expected),
		":19: outputs[15].name: o16 can't take the place of another output at once, there "
		"are 16; reload without that one first");
	expect(sixteen, others, expected);
	expect(sixteen, fifteen, "");
	expect(fifteen, others, "");
}

#define NAMES                               \
	"filters: [{name: f, rules: []}]\n" \
	"sessions: {list: [{vni: 1, name: web}, {vni: 2, name: db}]}\n"

/* Two outputs as the file has them. */
static void expect_outputs(const char *left, const char *right, bool same, bool collide)
{
	char text[512];
	struct mt_config *one, *other;

	snprintf(text, sizeof(text), BASE "outputs: [{%s}]\n" NAMES, left);
	one = load(text, NULL);
	snprintf(text, sizeof(text), BASE "outputs: [{%s}]\n" NAMES, right);
	other = load(text, NULL);
	assert_int_equal(mt_config_same_output(&one->outputs[0], &other->outputs[0]), same);
	assert_int_equal(mt_config_outputs_collide(&one->outputs[0], &other->outputs[0]), collide);
	mt_config_free(one);
	mt_config_free(other);
}

static void outputs_are_compared(void **state)
{
	(void)state;
	expect_outputs("name: a, type: ring", "name: a, type: ring, length: 4096", true, true);
	expect_outputs("name: a, type: ring",
		"name: a, type: ring, required: true, filter: f, sample: 9", true, true);
	expect_outputs("name: a, type: ring", "name: b, type: ring", false, false);
	expect_outputs("name: a, type: ring", "name: a, type: tap", false, true);
	expect_outputs("name: a, type: ring", "name: a, type: ring, length: 64", false, true);
	expect_outputs("name: a, type: ring", "name: a, type: ring, mode: copy", false, true);
	expect_outputs("name: a, type: ring", "name: a, type: ring, snap: 64", false, true);
	expect_outputs("name: a, type: ring", "name: a, type: ring, group: x", false, true);
	expect_outputs(
		"name: a, type: ring", "name: a, type: ring, when_full: drop_old", false, true);
	expect_outputs(
		"name: a, type: ring", "name: a, type: ring, when_absent: keep", false, true);
	expect_outputs("name: a, type: tap", "name: a, type: tap, mtu: 1500", false, true);
	expect_outputs("name: a, type: tap", "name: b, type: tap, interface: a", false, true);
	expect_outputs("name: a, type: tap", "name: a, type: tap, interface: b", false, true);
	expect_outputs("name: a, type: port, device: \"net_null3,size=64\"",
		"name: b, type: port, device: net_null3", false, true);
	expect_outputs("name: a, type: port, device: net_null3",
		"name: b, type: port, device: net_null33", false, false);
	expect_outputs("name: a, type: port, device: net_null3",
		"name: a, type: port, device: net_null3, tx_queues: 1", false, true);
	expect_outputs("name: a, type: pcapng, directory: /x",
		"name: a, type: pcapng, directory: /y", false, true);
	expect_outputs("name: a, type: pcapng, directory: /x",
		"name: a, type: pcapng, directory: /x, rotate_bytes: 1GiB", true, true);
	expect_outputs("name: a, type: pcapng, directory: /x",
		"name: a, type: pcapng, directory: /x, keep_files: 2", false, true);
}

static void interfaces_of_sessions_are_compared(void **state)
{
	static const char each[] = "name: a, type: tap, per: session, interface: mir-";

	(void)state;
	expect_outputs(each, each, true, true);
	/* One of them, which the prefix does not tell. */
	expect_outputs(each, "name: b, type: tap, interface: mir-web", false, true);
	expect_outputs("name: b, type: tap, interface: mir-db", each, false, true);
	expect_outputs(each, "name: b, type: tap, interface: mir-other", false, false);
	/* No interface is called as the prefix is. */
	expect_outputs(each, "name: b, type: tap, interface: mir-", false, false);
	expect_outputs("name: b, type: tap, interface: mir-", each, false, false);
	expect_outputs(each, "name: b, type: tap, per: session, interface: mir-", false, true);
	expect_outputs(each, "name: b, type: tap, per: session, interface: mir", false, false);
	expect_outputs(each, "name: b, type: ring", false, false);
	expect_outputs("name: b, type: ring", each, false, false);
}

static void buffers_must_suffice(void **state)
{
	struct mt_config *config = load(BASE "outputs: [{name: a, type: ring}]\n", NULL);
	struct mt_plan running = {0}, plan = {0};
	char error[512] = "", expected[512];

	(void)state;
	running.ports[0].mbufs = plan.ports[0].mbufs = 16383;
	assert_int_equal(
		mt_config_change_check_buffers(config, &running, &plan, error, sizeof(error)), 0);
	plan.ports[0].mbufs = 32767;
	snprintf(expected, sizeof(expected),
		"%s:3: outputs may hold more frames than port p has buffers for: 32767 are needed, "
		"and it was started with 16383; shorten outputs[].length, or set ports[0].buffers "
		"and restart (nothing was changed)",
		path());
	assert_int_equal(
		mt_config_change_check_buffers(config, &running, &plan, error, sizeof(error)),
		-EINVAL);
	assert_string_equal(error, expected);
	mt_config_free(config);
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path());
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_change),
		cmocka_unit_test(what_cannot),
		cmocka_unit_test(all_that_cannot_is_named),
		cmocka_unit_test(outputs_keep_their_places),
		cmocka_unit_test(a_place_changes_hands_in_two_steps),
		cmocka_unit_test(outputs_are_compared),
		cmocka_unit_test(interfaces_of_sessions_are_compared),
		cmocka_unit_test(buffers_must_suffice),
	};

	return cmocka_run_group_tests(tests, NULL, remove_file);
}
