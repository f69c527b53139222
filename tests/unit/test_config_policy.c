/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions and filters in the configuration: what is refused and with which words, what comes out,
 * what is imported of AWS's JSON (tests/aws, in the shapes of its API reference). */
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

#define BASE                                 \
	"dataplane: {lcores: \"0@0,1@0\"}\n" \
	"ports: [{name: p, device: net_null0}]\n"
#define OUTPUTS "outputs: [{name: a, type: ring}, {name: b, type: ring}]\n"
#define RULE "filters: [{name: f, rules: [{number: 1, action: accept, "

/* A folder with a configuration, and what it imports. */
struct folder {
	char path[32];
	char file[64];
};

static void write_to(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0, 0);
	assert_int_equal(fclose(file), 0);
}

static struct folder make_folder(const char *configuration)
{
	struct folder folder = {.path = "/tmp/mt-policy-XXXXXX"};

	assert_non_null(mkdtemp(folder.path));
	snprintf(folder.file, sizeof(folder.file), "%s/c.yaml", folder.path);
	write_to(folder.file, configuration);
	return folder;
}

static void remove_folder(const struct folder *folder, const char *import)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder->path, import != NULL ? import : "");
	if (import != NULL)
		unlink(path);
	unlink(folder->file);
	assert_int_equal(rmdir(folder->path), 0);
}

/* `expected` is what follows the file's name. `import`: text of the file x.json beside it. */
static void expect_error(const char *text, const char *import, const char *expected)
{
	struct folder folder = make_folder(text);
	struct mt_config *config = NULL;
	char error[512] = "", wanted[512], path[64];
	int result;

	snprintf(path, sizeof(path), "%s/x.json", folder.path);
	if (import != NULL)
		write_to(path, import);
	result = mt_config_load(folder.file, &config, error, sizeof(error));
	remove_folder(&folder, import != NULL ? "x.json" : NULL);
	if (import != NULL)
		snprintf(wanted, sizeof(wanted), "%s:3: sessions.import: %s%s", folder.file, path,
			expected);
	else
		snprintf(wanted, sizeof(wanted), "%s%s", folder.file, expected);
	if (result == 0) {
		mt_config_free(config);
		fail_msg("accepted, expected %s", wanted);
	}
	assert_string_equal(error, wanted);
	assert_int_equal(result, -EINVAL);
}

static struct mt_config *load(const char *text)
{
	struct folder folder = make_folder(text);
	struct mt_config *config = NULL;
	char error[512] = "";
	int result = mt_config_load(folder.file, &config, error, sizeof(error));

	remove_folder(&folder, NULL);
	if (result != 0)
		fail_msg("refused: %s", error);
	return config;
}

static const struct {
	const char *text;
	const char *error;
} bad[] = {
	{BASE "sessions:\n  list:\n    - {vni: 16777216, name: web}\n",
		":5: sessions.list[0].vni: 16777216 is larger than 16777215"},
	{BASE "sessions:\n  list:\n    - {name: web}\n",
		":5: sessions.list[0].vni: is missing: a number from 0 to 16777215"},
	{BASE "sessions:\n  list:\n    - {vni: 1, name: a b}\n",
		":5: sessions.list[0].name: \"a b\" is not a name; allowed: 1 to 63 of A-Z a-z 0-9 "
		"_ - ."},
	{BASE "sessions:\n  list:\n    - {vni: 1, name: a}\n    - {vni: 2, name: b}\n"
	      "    - {vni: 1, name: c}\n",
		":7: sessions.list[2].vni: 1 is taken by sessions.list[0].vni; each needs its own"},
	{BASE "sessions:\n  list:\n    - {vni: 1, name: a}\n    - {vni: 2, name: a}\n",
		":6: sessions.list[1].name: \"a\" is taken by sessions.list[0].name; each needs "
		"its own"},
	{BASE "sessions: {list: [{vni: 1, name: a, sources: [10.0.0.1/8]}]}\n",
		":3: sessions.list[0].sources[0]: \"10.0.0.1/8\" is not allowed; allowed: an "
		"address or CIDR, e.g. 10.0.0.0/16 or fd00::/8"},
	{BASE "sessions: {list: [{vni: 1, name: a, sources: [10.0.0.0/33]}]}\n",
		":3: sessions.list[0].sources[0]: \"10.0.0.0/33\" is not allowed; allowed: an "
		"address or CIDR, e.g. 10.0.0.0/16 or fd00::/8"},
	{BASE "sessions: {list: [{vni: 1, name: a, sources: []}]}\n",
		":3: sessions.list[0].sources: is empty; allowed: a list of addresses or CIDRs, at "
		"least one"},
	{BASE "sessions: {list: [{vni: 1, name: a, filter: x}]}\n",
		":3: sessions.list[0].filter: no filter is named \"x\"; name one of filters[]"},
	{BASE OUTPUTS "sessions: {list: [{vni: 1, name: a, outputs: [b, c]}]}\n",
		":4: sessions.list[0].outputs[1]: no output is named \"c\"; name one of outputs[]"},
	{BASE "sessions: {list: [{vni: 1, name: a, truncate: 13}]}\n",
		":3: sessions.list[0].truncate: 13 is smaller than 14"},
	{BASE "sessions: {list: [{vni: 1, name: a, sample: 0}]}\n",
		":3: sessions.list[0].sample: 0 is smaller than 1"},
	{BASE "sessions: {list: [{vni: 1, name: a, sample: 2, sample_by: x}]}\n",
		":3: sessions.list[0].sample_by: \"x\" is unknown; allowed: flows, packets"},
	{BASE "filters:\n  - {name: f}\n", ":4: filters[0].rules: is missing: a list of rules"},
	{BASE "filters:\n  - {name: f, rules: []}\n  - {name: f, rules: []}\n",
		":5: filters[1].name: \"f\" is taken by filters[0].name; each needs its own"},
	{BASE "filters:\n  - {name: f, rules: [{number: 1}]}\n",
		":4: filters[0].rules[0].action: is missing: accept, reject"},
	{BASE "filters:\n  - {name: f, rules: [{number: 32767, action: accept}]}\n",
		":4: filters[0].rules[0].number: 32767 is larger than 32766"},
	{BASE "filters:\n  - name: f\n    rules:\n"
	      "      - {number: 5, action: accept, direction: ingress}\n"
	      "      - {number: 5, action: accept, direction: egress}\n"
	      "      - {number: 5, action: accept}\n",
		":8: filters[0].rules[2].number: 5 is taken by filters[0].rules[1].number; each "
		"needs its own"},
	{BASE RULE "protocol: tpc}]}]\n",
		":3: filters[0].rules[0].protocol: \"tpc\" is not allowed; allowed: a number from "
		"0 to 255, or one of icmp, igmp, tcp, udp, gre, esp, ah, icmpv6, ospf, sctp, "
		"udplite, dccp"},
	{BASE RULE "protocol: 256}]}]\n",
		":3: filters[0].rules[0].protocol: \"256\" is not allowed; allowed: a number from "
		"0 to 255, or one of icmp, igmp, tcp, udp, gre, esp, ah, icmpv6, ospf, sctp, "
		"udplite, dccp"},
	{BASE RULE "destination_ports: 80}]}]\n",
		":3: filters[0].rules[0].destination_ports: needs a protocol with ports: tcp, udp, "
		"sctp, udplite or dccp"},
	{BASE RULE "protocol: tcp, source_ports: 90-80}]}]\n",
		":3: filters[0].rules[0].source_ports: \"90-80\" is not allowed; allowed: a port "
		"or a range, e.g. 8000-8080"},
	{BASE RULE "protocol: tcp, source_ports: 80-65536}]}]\n",
		":3: filters[0].rules[0].source_ports: \"80-65536\" is not allowed; allowed: a "
		"port or a range, e.g. 8000-8080"},
	{BASE RULE "source_cidr: 10.0.0.0/8, destination_cidr: \"::/0\"}]}]\n",
		":3: filters[0].rules[0].destination_cidr: is of another family than source_cidr; "
		"both must be IPv4 or IPv6"},
	{BASE RULE "vlan: 4095}]}]\n", ":3: filters[0].rules[0].vlan: 4095 is larger than 4094"},
	{BASE RULE "icmp_type: 8}]}]\n",
		":3: filters[0].rules[0].icmp_type: needs protocol icmp or icmpv6"},
	{BASE RULE "tcp_flags: syn}]}]\n", ":3: filters[0].rules[0].tcp_flags: needs protocol tcp"},
	{BASE RULE "protocol: tcp, tcp_flags: \"syn,!syn\"}]}]\n",
		":3: filters[0].rules[0].tcp_flags: \"syn,!syn\" is not allowed; allowed: flags "
		"that must be set, or with ! clear, e.g. \"syn,!ack\"; of fin, syn, rst, psh, ack, "
		"urg, ece, cwr"},
	{BASE RULE "bpf: \"tcp prot 80\"}]}]\n",
		":3: filters[0].rules[0].bpf: \"tcp prot 80\" is no capture filter: can't parse "
		"filter expression: syntax error"},
	{BASE RULE "outputs: [x]}]}]\n",
		":3: filters[0].rules[0].outputs[0]: no output is named \"x\"; name one of "
		"outputs[]"},
	{BASE RULE "truncate: 60}]}]\noutputs: [{name: o, type: ring, filter: f}]\n",
		":4: outputs[0].filter: filter \"f\" has outputs, truncate or sample in rule 1, "
		"which are for sessions; give the output a filter without them"},
	{BASE "outputs: [{name: o, type: ring, filter: f}]\n",
		":3: outputs[0].filter: no filter is named \"f\"; name one of filters[]"},
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_error(bad[i].text, NULL, bad[i].error);
}

static void refuses_too_many_bpf_rules(void **state)
{
	char text[2000] = BASE "filters:\n  - name: f\n    rules:\n";

	(void)state;
	for (unsigned r = 1; r <= MT_POLICY_MAX_BPF_RULES + 1; r++)
		sprintf(text + strlen(text), "      - {number: %u, action: accept, bpf: tcp}\n", r);
	expect_error(text, NULL,
		":22: filters[0].rules[16].bpf: is one too many; at most 16 rules of a filter may "
		"have one");
}

/* What the design's example says of sessions and filters, word by word. */
static void takes_the_contract(void **state)
{
	struct mt_config *config =
		load("dataplane: {lcores: \"0-3\", queues: 2, hash: {fields: 5-tuple, include_vni: "
		     "false}, eal: []}\n"
		     "ports:\n"
		     "  - {name: eth1, device: \"0000:00:06.0\", host_interface: mt-eth1}\n"
		     "tunnels: {vxlan_ports: [4789], geneve_ports: [6081]}\n"
		     "sessions:\n"
		     "  unknown: accept                                                       # or "
		     "drop\n"
		     "  list: [{vni: 4321, name: web, sources: [10.0.0.0/16], filter: no-backups, "
		     "outputs: [tools]}]\n"
		     "filters:\n"
		     "  - name: no-backups\n"
		     "    rules:\n"
		     "      - {number: 10, direction: any, action: reject, protocol: tcp, "
		     "destination_ports: \"873\"}\n"
		     "      - {number: 100, direction: any, action: accept}\n"
		     "outputs:\n"
		     "  - {name: ids, type: ring}\n"
		     "  - {name: tools, type: tap, interface: mirror0}\n");
	const struct mt_policy_spec *spec = &config->policy;
	const struct mt_session_spec *session = &spec->sessions[0];
	const struct mt_rule *rule = spec->filters[0].rules;

	(void)state;
	assert_false(mt_policy_spec_is_empty(spec));
	assert_int_equal(spec->sessions_count, 1);
	assert_false(spec->drop_unknown);
	assert_int_equal(session->vni, 4321);
	assert_string_equal(session->name, "web");
	assert_int_equal(session->sources_count, 1);
	assert_int_equal(session->sources[0].length, 96 + 16);
	assert_int_equal(
		session->sources[0].address.low, mt_address_from_ipv4(htonl(0x0a000000)).low);
	assert_ptr_equal(session->filter, &spec->filters[0]);
	assert_int_equal(session->treatment.outputs, 1 << 1);
	assert_int_equal(spec->filters[0].rules_count, 2);
	assert_int_equal(rule[0].number, 10);
	assert_false(rule[0].accept);
	assert_int_equal(rule[0].protocol, 6);
	assert_int_equal(rule[0].destination_ports.first, 873);
	assert_int_equal(rule[0].destination_ports.last, 873);
	assert_int_equal(rule[0].source_ports.last, 65535);
	assert_int_equal(rule[0].direction_first, MT_DIRECTION_INGRESS);
	assert_int_equal(rule[0].direction_last, MT_DIRECTION_EGRESS);
	assert_true(rule[1].accept);
	assert_int_equal(rule[1].protocol, -1);
	mt_config_free(config);
}

static void reads_every_key(void **state)
{
	struct mt_config *config = load(
		BASE "sessions:\n"
		     "  unknown: drop\n"
		     "  list:\n"
		     "    - {vni: 0, name: a.b, sources: [10.0.0.1, \"fd00::/8\"], truncate: 64,\n"
		     "       sample: 10, sample_by: packets, description: \"of all\"}\n"
		     "filters:\n"
		     "  - name: f\n"
		     "    description: d\n"
		     "    rules:\n"
		     "      - {number: 2, action: accept, direction: egress, protocol: TCP,\n"
		     "         source_ports: 1-2, source_cidr: 10.0.0.0/8, destination_cidr: "
		     "0.0.0.0/0,\n"
		     "         vlan: 0, tcp_flags: \"syn, !ack\", bpf: less 100, outputs: [b],\n"
		     "         truncate: 14, sample: 3, description: x}\n"
		     "      - {number: 2, action: reject, direction: ingress, protocol: 58, "
		     "icmp_type: 0}\n"
		     "  - {name: g, rules: []}\n"
		     "outputs:\n"
		     "  - {name: a, type: ring, filter: g, sample: 7, sample_by: packets}\n"
		     "  - {name: b, type: ring, sample: 2}\n");
	const struct mt_policy_spec *spec = &config->policy;
	const struct mt_session_spec *session = &spec->sessions[0];
	const struct mt_rule *rule = spec->filters[0].rules;

	(void)state;
	assert_true(spec->drop_unknown);
	assert_int_equal(session->vni, 0);
	assert_int_equal(session->sources[0].length, 128);
	assert_int_equal(session->sources[1].length, 8);
	assert_int_equal(session->sources[1].family, 6);
	assert_int_equal(session->treatment.truncate, 64);
	assert_int_equal(session->treatment.sample, 10);
	assert_true(session->treatment.sample_packets);
	assert_int_equal(session->treatment.outputs, 0);
	assert_string_equal(session->description, "of all");
	assert_int_equal(rule[0].direction_first, MT_DIRECTION_EGRESS);
	assert_int_equal(rule[0].source_ports.last, 2);
	assert_int_equal(rule[0].source.length, 96 + 8);
	assert_int_equal(rule[0].destination.length, 96);
	assert_int_equal(rule[0].destination.family, 4);
	assert_int_equal(rule[0].vlan, 0);
	assert_int_equal(rule[0].tcp_flags, 0x02);
	assert_int_equal(rule[0].tcp_flags_mask, 0x12);
	assert_string_equal(rule[0].bpf, "less 100");
	assert_int_equal(rule[0].treatment.outputs, 1 << 1);
	assert_int_equal(rule[0].treatment.truncate, 14);
	assert_int_equal(rule[0].treatment.sample, 3);
	assert_false(rule[0].treatment.sample_packets);
	assert_int_equal(rule[0].icmp_type, -1);
	assert_int_equal(rule[1].icmp_type, 0);
	assert_int_equal(rule[1].vlan, -1);
	assert_ptr_equal(spec->outputs[0].filter, &spec->filters[1]);
	assert_int_equal(spec->outputs[0].sample, 7);
	assert_true(spec->outputs[0].sample_packets);
	assert_null(spec->outputs[1].filter);
	mt_config_free(config);
}

static void nothing_is_empty(void **state)
{
	struct mt_config *config =
		load(BASE "sessions: {unknown: accept, list: []}\nfilters: []\n");

	(void)state;
	assert_true(mt_policy_spec_is_empty(&config->policy));
	mt_config_free(config);
}

/* --- import --- */

static const struct mt_session_spec *find_session(const struct mt_policy_spec *spec, uint32_t vni)
{
	for (unsigned s = 0; s < spec->sessions_count; s++) {
		if (spec->sessions[s].vni == vni)
			return &spec->sessions[s];
	}
	return NULL;
}

static const struct mt_filter *find_filter(const struct mt_policy_spec *spec, const char *name)
{
	for (unsigned f = 0; f < spec->filters_count; f++) {
		if (strcmp(spec->filters[f].name, name) == 0)
			return &spec->filters[f];
	}
	return NULL;
}

static void imports_a_folder(void **state)
{
	struct mt_config *config =
		load(BASE "sessions: {import: " MT_TESTS "/aws, list: [{vni: 7, name: own}]}\n");
	const struct mt_policy_spec *spec = &config->policy;
	const struct mt_filter *filter = find_filter(spec, "tmf-04812ff784EXAMPLE");
	const struct mt_session_spec *web = find_session(spec, 7159709);
	const struct mt_session_spec *shared = find_session(spec, 42);

	(void)state;
	assert_int_equal(spec->sessions_count, 3);
	assert_int_equal(spec->filters_count, 2);
	assert_string_equal(web->name, "web");
	assert_string_equal(web->description, "example session");
	assert_ptr_equal(web->filter, filter);
	assert_int_equal(web->treatment.truncate, 0);
	assert_int_equal(web->sources_count, 1);
	assert_int_equal(web->sources[0].address.low, mt_address_from_ipv4(htonl(0x0a000111)).low);
	/* Two sources share a VNI; the second one's name is taken. */
	assert_string_equal(shared->name, "tms-0123456789EXAMPLE");
	assert_int_equal(shared->sources_count, 2);
	assert_int_equal(
		shared->sources[1].address.low, mt_address_from_ipv4(htonl(0x0a000202)).low);
	assert_int_equal(shared->treatment.truncate, 128);
	/* The configuration's own session has its VNI for itself. */
	assert_string_equal(find_session(spec, 7)->name, "own");
	assert_int_equal(find_session(spec, 7)->sources_count, 0);
	mt_config_free(config);
}

static void imports_rules(void **state)
{
	struct mt_config *config = load(BASE "sessions: {import: \"" MT_TESTS "/aws/*.json\"}\n");
	const struct mt_filter *filter = find_filter(&config->policy, "tmf-04812ff784EXAMPLE");
	const struct mt_rule *dns = &filter->rules[0];
	const struct mt_rule *ingress = &filter->rules[4];
	const struct mt_rule *egress = &filter->rules[5];

	(void)state;
	assert_int_equal(filter->rules_count, 6);
	assert_int_equal(dns->number, 0);
	assert_int_equal(dns->destination_ports.first, 53);
	assert_true(ingress->accept);
	assert_int_equal(ingress->protocol, 6);
	assert_int_equal(ingress->destination_ports.first, 80);
	assert_int_equal(ingress->destination_ports.last, 81);
	assert_int_equal(ingress->source_ports.last, 65535);
	assert_int_equal(ingress->destination.length, 96 + 16);
	/* What accepts takes frames of unknown direction too, what rejects does not. */
	assert_int_equal(ingress->direction_first, MT_DIRECTION_INGRESS);
	assert_int_equal(ingress->direction_last, MT_DIRECTION_UNKNOWN);
	assert_false(egress->accept);
	assert_int_equal(egress->protocol, -1);
	assert_int_equal(egress->source.family, 6);
	assert_int_equal(egress->direction_first, MT_DIRECTION_EGRESS);
	assert_int_equal(egress->direction_last, MT_DIRECTION_EGRESS);
	assert_int_equal(find_filter(&config->policy, "tmf-0dddddddddEXAMPLE")->rules_count, 0);
	mt_config_free(config);
}

/* Sessions alone: then neither sources nor filters are known, which is no error. */
static void imports_sessions_alone(void **state)
{
	struct mt_config *config =
		load(BASE "filters: [{name: tmf-0dddddddddEXAMPLE, rules: []}]\n"
			  "sessions: {import: " MT_TESTS "/aws/sessions.json}\n");

	(void)state;
	assert_int_equal(find_session(&config->policy, 42)->sources_count, 0);
	assert_null(find_session(&config->policy, 42)->filter);
	/* The configuration's filter goes by the id. */
	assert_ptr_equal(find_session(&config->policy, 7)->filter, &config->policy.filters[0]);
	mt_config_free(config);
}

#define IMPORT BASE "sessions: {import: x.json}\n"
#define SESSION(vni)                                                                \
	"{\"TrafficMirrorSessions\": [{\"TrafficMirrorSessionId\": \"tms-1\", "     \
	"\"TrafficMirrorFilterId\": \"tmf-1\", \"NetworkInterfaceId\": \"eni-1\", " \
	"\"VirtualNetworkId\": " vni "}]"
#define RULES(rule)                                                           \
	"{\"TrafficMirrorFilters\": [{\"TrafficMirrorFilterId\": \"tmf-1\", " \
	"\"EgressFilterRules\": [" rule "]}]}"

static const struct {
	const char *import;
	const char *error;
} bad_import[] = {
	{"{\"a\": 1,\n", ": line 2: is not JSON: string or '}' expected near end of file"},
	{"[1]", ": is not an object as the AWS command line prints it"},
	{"{\"Vpcs\": []}",
		": holds none of TrafficMirrorSessions, TrafficMirrorFilters, NetworkInterfaces"},
	{"{\"TrafficMirrorSessions\": {}}", ": TrafficMirrorSessions: is not a list"},
	{"{\"TrafficMirrorSessions\": [7]}", ": TrafficMirrorSessions[0]: is not an object"},
	{"{\"TrafficMirrorSessions\": [], \"NextToken\": \"abc\"}",
		": NextToken: the list goes on elsewhere; ask without --max-items and "
		"--no-paginate"},
	{"{\"TrafficMirrorSessions\": [{}]}",
		": TrafficMirrorSessions[0].TrafficMirrorSessionId: is missing; needed: text"},
	{SESSION("\"7\"") "}", ": TrafficMirrorSessions[0].VirtualNetworkId: is not a number"},
	{SESSION("16777216") "}",
		": TrafficMirrorSessions[0].VirtualNetworkId: 16777216 is not a number from 0 to "
		"16777215"},
	{SESSION("7") ", \"TrafficMirrorFilters\": []}",
		": TrafficMirrorSessions[0].TrafficMirrorFilterId: tmf-1 is in none of the files; "
		"add describe-traffic-mirror-filters of its account, or a filter of this name to "
		"the configuration"},
	{SESSION("7") ", \"NetworkInterfaces\": []}",
		": TrafficMirrorSessions[0].NetworkInterfaceId: eni-1 is in none of the files; add "
		"describe-network-interfaces of its account, or list the session in the "
		"configuration"},
	{SESSION("7") ", \"NetworkInterfaces\": [{\"NetworkInterfaceId\": \"eni-1\"}]}",
		": NetworkInterfaces[0].PrivateIpAddress: is missing; needed: text"},
	{SESSION("7") ", \"NetworkInterfaces\": [{\"NetworkInterfaceId\": \"eni-1\", "
		      "\"PrivateIpAddress\": \"10.0.0\"}]}",
		": TrafficMirrorSessions[0].NetworkInterfaceId: eni-1 has \"10.0.0\", which is no "
		"address"},
	{RULES("{\"RuleAction\": \"accept\"}"),
		": TrafficMirrorFilters[0].EgressFilterRules[0].RuleNumber: is missing; needed: a "
		"number"},
	{RULES("{\"RuleNumber\": 1, \"RuleAction\": \"deny\"}"),
		": TrafficMirrorFilters[0].EgressFilterRules[0].RuleAction: \"deny\" is neither "
		"accept nor reject"},
	{RULES("{\"RuleNumber\": 1, \"RuleAction\": \"accept\", \"Protocol\": 256}"),
		": TrafficMirrorFilters[0].EgressFilterRules[0].Protocol: 256 is not a number from "
		"0 to 255"},
	{RULES("{\"RuleNumber\": 1, \"RuleAction\": \"accept\", \"SourceCidrBlock\": \"10/8\"}"),
		": TrafficMirrorFilters[0].EgressFilterRules[0].SourceCidrBlock: \"10/8\" is no "
		"CIDR"},
	{RULES("{\"RuleNumber\": 1, \"RuleAction\": \"accept\", \"SourcePortRange\": "
	       "{\"FromPort\": 80, \"ToPort\": 79}}"),
		": TrafficMirrorFilters[0].EgressFilterRules[0].SourcePortRange: ToPort is smaller "
		"than FromPort"},
};

static void refuses_imports(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_import) / sizeof(bad_import[0]); i++)
		expect_error(IMPORT, bad_import[i].import, bad_import[i].error);
	expect_error(BASE "sessions: {import: /nonexistent}\n", NULL,
		":3: sessions.import: /nonexistent: No such file or directory; name files that can "
		"be read");
}

/* Ten thousand sessions in one file, as an account may have. */
static void takes_many_sessions(void **state)
{
	enum { SESSIONS = 10000, ROOM = 100 };
	char *text = malloc(SESSIONS * ROOM);
	struct mt_config *config;
	size_t used = 0;

	(void)state;
	assert_non_null(text);
	used += sprintf(text, BASE "sessions:\n  list:\n");
	for (unsigned s = 0; s < SESSIONS; s++)
		used += snprintf(text + used, ROOM,
			"    - {vni: %u, name: session-%u, sources: [10.%u.%u.0/24]}\n", s * 7, s,
			s / 256, s % 256);
	config = load(text);
	free(text);
	assert_int_equal(config->policy.sessions_count, SESSIONS);
	assert_int_equal(config->policy.sessions[SESSIONS - 1].vni, (SESSIONS - 1) * 7);
	mt_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_too_many_bpf_rules),
		cmocka_unit_test(takes_the_contract),
		cmocka_unit_test(reads_every_key),
		cmocka_unit_test(nothing_is_empty),
		cmocka_unit_test(imports_a_folder),
		cmocka_unit_test(imports_rules),
		cmocka_unit_test(imports_sessions_alone),
		cmocka_unit_test(refuses_imports),
		cmocka_unit_test(takes_many_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
