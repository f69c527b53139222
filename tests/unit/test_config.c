/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration: what is refused and with which words, defaults, lcores, the plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/config.h"
#include "control/lcores.h"
#include "control/plan.h"

/* Lines 1 and 2 of most cases. */
#define BASE                                 \
	"dataplane: {lcores: \"0@0,1@0\"}\n" \
	"ports: [{name: p, device: net_null0}]\n"
#define PORTS "ports: [{name: p, device: net_null0}]\n"

struct written {
	char path[32];
};

static struct written write_file(const char *text, size_t length)
{
	struct written file = {"/tmp/mt-config-XXXXXX"};
	int fd = mkstemp(file.path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), length);
	close(fd);
	return file;
}

/* `expected` is what follows the file's name. */
static void expect_error(const char *text, size_t length, const char *expected)
{
	struct written file = write_file(text, length);
	struct mt_config *config = NULL;
	char error[512], wanted[512];
	int result = mt_config_load(file.path, &config, error, sizeof(error));

	unlink(file.path);
	snprintf(wanted, sizeof(wanted), "%s%s", file.path, expected);
	if (result == 0) {
		mt_config_free(config);
		fail_msg("accepted, expected %s", expected);
	}
	assert_string_equal(error, wanted);
	assert_int_equal(result, -EINVAL);
	assert_null(config);
}

static struct mt_config *load(const char *text)
{
	struct written file = write_file(text, strlen(text));
	struct mt_config *config = NULL;
	char error[512] = "";
	int result = mt_config_load(file.path, &config, error, sizeof(error));

	unlink(file.path);
	if (result != 0)
		fail_msg("refused: %s", error);
	return config;
}

static const struct {
	const char *text;
	const char *error;
} bad[] = {
	/* not YAML, or not one mapping */
	{"", ":1: holds no keys; at least dataplane and ports are needed"},
	{"# only a comment\n", ":1: holds no keys; at least dataplane and ports are needed"},
	{"5\n", ":1: holds no keys; at least dataplane and ports are needed"},
	{"- a\n", ":1: holds no keys; at least dataplane and ports are needed"},
	{"dataplane: {lcores: 1\n",
		":2: is not YAML: did not find expected ',' or '}' (while parsing a flow mapping "
		"that begins in line 1)"},
	{"a: b: c\n", ":1: is not YAML: mapping values are not allowed in this context"},
	{"a: [1, 2\n"
	 "b: 3\n",
		":2: is not YAML: did not find expected ',' or ']' (while parsing a flow sequence "
		"that begins in line 1)"},
	{BASE "\tx: 1\n",
		":3: is not YAML: found character that cannot start any token (while scanning for "
		"the next token that begins in line 3)"},
	{"a: \"unclosed\n",
		":2: is not YAML: found unexpected end of stream (while scanning a quoted scalar "
		"that begins in line 1)"},
	{"a: \377\n", ":1: is not YAML: invalid leading UTF-8 octet"},
	{BASE "---\n"
	      "b: 1\n",
		":3: a second document begins here; a file holds one"},
	{BASE "x: *nope\n", ":3: is not YAML: found undefined alias"},
	{BASE "tunnels: &t {}\n"
	      "http: *t\n",
		":4: http: is an alias; allowed: the value itself, written out"},
	{BASE "tunnels: {vxlan_ports: [&a 4789, *a]}\n",
		":3: tunnels.vxlan_ports[1]: is an alias; allowed: the value itself, written out"},
	{"? [a, b]\n"
	 ": c\n",
		":1: holds a key that is a list; allowed here: dataplane, ports, tunnels, "
		"sessions, filters, dedup, reorder, outputs, http, health"},
	/* missing keys */
	{"{}\n", ":1: dataplane: is missing: a mapping with at least lcores"},
	{PORTS, ":1: dataplane: is missing: a mapping with at least lcores"},
	{"dataplane: {lcores: \"0-1\"}\n", ":1: ports: is missing: a list of ports, at least one"},
	{"dataplane: {queues: 2}\n" PORTS,
		":1: dataplane.lcores: is missing: EAL's --lcores syntax in quotes, e.g. \"0-3\" "
		"or \"0@0,1@1\""},
	{"dataplane:\n"
	 "  queues: 2\n" PORTS,
		":1: dataplane.lcores: is missing: EAL's --lcores syntax in quotes, e.g. \"0-3\" "
		"or \"0@0,1@1\""},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports:\n"
	 "  - name: a\n",
		":3: ports[0].device: is missing: a PCI address or a vdev string"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports:\n"
	 "  - {name: a, device: b}\n"
	 "  - device: c\n",
		":4: ports[1].name: is missing: 1 to 15 of A-Z a-z 0-9 _ -"},
	{BASE "outputs:\n"
	      "  - {name: a}\n",
		":4: outputs[0].type: is missing: tap, ring, port, pcapng"},
	{BASE "outputs:\n"
	      "  - {type: tap}\n",
		":4: outputs[0].name: is missing: 1 to 15 of A-Z a-z 0-9 _ -"},
	{BASE "outputs:\n"
	      "  - {name: a, type: port}\n",
		":4: outputs[0].device: is missing: a PCI address or a vdev string"},
	/* unknown keys */
	{BASE "queues: 1\n",
		":3: queues: unknown key; allowed here: dataplane, ports, tunnels, sessions, "
		"filters, "
		"dedup, reorder, outputs, http, health"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  lcore: \"1\"\n" PORTS,
		":3: dataplane.lcore: unknown key; allowed here: lcores, receive_lcores, "
		"queue_lcores, queues, queue_length, idle, hash, eal"},
	{BASE "outputs:\n"
	      "  - {name: a, type: ring}\n"
	      "  - name: b\n"
	      "    typ: tap\n",
		":6: outputs[1].typ: unknown key; allowed here: name, type, interface, device, "
		"required, mtu, length, tx_queues, per, vlan_from_vni, mode, when_full, "
		"when_absent, snap, group, "
		"directory, rotate_bytes, rotate_seconds, keep_files, keep_bytes, filter, sample, "
		"sample_by"},
	{BASE "tunnels:\n"
	      "  vxlan: [1]\n",
		":4: tunnels.vxlan: unknown key; allowed here: vxlan_ports, geneve_ports"},
	{BASE "http: {port: 1}\n",
		":3: http.port: unknown key; allowed here: listen, probe_listen, control_socket"},
	{BASE "sessions: {know: 1}\n",
		":3: sessions.know: unknown key; allowed here: unknown, import, list, "
		"on_session_seen, on_session_idle, idle_seconds"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  hash:\n"
	 "    field: vni\n" PORTS,
		":4: dataplane.hash.field: unknown key; allowed here: fields, include_vni"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports:\n"
	 "  - {name: a, device: b, mtu: 3}\n",
		":3: ports[0].mtu: unknown key; allowed here: name, device, host_interface, "
		"host_interface_backend, host_rate, buffer_bytes, buffers, descriptors"},
	{BASE "<<: {a: b}\n",
		":3: <<: unknown key; allowed here: dataplane, ports, tunnels, sessions, filters, "
		"dedup, reorder, outputs, http, health"},
	{BASE "a.b[1]: 3\n",
		":3: a.b[1]: unknown key; allowed here: dataplane, ports, tunnels, sessions, "
		"filters, "
		"dedup, reorder, outputs, http, health"},
	{BASE "\"a\\nb\": 3\n",
		":3: a?b: unknown key; allowed here: dataplane, ports, tunnels, sessions, filters, "
		"dedup, reorder, outputs, http, health"},
	/* repeated keys */
	{BASE "ports: []\n",
		":3: ports: is here for the second time, first in line 2; keep one of them"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: 2\n"
	 "  queues: 3\n" PORTS,
		":4: dataplane.queues: is here for the second time, first in line 3; keep one of "
		"them"},
	{BASE "outputs:\n"
	      "  - name: a\n"
	      "    type: tap\n"
	      "    name: b\n",
		":6: outputs[0].name: is here for the second time, first in line 4; keep one of "
		"them"},
	{"dataplane: {lcores: \"0-1\", queues: 2,\n"
	 "  queues: 2}\n" PORTS,
		":2: dataplane.queues: is here for the second time, first in line 1; keep one of "
		"them"},
	/* wrong types */
	{"dataplane: 5\n" PORTS,
		":1: dataplane: is a single value; allowed: a mapping with at least lcores"},
	{"dataplane:\n" PORTS, ":1: dataplane: is empty; allowed: a mapping with at least lcores"},
	{"dataplane: {lcores: [1, 2]}\n" PORTS,
		":1: dataplane.lcores: is a list; allowed: EAL's --lcores syntax in quotes, e.g. "
		"\"0-3\" or \"0@0,1@1\""},
	{"dataplane: {lcores: \"\"}\n" PORTS,
		":1: dataplane.lcores: is empty; allowed: EAL's --lcores syntax in quotes, e.g. "
		"\"0-3\" or \"0@0,1@1\""},
	{"dataplane: {lcores: ~}\n" PORTS,
		":1: dataplane.lcores: is empty; allowed: EAL's --lcores syntax in quotes, e.g. "
		"\"0-3\" or \"0@0,1@1\""},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: 5\n",
		":2: ports: is a single value; allowed: a list of ports, at least one"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: []\n",
		":2: ports: is empty; allowed: a list of ports, at least one"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports:\n",
		":2: ports: is empty; allowed: a list of ports, at least one"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports:\n"
	 "  - eth0\n",
		":3: ports[0]: is a single value; allowed: a mapping with at least name and "
		"device"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: {name: a, device: b}\n",
		":2: ports: is a mapping; allowed: a list of ports, at least one"},
	{BASE "outputs: tap\n", ":3: outputs: is a single value; allowed: a list of outputs"},
	{BASE "outputs: [tap]\n",
		":3: outputs[0]: is a single value; allowed: a mapping with at least name and "
		"type"},
	{BASE "outputs: [[]]\n",
		":3: outputs[0]: is a list; allowed: a mapping with at least name and type"},
	{BASE "tunnels: [4789]\n",
		":3: tunnels: is a list; allowed: a mapping with vxlan_ports and geneve_ports"},
	{BASE "tunnels: {vxlan_ports: 4789}\n",
		":3: tunnels.vxlan_ports: is a single value; allowed: a list of at most 8 UDP "
		"ports"},
	{BASE "http: {listen: \"127.0.0.1:80\"}\n",
		":3: http.listen: is a single value; allowed: a list of at most 64 addresses"},
	{"dataplane: {lcores: \"0-1\", eal: --no-huge}\n" PORTS,
		":1: dataplane.eal: is a single value; allowed: a list of EAL arguments"},
	{"dataplane: {lcores: \"0-1\", eal: [{a: b}]}\n" PORTS,
		":1: dataplane.eal[0]: is a mapping; allowed: an EAL argument"},
	{"dataplane: {lcores: \"0-1\", eal: [\"\"]}\n" PORTS,
		":1: dataplane.eal[0]: is empty; allowed: an EAL argument"},
	{"dataplane: {lcores: \"0\\0-1\"}\n" PORTS,
		":1: dataplane.lcores: contains a NUL character; allowed: EAL's --lcores syntax in "
		"quotes, e.g. \"0-3\" or \"0@0,1@1\""},
	/* numbers */
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: 0\n" PORTS,
		":3: dataplane.queues: 0 is smaller than 1"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: 65\n" PORTS,
		":3: dataplane.queues: 65 is larger than 64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: -1\n" PORTS,
		":3: dataplane.queues: -1 is smaller than 1"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: two\n" PORTS,
		":3: dataplane.queues: \"two\" is not a decimal number; allowed: a number from 1 "
		"to 64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: 2x\n" PORTS,
		":3: dataplane.queues: \"2x\" is not a decimal number; allowed: a number from 1 to "
		"64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: 0x2\n" PORTS,
		":3: dataplane.queues: \"0x2\" is not a decimal number; allowed: a number from 1 "
		"to 64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: 02\n" PORTS,
		":3: dataplane.queues: \"02\" is not a decimal number; allowed: a number from 1 to "
		"64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: 1.5\n" PORTS,
		":3: dataplane.queues: \"1.5\" is not a decimal number; allowed: a number from 1 "
		"to 64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: 99999999999999999999999\n" PORTS,
		":3: dataplane.queues: 99999999999999999999999 is larger than 64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: 5000000000\n" PORTS,
		":3: dataplane.queues: 5000000000 is larger than 64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queues: \n" PORTS,
		":3: dataplane.queues: is empty; allowed: a number from 1 to 64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queue_length: 32\n" PORTS,
		":3: dataplane.queue_length: 32 is smaller than 64"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queue_length: 131072\n" PORTS,
		":3: dataplane.queue_length: 131072 is larger than 65536"},
	{"dataplane:\n"
	 "  lcores: \"0-1\"\n"
	 "  queue_length: 1000\n" PORTS,
		":3: dataplane.queue_length: 1000 is not a power of two; allowed: a power of two "
		"from 64 to 65536"},
	{BASE "tunnels:\n"
	      "  vxlan_ports:\n"
	      "    - 4789\n"
	      "    - 4790\n"
	      "    - 70000\n",
		":7: tunnels.vxlan_ports[2]: 70000 is larger than 65535"},
	{BASE "tunnels: {vxlan_ports: [0]}\n", ":3: tunnels.vxlan_ports[0]: 0 is smaller than 1"},
	{BASE "tunnels: {geneve_ports: [a]}\n",
		":3: tunnels.geneve_ports[0]: \"a\" is not a decimal number; allowed: a UDP port "
		"from 1 to 65535"},
	{BASE "tunnels: {vxlan_ports: [1,2,3,4,5,6,7,8,9]}\n",
		":3: tunnels.vxlan_ports: has 9 entries; at most 8 are allowed"},
	{BASE "tunnels: {vxlan_ports: [], geneve_ports: []}\n",
		":3: tunnels: names no UDP port; at least one is needed in vxlan_ports or "
		"geneve_ports"},
	{BASE "tunnels: {vxlan_ports: [4789, 4789]}\n",
		":3: tunnels.vxlan_ports[1]: 4789 is taken by tunnels.vxlan_ports[0]; a UDP port "
		"carries one tunnel"},
	{BASE "tunnels:\n"
	      "  vxlan_ports: [6081]\n",
		":3: tunnels.geneve_ports[0]: 6081 is taken by tunnels.vxlan_ports[0]; a UDP port "
		"carries one tunnel"},
	{BASE "tunnels:\n"
	      "  vxlan_ports: [1, 2]\n"
	      "  geneve_ports:\n"
	      "    - 3\n"
	      "    - 2\n",
		":7: tunnels.geneve_ports[1]: 2 is taken by tunnels.vxlan_ports[1]; a UDP port "
		"carries one tunnel"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: [{name: a, device: b, descriptors: 32}]\n",
		":2: ports[0].descriptors: 32 is smaller than 64"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: [{name: a, device: b, buffer_bytes: 66000}]\n",
		":2: ports[0].buffer_bytes: 66000 is larger than 65344"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: [{name: a, device: b, buffer_bytes: 100}]\n",
		":2: ports[0].buffer_bytes: 100 is smaller than 256"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: [{name: a, device: b, buffers: 1000}]\n",
		":2: ports[0].buffers: 1000 is smaller than 1023"},
	{BASE "outputs: [{name: a, type: tap, mtu: 70000}]\n",
		":3: outputs[0].mtu: 70000 is larger than 65521"},
	{BASE "outputs: [{name: a, type: ring, length: 100}]\n",
		":3: outputs[0].length: 100 is not a power of two; allowed: a power of two from 64 "
		"to 1048576"},
	{BASE "outputs: [{name: a, type: ring, length: 2097152}]\n",
		":3: outputs[0].length: 2097152 is larger than 1048576"},
	{BASE "dedup: {window_ms: 0}\n", ":3: dedup.window_ms: 0 is smaller than 1"},
	{BASE "dedup: {entries: 1000}\n", ":3: dedup.entries: 1000 is smaller than 1024"},
	{BASE "dedup: {payload_bytes: 63}\n", ":3: dedup.payload_bytes: 63 is smaller than 64"},
	{BASE "dedup: {window: 50}\n",
		":3: dedup.window: unknown key; allowed here: window_ms, entries, across_sessions, "
		"ignore_dscp, payload_bytes"},
	{BASE "reorder: {window_us: 0}\n", ":3: reorder.window_us: 0 is smaller than 1"},
	{BASE "reorder: {packets: 9000}\n", ":3: reorder.packets: 9000 is larger than 8192"},
	{BASE "reorder: {window_ms: 1}\n",
		":3: reorder.window_ms: unknown key; allowed here: window_us, packets"},
	{BASE "dedup: {ignore_dscp: 1}\n",
		":3: dedup.ignore_dscp: \"1\" is unknown; allowed: false, true"},
	{"dataplane: {lcores: \"0-1\", queues: 2, hash: {include_vni: true}}\n" PORTS "dedup: {}\n",
		":3: dedup: would miss copies: dataplane.hash sends those of another session to "
		"another queue; set across_sessions to false, or hash by addresses without "
		"include_vni"},
	{"dataplane: {lcores: \"0-1\", queues: 2, hash: {fields: vni}}\n" PORTS
	 "dedup: {window_ms: 10, across_sessions: true}\n",
		":3: dedup: would miss copies: dataplane.hash sends those of another session to "
		"another queue; set across_sessions to false, or hash by addresses without "
		"include_vni"},
	/* choices */
	{"dataplane: {lcores: \"0-1\", hash: {fields: 4-tuple}}\n" PORTS,
		":1: dataplane.hash.fields: \"4-tuple\" is unknown; allowed: 5-tuple, 2-tuple, "
		"vni"},
	{"dataplane: {lcores: \"0-1\", hash: {include_vni: maybe}}\n" PORTS,
		":1: dataplane.hash.include_vni: \"maybe\" is unknown; allowed: false, true"},
	{"dataplane: {lcores: \"0-1\", hash: {include_vni: 1}}\n" PORTS,
		":1: dataplane.hash.include_vni: \"1\" is unknown; allowed: false, true"},
	{BASE "outputs:\n"
	      "  - {name: a, type: pcap}\n",
		":4: outputs[0].type: \"pcap\" is unknown; allowed: tap, ring, port, pcapng"},
	/* capture files */
	{BASE "outputs:\n"
	      "  - name: a\n"
	      "    type: pcapng\n"
	      "    rotate_bytes: 1GiB\n",
		":4: outputs[0].directory: is missing: an absolute path"},
	{BASE "outputs: [{name: a, type: pcapng, directory: x}]\n",
		":3: outputs[0].directory: \"x\" is not an absolute path; allowed: e.g. "
		"/var/lib/mirrortap"},
	{BASE "outputs: [{name: a, type: pcapng, directory: /x, rotate_bytes: 1GX}]\n",
		":3: outputs[0].rotate_bytes: \"1GX\" is not a size; allowed: a size from 1MiB to "
		"1TiB, as 100M or 1GiB"},
	{BASE "outputs: [{name: a, type: pcapng, directory: /x, rotate_bytes: 1023KiB}]\n",
		":3: outputs[0].rotate_bytes: 1023KiB is too small; allowed: a size from 1MiB to "
		"1TiB"},
	{BASE "outputs: [{name: a, type: pcapng, directory: /x, rotate_bytes: 99999999999T}]\n",
		":3: outputs[0].rotate_bytes: \"99999999999T\" is not a size; allowed: a size from "
		"1MiB to 1TiB, as 100M or 1GiB"},
	{BASE "outputs: [{name: a, type: pcapng, directory: /x, rotate_bytes: 2TiB}]\n",
		":3: outputs[0].rotate_bytes: 2TiB is too large; allowed: a size from 1MiB to "
		"1TiB"},
	{BASE "outputs: [{name: a, type: pcapng, directory: /x, keep_bytes: 2G}]\n",
		":3: outputs[0].keep_bytes: 2G is less than two files of rotate_bytes (1GiB); "
		"allowed: twice that or more"},
	{BASE "outputs: [{name: a, type: pcapng, directory: /x, rotate_seconds: 0}]\n",
		":3: outputs[0].rotate_seconds: 0 is smaller than 1"},
	{BASE "outputs: [{name: a, type: pcapng, directory: /x, snap: 63}]\n",
		":3: outputs[0].snap: 63 is smaller than 64"},
	{BASE "outputs: [{name: a, type: pcapng, directory: /x, mtu: 1500}]\n",
		":3: outputs[0].mtu: does not belong to an output of type pcapng; allowed with it: "
		"name, type, required, directory, rotate_bytes, rotate_seconds, keep_files, "
		"keep_bytes, snap, length, filter, sample, sample_by"},
	{BASE "sessions: {unknown: deny}\n",
		":3: sessions.unknown: \"deny\" is unknown; allowed: accept, drop"},
	/* of another type */
	{BASE "outputs: [{name: a, type: tap, directory: /x}]\n",
		":3: outputs[0].directory: does not belong to an output of type tap; allowed with "
		"it: name, type, required, interface, per, mtu, vlan_from_vni, filter, sample, "
		"sample_by"},
	/* sessions told apart */
	{BASE "outputs: [{name: a, type: tap, per: vni}]\n",
		":3: outputs[0].per: \"vni\" is unknown; allowed: output, session"},
	{BASE "outputs: [{name: a, type: ring, per: session}]\n",
		":3: outputs[0].per: does not belong to an output of type ring; allowed with it: "
		"name, type, required, length, mode, snap, when_full, when_absent, group, filter, "
		"sample, sample_by"},
	{BASE "outputs: [{name: a, type: tap, per: session}]\n",
		":3: outputs[0].per: session, but no session comes to this output; name them in "
		"sessions.list"},
	{BASE "sessions: {list: [{vni: 12345678, name: abcdefgh}]}\n"
	      "outputs: [{name: a, type: tap, per: session, interface: prefix-0}]\n",
		":4: outputs[0].interface: \"prefix-0\" and VNI 12345678 together are longer than "
		"15 "
		"characters; take a shorter one, of 7 at most"},
	{BASE "sessions: {list: [{vni: 7, name: web}]}\n"
	      "outputs:\n"
	      "  - {name: m-web, type: tap}\n"
	      "  - {name: a, type: tap, per: session, interface: m-}\n",
		":6: outputs[1].interface: session web would have the interface m-web, which is "
		"taken; take another prefix or session name"},
	{BASE "outputs: [{name: a, type: tap, vlan_from_vni: 10}]\n",
		":3: outputs[0].vlan_from_vni: is a single value; allowed: a mapping of VNIs to "
		"VLAN ids, {4321: 10}"},
	{BASE "outputs: [{name: a, type: tap, vlan_from_vni: {}}]\n",
		":3: outputs[0].vlan_from_vni: has 0 entries; 1 to 4096 are allowed: a mapping of "
		"VNIs to VLAN ids, {4321: 10}"},
	{BASE "outputs: [{name: a, type: tap, vlan_from_vni: {web: 10}}]\n",
		":3: outputs[0].vlan_from_vni: \"web\" is no VNI; allowed: a number from 0 to "
		"16777215"},
	{BASE "outputs: [{name: a, type: tap, vlan_from_vni: {16777216: 10}}]\n",
		":3: outputs[0].vlan_from_vni: \"16777216\" is no VNI; allowed: a number from 0 to "
		"16777215"},
	{BASE "outputs: [{name: a, type: tap, vlan_from_vni: {1: 10,\n 2: 4095}}]\n",
		":4: outputs[0].vlan_from_vni: VNI 2 has no VLAN id; allowed: a number from 1 to "
		"4094"},
	{BASE "outputs: [{name: a, type: tap, vlan_from_vni: {1: 10, 1: 11}}]\n",
		":3: outputs[0].vlan_from_vni: has VNI 1 twice; keep one of them"},
	/* hooks */
	{BASE "sessions: {on_session_seen: logger}\n",
		":3: sessions.on_session_seen: \"logger\" is not an absolute path; allowed: an "
		"absolute path of a program"},
	{BASE "sessions: {idle_seconds: 0}\n", ":3: sessions.idle_seconds: 0 is smaller than 1"},
	/* names */
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: [{name: \"a b\", device: b}]\n",
		":2: ports[0].name: \"a b\" is not a name; allowed: 1 to 15 of A-Z a-z 0-9 _ -"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: [{name: abcdefghijklmnop, device: b}]\n",
		":2: ports[0].name: \"abcdefghijklmnop\" is not a name; allowed: 1 to 15 of A-Z "
		"a-z 0-9 _ -"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports:\n"
	 "  - {name: a, device: b}\n"
	 "  - {name: a, device: c}\n",
		":4: ports[1].name: \"a\" is taken by ports[0].name; each needs its own"},
	{BASE "outputs:\n"
	      "  - {name: a, type: ring}\n"
	      "  - {name: a, type: ring}\n",
		":5: outputs[1].name: \"a\" is taken by outputs[0].name; each needs its own"},
	{BASE "outputs: [{name: a/b, type: ring}]\n",
		":3: outputs[0].name: \"a/b\" is not a name; allowed: 1 to 15 of A-Z a-z 0-9 _ -"},
	{BASE "outputs: [{name: a, type: tap, interface: a/b}]\n",
		":3: outputs[0].interface: \"a/b\" cannot name an interface; allowed: 1 to 15 "
		"characters without '/', ':' and blanks, not '.' or '..'"},
	{BASE "outputs: [{name: a, type: tap, interface: ..}]\n",
		":3: outputs[0].interface: \"..\" cannot name an interface; allowed: 1 to 15 "
		"characters without '/', ':' and blanks, not '.' or '..'"},
	{BASE "outputs: [{name: a, type: tap, interface: abcdefghijklmnop}]\n",
		":3: outputs[0].interface: \"abcdefghijklmnop\" cannot name an interface; allowed: "
		"1 to 15 characters without '/', ':' and blanks, not '.' or '..'"},
	{BASE "outputs:\n"
	      "  - {name: a, type: tap}\n"
	      "  - {name: b, type: tap, interface: a}\n",
		":5: outputs[1].interface: \"a\" is taken by outputs[0].interface; each needs its "
		"own"},
	{BASE "outputs:\n"
	      "  - {name: b, type: tap, interface: a}\n"
	      "  - name: a\n"
	      "    type: tap\n",
		":5: outputs[1].interface: \"a\" is taken by outputs[0].interface; each needs its "
		"own"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: [{name: a, device: b, host_interface: \"x y\"}]\n",
		":2: ports[0].host_interface: \"x y\" cannot name an interface; allowed: 1 to 15 "
		"characters without '/', ':' and blanks, not '.' or '..'"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: [{name: a, device: b, host_interface: mirror0}]\n"
	 "outputs:\n"
	 "  - {name: x, type: tap, interface: mirror0}\n",
		":4: outputs[0].interface: \"mirror0\" is taken by ports[0].host_interface; each "
		"needs its own"},
	/* keys of other output types */
	{BASE "outputs:\n"
	      "  - {name: a, type: tap, device: x}\n",
		":4: outputs[0].device: does not belong to an output of type tap; allowed with it: "
		"name, type, required, interface, per, mtu, vlan_from_vni, filter, sample, "
		"sample_by"},
	{BASE "outputs:\n"
	      "  - {name: a, type: ring, mtu: 1500}\n",
		":4: outputs[0].mtu: does not belong to an output of type ring; allowed with it: "
		"name, type, required, length, mode, snap, when_full, when_absent, group, filter, "
		"sample, sample_by"},
	{BASE "outputs:\n"
	      "  - name: a\n"
	      "    type: port\n"
	      "    device: x\n"
	      "    length: 64\n",
		":7: outputs[0].length: does not belong to an output of type port; allowed with "
		"it: name, type, required, device, tx_queues, vlan_from_vni, filter, sample, "
		"sample_by"},
	{BASE "outputs: [{name: a, type: ring, interface: x}]\n",
		":3: outputs[0].interface: does not belong to an output of type ring; allowed with "
		"it: name, type, required, length, mode, snap, when_full, when_absent, group, "
		"filter, sample, sample_by"},
	{BASE "outputs: [{name: a, type: tap, mode: copy}]\n",
		":3: outputs[0].mode: does not belong to an output of type tap; allowed with it: "
		"name, type, required, interface, per, mtu, vlan_from_vni, filter, sample, "
		"sample_by"},
	{BASE "outputs: [{name: a, type: ring, mode: borrow}]\n",
		":3: outputs[0].mode: \"borrow\" is unknown; allowed: zero-copy, copy"},
	{BASE "outputs: [{name: a, type: ring, when_full: wait}]\n",
		":3: outputs[0].when_full: \"wait\" is unknown; allowed: drop_new, drop_old"},
	{BASE "outputs: [{name: a, type: ring, snap: 10}]\n",
		":3: outputs[0].snap: 10 is smaller than 64"},
	{BASE "outputs: [{name: a, type: tap, length: 64}]\n",
		":3: outputs[0].length: does not belong to an output of type tap; allowed with it: "
		"name, type, required, interface, per, mtu, vlan_from_vni, filter, sample, "
		"sample_by"},
	/* devices */
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports:\n"
	 "  - {name: a, device: \"net_tap0,iface=x\"}\n"
	 "  - {name: b, device: \"net_tap0,iface=y\"}\n",
		":4: ports[1].device: \"net_tap0\" is taken by ports[0].device; each needs its "
		"own"},
	{BASE "outputs:\n"
	      "  - {name: a, type: port, device: \"net_null0,x=1\"}\n",
		":4: outputs[0].device: \"net_null0\" is taken by ports[0].device; each needs its "
		"own"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports:\n"
	 "  - {name: a, device: \"0000:00:06.0\"}\n"
	 "  - {name: b, device: \"00:06.0\"}\n",
		":4: ports[1].device: \"00:06.0\" is taken by ports[0].device; each needs its own"},
	{"dataplane: {lcores: \"0-1\"}\n"
	 "ports: [{name: a, device: \",x\"}]\n",
		":2: ports[0].device: \",x\" is no device; allowed: a PCI address or a vdev "
		"string"},
	/* HTTP */
	{BASE "http:\n"
	      "  listen: [\"8080\"]\n",
		":4: http.listen[0]: \"8080\" is not ADDRESS:PORT; allowed: e.g. 127.0.0.1:8080 or "
		"[::1]:8080"},
	{BASE "http:\n"
	      "  listen: [\"127.0.0.1\"]\n",
		":4: http.listen[0]: \"127.0.0.1\" is not ADDRESS:PORT; allowed: e.g. "
		"127.0.0.1:8080 or [::1]:8080"},
	{BASE "http:\n"
	      "  listen: [\"127.0.0.1:0\"]\n",
		":4: http.listen[0]: \"127.0.0.1:0\" is not ADDRESS:PORT; allowed: e.g. "
		"127.0.0.1:8080 or [::1]:8080"},
	{BASE "http:\n"
	      "  listen: [\"127.0.0.1:65536\"]\n",
		":4: http.listen[0]: \"127.0.0.1:65536\" is not ADDRESS:PORT; allowed: e.g. "
		"127.0.0.1:8080 or [::1]:8080"},
	{BASE "http:\n"
	      "  listen: [\"localhost:80\"]\n",
		":4: http.listen[0]: \"localhost:80\" is not ADDRESS:PORT; allowed: e.g. "
		"127.0.0.1:8080 or [::1]:8080"},
	{BASE "http:\n"
	      "  listen: [\"[::1:80\"]\n",
		":4: http.listen[0]: \"[::1:80\" is not ADDRESS:PORT; allowed: e.g. 127.0.0.1:8080 "
		"or [::1]:8080"},
	{BASE "http:\n"
	      "  listen: [\"::1:80\"]\n",
		":4: http.listen[0]: \"::1:80\" is not ADDRESS:PORT; allowed: e.g. 127.0.0.1:8080 "
		"or [::1]:8080"},
	{BASE "http:\n"
	      "  listen: [\"[127.0.0.1]:80\"]\n",
		":4: http.listen[0]: \"[127.0.0.1]:80\" is not ADDRESS:PORT; allowed: e.g. "
		"127.0.0.1:8080 or [::1]:8080"},
	{BASE "http:\n"
	      "  listen: [\"127.0.0.1:80x\"]\n",
		":4: http.listen[0]: \"127.0.0.1:80x\" is not ADDRESS:PORT; allowed: e.g. "
		"127.0.0.1:8080 or [::1]:8080"},
	{BASE "http: {listen: [\"127.0.0.1:80\", \":80\"]}\n",
		":3: http.listen[1]: \":80\" is not ADDRESS:PORT; allowed: e.g. 127.0.0.1:8080 or "
		"[::1]:8080"},
	{BASE "http: {control_socket: a/b}\n",
		":3: http.control_socket: \"a/b\" is not an absolute path; allowed: e.g. "
		"/run/mirrortap/control.sock"},
	{BASE "http: {control_socket: "
	      "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	      "xxxxxxxxxxxxxxxxxxxxxxxxxxx}\n",
		":3: http.control_socket: is 111 bytes long; a socket's path has at most 107"},
	{BASE "http: {probe_listen: [\"127.0.0.1:80\", \"4789\"]}\n",
		":3: http.probe_listen[1]: \"4789\" is not ADDRESS:PORT; allowed: e.g. "
		"127.0.0.1:8080 or [::1]:8080"},
	{BASE "http: {probe_listen: [\"0.0.0.0:4789\", \"[::]:4789\", \"0.0.0.0:4789\"]}\n",
		":3: http.probe_listen[2]: 0.0.0.0:4789 is in http.probe_listen twice; name it "
		"once"},
	{BASE "http: {probe_listen: \"127.0.0.1:80\"}\n",
		":3: http.probe_listen: is a single value; allowed: a list of at most 64 "
		"addresses"},
	{BASE "http:\n"
	      "  listen: [\"0.0.0.0:8080\", \"0.0.0.0:4789\"]\n"
	      "  probe_listen: [\"0.0.0.0:4789\"]\n",
		":5: http.probe_listen[0]: 0.0.0.0:4789 is in http.listen too, which never closes; "
		"name each address in one of them"},
	{BASE "http: {listen: [a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a"
	      ", a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, "
	      "a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a]}\n",
		":3: http.listen: has 65 entries; at most 64 are allowed"},
	{BASE "outputs: [{name: o0, type: ring}, {name: o1, type: ring}, {name: o2, type: ring}, "
	      "{name: o3, type: ring}, {name: o4, type: ring}, {name: o5, type: ring}, {name: o6, "
	      "type: ring}, {name: o7, type: ring}, {name: o8, type: ring}, {name: o9, type: "
	      "ring}, {name: o10, type: ring}, {name: o11, type: ring}, {name: o12, type: ring}, "
	      "{name: o13, type: ring}, {name: o14, type: ring}, {name: o15, type: ring}, {name: "
	      "o16, type: ring}]\n",
		":3: outputs: has 17 entries; at most 16 are allowed"},
	{BASE "outputs:\n"
	      "  - {name: a, type:\n"
	      "    tapp}\n",
		":5: outputs[0].type: \"tapp\" is unknown; allowed: tap, ring, port, pcapng"},
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_error(bad[i].text, strlen(bad[i].text), bad[i].error);
}

static void refuses_files(void **state)
{
	static char large[(8 << 20) + 1];
	struct written file = write_file("", 0);
	struct mt_config *config;
	char error[256];

	(void)state;
	unlink(file.path);
	assert_int_equal(
		mt_config_load("/nonexistent.yaml", &config, error, sizeof(error)), -ENOENT);
	assert_string_equal(error,
		"/nonexistent.yaml: No such file or directory; create it or name another with -c");
	assert_true(mt_config_load("/tmp", &config, error, sizeof(error)) < 0);
	assert_string_equal(error, "/tmp: is not a regular file; name one with -c");
	assert_int_equal(mkfifo(file.path, 0600), 0);
	assert_true(mt_config_load(file.path, &config, error, sizeof(error)) < 0);
	unlink(file.path);
	memset(large, '#', sizeof(large));
	file = write_file(large, sizeof(large));
	assert_int_equal(mt_config_load(file.path, &config, error, sizeof(error)), -EFBIG);
	unlink(file.path);
	/* A message that does not fit is cut, not overrun. */
	assert_true(mt_config_load("/nonexistent.yaml", &config, error, 10) < 0);
	assert_string_equal(error, "/nonexist");
}

/* A NUL byte in the file itself, which no C string above can hold. */
static void refuses_nul_bytes(void **state)
{
	static const char text[] = BASE "x: a\0b\n";

	(void)state;
	expect_error(text, sizeof(text) - 1, ":3: is not YAML: control characters are not allowed");
}

static void fills_defaults(void **state)
{
	struct mt_config *config = load(BASE "outputs:\n"
					     "  - {name: tools, type: tap}\n"
					     "  - {name: ids, type: ring}\n"
					     "sessions: {unknown: accept, list: []}\n"
					     "filters: []\n");
	struct mt_tunnels tunnels;

	(void)state;
	assert_int_equal(config->dataplane.queues, 1);
	assert_int_equal(config->dataplane.queue_length, 4096);
	assert_int_equal(config->dataplane.idle, MT_IDLE_POLL);
	assert_int_equal(config->dataplane.hash.fields, MT_HASH_5_TUPLE);
	assert_false(config->dataplane.hash.include_vni);
	assert_null(config->dataplane.receive_lcores);
	assert_null(config->dataplane.queue_lcores);
	assert_int_equal(config->dataplane.eal_count, 0);
	assert_int_equal(config->ports_count, 1);
	assert_int_equal(config->ports[0].descriptors, 1024);
	assert_int_equal(config->ports[0].buffer_bytes, 0);
	assert_int_equal(config->ports[0].buffers, 16383);
	assert_null(config->ports[0].host_interface);
	assert_string_equal(config->outputs[0].interface, "tools");
	assert_int_equal(config->outputs[0].mtu, 9216);
	assert_int_equal(config->outputs[1].length, 4096);
	assert_int_equal(config->http.listen_count, 0);
	assert_string_equal(config->http.control_socket, MT_DEFAULT_SOCKET);
	mt_config_tunnels(config, &tunnels);
	assert_int_equal(tunnels.vxlan_count, 1);
	assert_int_equal(tunnels.vxlan_ports[0], htons(4789));
	assert_int_equal(tunnels.geneve_count, 1);
	assert_int_equal(tunnels.geneve_ports[0], htons(6081));
	mt_config_free(config);
	mt_config_free(NULL);
}

static void reads_dedup_and_reorder(void **state)
{
	static const char lcores[] = "dataplane: {lcores: \"0@0,1@0\", queues: 4,";
	static struct mt_plan plan;
	struct mt_config *config;
	char text[512], error[256];

	(void)state;
	config = load(BASE);
	assert_int_equal(config->dedup.window_ms, 0);
	assert_int_equal(config->reorder.window_us, 0);
	assert_int_equal(config->reorder.packets, 0);
	mt_config_free(config);

	config = load(BASE "dedup: {}\nreorder: {}\n");
	assert_int_equal(config->reorder.window_us, 1000);
	assert_int_equal(config->reorder.packets, 1024);
	assert_int_equal(config->dedup.window_ms, 50);
	assert_int_equal(config->dedup.entries, 262144);
	assert_int_equal(config->dedup.payload_bytes, MT_DEDUP_MAX_BYTES);
	assert_true(config->dedup.across_sessions);
	assert_false(config->dedup.ignore_dscp);
	mt_config_free(config);

	/* What several queues may not have across sessions, they may within one. */
	snprintf(text, sizeof(text),
		"%s hash: {include_vni: true}}\n" PORTS "dedup: {window_ms: 200, entries: 5000, "
		"across_sessions: false, ignore_dscp: true, payload_bytes: 64}\n"
		"reorder: {window_us: 300, packets: 8192}\n",
		lcores);
	config = load(text);
	assert_int_equal(config->dedup.window_ms, 200);
	assert_int_equal(config->dedup.entries, 5000);
	assert_int_equal(config->dedup.payload_bytes, 64);
	assert_false(config->dedup.across_sessions);
	assert_true(config->dedup.ignore_dscp);
	assert_int_equal(mt_plan_make(config, &plan, error, sizeof(error)), 0);
	assert_int_equal(plan.dedup_bytes, 4 * mt_dedup_bytes(5000));
	assert_true(mt_dedup_bytes(5000) >= 8192 * sizeof(struct mt_dedup_entry));
	assert_int_equal(plan.total_bytes,
		plan.ports[0].bytes + MT_PLAN_WORKER_BYTES + plan.dedup_bytes + plan.reorder_bytes);
	assert_int_equal(plan.reorder_bytes, 4 * mt_reorder_bytes(8192));
	/* All queues may hold as many buffers of one port as they may hold. */
	assert_int_equal(plan.ports[0].mbufs, 65535);
	mt_config_free(config);
}

/* Which worker the warning of a port on another NUMA node names. */
static void finds_far_workers(void **state)
{
	struct mt_plan plan = {.workers = {{.lcore = 1, .numa_node = 0, .receives = true},
				       {.lcore = 2, .numa_node = 1, .owns = true},
				       {.lcore = 3, .numa_node = 1, .receives = true}},
		.workers_count = 1};

	(void)state;
	assert_null(mt_plan_far_worker(&plan, 0));
	assert_int_equal(mt_plan_far_worker(&plan, 1)->lcore, 1);
	assert_null(mt_plan_far_worker(&plan, -1)); /* a device without a node */
	plan.workers_count = 2;
	assert_int_equal(mt_plan_far_worker(&plan, 0)->lcore, 2);
	plan.workers_count = 3; /* one that receives goes first */
	assert_int_equal(mt_plan_far_worker(&plan, 0)->lcore, 3);
}

/* Every key of the contract that this version supports. */
static void reads_every_key(void **state)
{
	struct mt_config *config = load(
		"dataplane:\n"
		"  lcores: \"0-3\"\n"
		"  receive_lcores: \"1\"\n"
		"  queue_lcores: 2-3\n"
		"  queues: 2\n"
		"  queue_length: 1024\n"
		"  idle: sleep\n"
		"  hash: {fields: 2-tuple, include_vni: true}\n"
		"  eal: [--no-huge, --no-pci]\n"
		"ports:\n"
		"  - {name: eth1, device: \"0000:00:06.0\", host_interface: mt-eth1,\n"
		"     buffer_bytes: 9344, buffers: 4095, descriptors: 2048}\n"
		"tunnels: {vxlan_ports: [4789, 8472], geneve_ports: []}\n"
		"sessions:\n"
		"  unknown: accept\n"
		"outputs:\n"
		"  - {name: tools, type: tap, interface: mirror0, mtu: 1500}\n"
		"  - {name: ids, type: ring, length: 64}\n"
		"  - {name: s, type: port, device: \"net_memif0,role=server\"}\n"
		"  - {name: archive, type: pcapng, directory: /var/lib/mirrortap,\n"
		"     rotate_bytes: 1GiB, rotate_seconds: 60}\n"
		"  - {name: b, type: pcapng, directory: /b, rotate_bytes: 1000000K, keep_files: "
		"7,\n"
		"     keep_bytes: 2TB, snap: 128, length: 1024}\n"
		"http: {listen: [\"127.0.0.1:8080\", \"[::1]:8080\"], control_socket: /run/x}\n");
	struct mt_tunnels tunnels;

	(void)state;
	assert_string_equal(config->dataplane.lcores, "0-3");
	assert_string_equal(config->dataplane.receive_lcores, "1");
	assert_string_equal(config->dataplane.queue_lcores, "2-3");
	assert_int_equal(config->dataplane.queues, 2);
	assert_int_equal(config->dataplane.queue_length, 1024);
	assert_int_equal(config->dataplane.idle, MT_IDLE_SLEEP);
	assert_int_equal(config->dataplane.hash.fields, MT_HASH_2_TUPLE);
	assert_true(config->dataplane.hash.include_vni);
	assert_int_equal(config->dataplane.eal_count, 2);
	assert_string_equal(config->dataplane.eal[1], "--no-pci");
	assert_string_equal(config->ports[0].device, "0000:00:06.0");
	assert_string_equal(config->ports[0].host_interface, "mt-eth1");
	assert_int_equal(config->ports[0].buffer_bytes, 9344);
	assert_int_equal(config->ports[0].buffers, 4095);
	assert_int_equal(config->ports[0].descriptors, 2048);
	assert_int_equal(config->outputs_count, 5);
	assert_string_equal(config->outputs[0].interface, "mirror0");
	assert_int_equal(config->outputs[0].mtu, 1500);
	assert_int_equal(config->outputs[1].type, MT_OUTPUT_RING);
	assert_int_equal(config->outputs[1].length, 64);
	assert_string_equal(config->outputs[2].device, "net_memif0,role=server");
	assert_int_equal(config->outputs[3].type, MT_OUTPUT_PCAPNG);
	assert_string_equal(config->outputs[3].directory, "/var/lib/mirrortap");
	assert_true(config->outputs[3].rotate_bytes == UINT64_C(1) << 30);
	assert_int_equal(config->outputs[3].rotate_seconds, 60);
	assert_int_equal(config->outputs[3].keep_files, 0);
	assert_true(config->outputs[3].keep_bytes == 0);
	assert_int_equal(config->outputs[3].snap, 0);
	assert_int_equal(config->outputs[3].length, 8192);
	assert_true(config->outputs[4].rotate_bytes == 1000000000);
	assert_int_equal(config->outputs[4].rotate_seconds, 0);
	assert_int_equal(config->outputs[4].keep_files, 7);
	assert_true(config->outputs[4].keep_bytes == UINT64_C(2000000000000));
	assert_int_equal(config->outputs[4].snap, 128);
	assert_int_equal(config->outputs[4].length, 1024);
	assert_string_equal(config->http.listen[1], "[::1]:8080");
	assert_string_equal(config->http.control_socket, "/run/x");
	mt_config_tunnels(config, &tunnels);
	assert_int_equal(tunnels.vxlan_count, 2);
	assert_int_equal(tunnels.geneve_count, 0);
	mt_config_free(config);
}

/* lcores: the result as "id@cpus id@cpus", or what is wrong. */
static const struct {
	const char *text;
	const char *expected;
} lcore_cases[] = {
	{"0-3", "0@0 1@1 2@2 3@3"},
	{"0@0,1@1,2@1", "0@0 1@1 2@1"},
	{"(1-2)@(0,1)", "1@0-1 2@0-1"},
	{"0,2@(1,3)", "0@0 2@1,3"},
	{"1,2@(5-7),(3-5)@(0,2),(0,6),7-8",
		"1@1 2@5-7 3@0,2 4@0,2 5@0,2 0@0,6 6@0,6 7@7 8@8"}, /* EAL's own example */
	{"5,1,3", "5@5 1@1 3@3"},
	{"3-1", "1@1 2@2 3@3"},
	{" 0 , 1 @ 2 ", "0@0 1@2"},
	{"2@0-1", "2@0-1"},
	{"( 1 , 3 - 4 )@ 7", "1@7 3@7 4@7"},
	{"127@1023", "127@1023"},
	{"", "ends where a number is expected"},
	{"0,", "ends where a number is expected"},
	{"0,,1", "a number is expected at \",1\""},
	{"a", "a number is expected at \"a\""},
	{"0-", "ends where a number is expected"},
	{"0@", "ends where a number is expected"},
	{"0@(1", "ends where ',' or ')' is expected"},
	{"()", "a number is expected at \")\""},
	{"(0-1)x", "',' or '@' is expected at \"x\""},
	{"0@1@2", "',' or '@' is expected at \"@2\""},
	{"0 1", "',' or '@' is expected at \"1\""},
	{"-1", "a number is expected at \"-1\""},
	{"1-2-3", "',' or '@' is expected at \"-3\""},
	{"1-2@3", "a range with '@' wants parentheses: \"(1-2)@\""},
	{"0,0", "lcore 0 is named twice"},
	{"0-2,1@5", "lcore 1 is named twice"},
	{"128", "lcore 128 is too large, ids end at 127; map it, e.g. '1@128'"},
	{"0@1024", "numbers end at 1023"},
	{"99999999999999999999", "numbers end at 1023"},
};

static void parses_lcores(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lcore_cases) / sizeof(lcore_cases[0]); i++) {
		struct mt_lcores lcores;
		char text[256] = "", cpus[64];
		size_t used = 0;

		if (mt_lcores_parse(lcore_cases[i].text, &lcores, text, sizeof(text)) == 0)
			for (unsigned j = 0; j < lcores.count; j++) {
				mt_lcores_format(&lcores.list[j].cpus, cpus, sizeof(cpus));
				used += snprintf(text + used, sizeof(text) - used, "%s%u@%s",
					j == 0 ? "" : " ", lcores.list[j].id, cpus);
			}
		assert_string_equal(text, lcore_cases[i].expected);
	}
}

static void plan_of(const char *text, struct mt_plan *plan, char *error, size_t error_size)
{
	struct written file = write_file(text, strlen(text));
	char message[512] = "";
	struct mt_config *config;

	assert_int_equal(mt_config_load(file.path, &config, message, sizeof(message)), 0);
	message[0] = '\0';
	mt_plan_make(config, plan, message, sizeof(message));
	unlink(file.path);
	mt_config_free(config);
	/* Without the file's name, which is another each time. */
	snprintf(error, error_size, "%s", message[0] == '\0' ? "" : message + strlen(file.path));
}

static const struct {
	const char *text;
	const char *error;
} bad_plans[] = {
	{"dataplane:\n  lcores: \"0\"\n" PORTS,
		":2: dataplane.lcores: \"0\" names 1 lcore, at least 2 are needed (the first "
		"controls, the others work); on one core write '0@0,1@0'"},
	{"dataplane:\n  lcores: \"0,x\"\n" PORTS,
		":2: dataplane.lcores: \"0,x\": a number is expected at \"x\"; allowed: EAL's "
		"--lcores syntax, e.g. \"0-3\" or \"0@0,1@1\""},
	{"dataplane:\n  lcores: \"0@0,1@0\"\n  receive_lcores: \"0\"\n" PORTS,
		":3: dataplane.receive_lcores: lcore 0 controls and does not work; the workers "
		"are 1"},
	{"dataplane:\n  lcores: \"0@0,1@0,2@0\"\n  receive_lcores: \"1\"\n"
	 "  queue_lcores: \"2-3\"\n" PORTS,
		":4: dataplane.queue_lcores: lcore 3 is not in dataplane.lcores; the workers are "
		"1-2"},
	{"dataplane: {lcores: \"0@0,1@0\", receive_lcores: \"1@0\"}\n" PORTS,
		":1: dataplane.receive_lcores: \"1@0\": ',' or '-' is expected at \"@0\"; "
		"allowed: lcore ids, e.g. \"1,2\" or \"1-2\""},
	{"dataplane:\n  lcores: \"0@0,(1-3)@0\"\n  receive_lcores: \"1\"\n"
	 "  queue_lcores: \"2\"\n" PORTS,
		":2: dataplane.lcores: lcore 3 would have nothing to do; name it in "
		"receive_lcores or queue_lcores, or leave it out"},
	{"dataplane:\n  lcores: \"0@0,(1-3)@0\"\n  receive_lcores: \"1\"\n"
	 "  queue_lcores: \"2,3\"\n" PORTS,
		":4: dataplane.queue_lcores: lcore 3 would have no queue to own, there are 1; "
		"raise dataplane.queues or name fewer lcores"},
	{"dataplane:\n  lcores: \"0@0,(1-3)@0\"\n  receive_lcores: \"1\"\n" PORTS,
		":2: dataplane.lcores: lcore 2 would have no queue to own, there are 1; raise "
		"dataplane.queues or name fewer lcores"},
	{"dataplane: {lcores: \"0@0,1@0\"}\n"
	 "ports:\n  - {name: a, device: net_null0}\n"
	 "  - name: b\n    device: \"net_af_packet0,iface=x,framesz=100000\"\n",
		":5: ports[1].device: framesz is not a number from 1 to 65344"},
	{"dataplane: {lcores: \"0@0,1@0\"}\n"
	 "ports:\n  - {name: a, device: net_null0}\n"
	 "  - name: b\n    device: \"net_af_packet0,iface=x,blocksz=65536,framesz=10240\"\n",
		":5: ports[1].device: framesz 10240 does not divide blocksz 65536; give a blocksz "
		"that is a multiple of it and of 4096"},
};

static void refuses_plans(void **state)
{
	static struct mt_plan plan;
	char error[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad_plans) / sizeof(bad_plans[0]); i++) {
		plan_of(bad_plans[i].text, &plan, error, sizeof(error));
		assert_string_equal(error, bad_plans[i].error);
	}
}

static void refuses_offline_cpus(void **state)
{
	static struct mt_plan plan;
	char error[512], expected[512], online_text[256];
	struct mt_cpus online;

	(void)state;
	mt_lcores_online(&online);
	mt_lcores_format(&online, online_text, sizeof(online_text));
	if (!mt_cpus_has(&online, 0) || mt_cpus_has(&online, 1023))
		skip();
	snprintf(expected, sizeof(expected),
		":1: dataplane.lcores: lcore 1 wants CPU 1023, which is not online (online: %s); "
		"map it to one that is, e.g. '1@0'",
		online_text);
	plan_of("dataplane: {lcores: \"0@0,1@1023\"}\n" PORTS, &plan, error, sizeof(error));
	assert_string_equal(error, expected);
}

static void places_one_worker(void **state)
{
	static struct mt_plan plan;
	char error[512];

	(void)state;
	plan_of("dataplane: {lcores: \"7@0,5@0\", queues: 3}\n" PORTS, &plan, error, sizeof(error));
	assert_string_equal(error, "");
	assert_int_equal(plan.control_lcore, 7);
	assert_int_equal(plan.control_cpu, 0);
	assert_int_equal(plan.workers_count, 1);
	assert_int_equal(plan.workers[0].lcore, 5);
	assert_true(plan.workers[0].receives && plan.workers[0].owns);
	assert_int_equal(plan.receivers_count, 1);
	for (unsigned q = 0; q < 3; q++)
		assert_int_equal(plan.queue_owner[q], 0);
	/* One worker that does it all: no ring, the least pool. */
	assert_int_equal(plan.rings_bytes, 0);
	assert_int_equal(plan.ports[0].mbufs, 16383);
	assert_int_equal(plan.ports[0].buffer_bytes, 2048 + 128);
	assert_int_equal(plan.ports[0].bytes, 16383ull * (2048 + 128 + 128 + 64 + 136));
	assert_int_equal(plan.workers_bytes, MT_PLAN_WORKER_BYTES);
	assert_int_equal(plan.total_bytes, plan.ports[0].bytes + MT_PLAN_WORKER_BYTES);
}

static void places_split_roles(void **state)
{
	static struct mt_plan plan;
	char error[512];

	(void)state;
	plan_of("dataplane: {lcores: \"0@0,(1-4)@0\", receive_lcores: \"1,3\",\n"
		"  queue_lcores: \"2-4\", queues: 5}\n" PORTS,
		&plan, error, sizeof(error));
	assert_string_equal(error, "");
	assert_int_equal(plan.receivers_count, 2);
	assert_true(plan.workers[0].receives && !plan.workers[0].owns);
	assert_true(!plan.workers[1].receives && plan.workers[1].owns);
	assert_true(plan.workers[2].receives && plan.workers[2].owns);
	assert_int_equal(plan.queue_owner[0], 1);
	assert_int_equal(plan.queue_owner[1], 2);
	assert_int_equal(plan.queue_owner[2], 3);
	assert_int_equal(plan.queue_owner[3], 1);
	assert_int_equal(plan.queue_owner[4], 2);
	assert_int_equal(plan.rings_bytes, 5 * (4096 * 8 + 384));
}

/* Sessions and filters are there twice while the configuration is read again. */
static void counts_sessions_and_filters(void **state)
{
	static struct mt_plan plan;
	char error[512];

	(void)state;
	plan_of("dataplane: {lcores: \"0@0,1@0\"}\n" PORTS
		"sessions: {list: [{vni: 1, name: a, sources: [10.0.0.0/8], filter: f},\n"
		"  {vni: 2, name: b}]}\n"
		"filters: [{name: f, rules: [{number: 1, action: accept}, {number: 2, action: "
		"reject}]}]\n",
		&plan, error, sizeof(error));
	assert_string_equal(error, "");
	assert_int_equal(plan.policy_bytes, 2 * (256 * 8 + 2 * 64 + 32 + 32 * 1024 + 2 * 1536));
	assert_int_equal(
		plan.total_bytes, plan.ports[0].bytes + MT_PLAN_WORKER_BYTES + plan.policy_bytes);
}

/* Owners beyond the number of queues still receive. */
static void places_surplus_owners(void **state)
{
	static struct mt_plan plan;
	char error[512];

	(void)state;
	plan_of("dataplane: {lcores: \"0@0,(1-3)@0\", queues: 2}\n" PORTS, &plan, error,
		sizeof(error));
	assert_string_equal(error, "");
	assert_true(plan.workers[2].receives && !plan.workers[2].owns);
}

static void fits_default_hugepages(void **state)
{
	static struct mt_plan plan;
	char error[512];

	(void)state;
	plan_of("dataplane: {lcores: \"0@0,1@0,2@0\", queues: 2}\n" PORTS
		"outputs: [{name: ids, type: ring}]\n",
		&plan, error, sizeof(error));
	assert_string_equal(error, "");
	/* 1024 * 2 + (256 + 256) * 2 + 4096 * 2 + 4096 * 2 = 19456 */
	assert_int_equal(plan.ports[0].mbufs, 32767);
	assert_true(plan.total_bytes < 150ull << 20);
}

static void chooses_buffers(void **state)
{
	static struct mt_plan plan;
	char error[512];

	(void)state;
	plan_of("dataplane: {lcores: \"0@0,1@0\"}\n"
		"ports:\n"
		"  - {name: a, device: "
		"\"net_af_packet0,iface=x,blocksz=38092800,framesz=9300,framecnt=8\"}\n"
		"  - {name: b, device: \"net_af_packet1,iface=y\"}\n"
		"  - {name: c, device: \"net_af_xdp0,iface=z\"}\n"
		"  - {name: d, device: \"net_tap0\", buffer_bytes: 4096}\n",
		&plan, error, sizeof(error));
	assert_string_equal(error, "");
	assert_int_equal(plan.ports[0].buffer_bytes, 9472); /* 9300 + 128, up to 64 */
	assert_int_equal(plan.ports[1].buffer_bytes, 2176);
	assert_int_equal(plan.ports[2].buffer_bytes, 2176);
	assert_int_equal(plan.ports[3].buffer_bytes, 4224);
}

/* As many as are asked for, and as many as are needed. */
static void rounds_buffers_up(void **state)
{
	static struct mt_plan plan;
	char error[512];

	(void)state;
	plan_of("dataplane: {lcores: \"0@0,1@0\"}\n"
		"ports: [{name: a, device: b, buffers: 65536}, {name: c, device: d, buffers: "
		"1023}]\n",
		&plan, error, sizeof(error));
	assert_string_equal(error, "");
	assert_int_equal(plan.ports[0].mbufs, 131071);
	assert_int_equal(plan.ports[1].mbufs, 4095); /* for 1024 + 256 + 384 * 2 */
}

static void prints_plan(void **state)
{
	struct mt_config *config = load("dataplane: {lcores: \"0@0,1@0,2@0\", queues: 2}\n" PORTS
					"outputs: [{name: ids, type: ring}]\n");
	static struct mt_plan plan;
	char error[512], *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	(void)state;
	assert_int_equal(mt_plan_make(config, &plan, error, sizeof(error)), 0);
	mt_plan_print(config, &plan, stream);
	fclose(stream);
	assert_non_null(strstr(text, "lcore 0   cpu 0   node 0  control\n"));
	assert_non_null(strstr(text, "lcore 1   cpu 0   node 0  receives, owns queues 0\n"));
	assert_non_null(strstr(text, "queues: 2, by 5-tuple\n"));
	assert_non_null(strstr(text, "VXLAN           UDP 4789\n"));
	assert_non_null(strstr(text, "ids             2 rings of 4096 frames, zero-copy\n"));
	assert_non_null(strstr(text, "41 hugepages of 2 MiB"));
	assert_non_null(strstr(text, "256 MiB of hugepages in all are enough"));
	free(text);
	mt_config_free(config);

	config = load(
		"dataplane: {lcores: \"0@0,1@0\", eal: [\"--no-pci\", \"--no-huge\"]}\n" PORTS);
	stream = open_memstream(&text, &length);
	assert_int_equal(mt_plan_make(config, &plan, error, sizeof(error)), 0);
	mt_plan_print(config, &plan, stream);
	fclose(stream);
	assert_non_null(strstr(text, "--no-huge: of ordinary memory"));
	assert_null(strstr(text, "in all are enough"));
	free(text);
	mt_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_files),
		cmocka_unit_test(refuses_nul_bytes),
		cmocka_unit_test(fills_defaults),
		cmocka_unit_test(reads_dedup_and_reorder),
		cmocka_unit_test(finds_far_workers),
		cmocka_unit_test(reads_every_key),
		cmocka_unit_test(parses_lcores),
		cmocka_unit_test(refuses_plans),
		cmocka_unit_test(refuses_offline_cpus),
		cmocka_unit_test(places_one_worker),
		cmocka_unit_test(places_split_roles),
		cmocka_unit_test(counts_sessions_and_filters),
		cmocka_unit_test(places_surplus_owners),
		cmocka_unit_test(fits_default_hugepages),
		cmocka_unit_test(chooses_buffers),
		cmocka_unit_test(rounds_buffers_up),
		cmocka_unit_test(prints_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
