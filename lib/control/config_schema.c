/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_schema.h"

#include <string.h>

#include "control/config_lines.h"

enum {
	OPTIONAL_TEXT = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER,
	OPTIONAL_LIST = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER,
	MAX_LISTEN = 64,
	MAX_EAL = 64,
	MAX_SOURCES = 65536,
};

/* Strict enumerations instead of CYAML_BOOL: that takes any word but a few for true. */
static const cyaml_strval_t booleans[] = {{"false", false}, {"true", true}};

static const cyaml_strval_t hash_fields[] = {
	{"5-tuple", MT_HASH_5_TUPLE},
	{"2-tuple", MT_HASH_2_TUPLE},
	{"vni", MT_HASH_VNI},
};

static const cyaml_strval_t idle_modes[] = {
	{"poll", MT_IDLE_POLL},
	{"pause", MT_IDLE_PAUSE},
	{"sleep", MT_IDLE_SLEEP},
};

static const cyaml_strval_t output_types[] = {
	{"tap", MT_OUTPUT_TAP},
	{"ring", MT_OUTPUT_RING},
	{"port", MT_OUTPUT_PORT},
	{"pcapng", MT_OUTPUT_PCAPNG},
};

static const cyaml_strval_t ring_modes[] = {
	{"zero-copy", MT_CONFIG_ZERO_COPY},
	{"copy", MT_CONFIG_COPY},
};

static const cyaml_strval_t when_full[] = {{"drop_new", false}, {"drop_old", true}};
static const cyaml_strval_t when_absent[] = {{"drop", false}, {"keep", true}};

static const cyaml_strval_t host_backends[] = {
	{"auto", MT_HOST_AUTO},
	{"tap", MT_HOST_TAP},
	{"vhost", MT_HOST_VHOST},
};

static const cyaml_strval_t unknown_policies[] = {
	{"accept", MT_UNKNOWN_ACCEPT},
	{"drop", MT_UNKNOWN_DROP},
};

static const cyaml_strval_t sample_choices[] = {
	{"flows", MT_SAMPLE_FLOWS},
	{"packets", MT_SAMPLE_PACKETS},
};

static const cyaml_strval_t directions[] = {
	{"any", MT_RULE_ANY},
	{"ingress", MT_RULE_INGRESS},
	{"egress", MT_RULE_EGRESS},
};

static const cyaml_strval_t actions[] = {
	{"accept", MT_RULE_ACCEPT},
	{"reject", MT_RULE_REJECT},
};

static const cyaml_schema_value_t text_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, CYAML_UNLIMITED),
};

static const cyaml_schema_value_t udp_port_entry = {
	CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint16_t),
};

#define TEXT(key, flags, type, member) \
	CYAML_FIELD_STRING_PTR(key, flags, type, member, 1, CYAML_UNLIMITED)
#define CHOICE(key, flags, type, member, choices) \
	CYAML_FIELD_ENUM(                         \
		key, (flags) | CYAML_FLAG_STRICT, type, member, choices, CYAML_ARRAY_LEN(choices))

static const cyaml_schema_field_t hash_keys[] = {
	CHOICE("fields", CYAML_FLAG_OPTIONAL, struct mt_config_hash, fields, hash_fields),
	CHOICE("include_vni", CYAML_FLAG_OPTIONAL, struct mt_config_hash, include_vni, booleans),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t dataplane_keys[] = {
	TEXT("lcores", CYAML_FLAG_POINTER, struct mt_config_dataplane, lcores),
	TEXT("receive_lcores", OPTIONAL_TEXT, struct mt_config_dataplane, receive_lcores),
	TEXT("queue_lcores", OPTIONAL_TEXT, struct mt_config_dataplane, queue_lcores),
	CYAML_FIELD_UINT("queues", CYAML_FLAG_OPTIONAL, struct mt_config_dataplane, queues),
	CYAML_FIELD_UINT(
		"queue_length", CYAML_FLAG_OPTIONAL, struct mt_config_dataplane, queue_length),
	CHOICE("idle", CYAML_FLAG_OPTIONAL, struct mt_config_dataplane, idle, idle_modes),
	CYAML_FIELD_MAPPING(
		"hash", CYAML_FLAG_OPTIONAL, struct mt_config_dataplane, hash, hash_keys),
	CYAML_FIELD_SEQUENCE(
		"eal", OPTIONAL_LIST, struct mt_config_dataplane, eal, &text_entry, 0, MAX_EAL),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t port_keys[] = {
	TEXT("name", CYAML_FLAG_POINTER, struct mt_config_port, name),
	TEXT("device", CYAML_FLAG_POINTER, struct mt_config_port, device),
	TEXT("host_interface", OPTIONAL_TEXT, struct mt_config_port, host_interface),
	CHOICE("host_interface_backend", CYAML_FLAG_OPTIONAL, struct mt_config_port,
		host_interface_backend, host_backends),
	CYAML_FIELD_UINT("host_rate", CYAML_FLAG_OPTIONAL, struct mt_config_port, host_rate),
	CYAML_FIELD_UINT("buffer_bytes", CYAML_FLAG_OPTIONAL, struct mt_config_port, buffer_bytes),
	CYAML_FIELD_UINT("buffers", CYAML_FLAG_OPTIONAL, struct mt_config_port, buffers),
	CYAML_FIELD_UINT("descriptors", CYAML_FLAG_OPTIONAL, struct mt_config_port, descriptors),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t port_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mt_config_port, port_keys),
};

static const cyaml_schema_field_t tunnels_keys[] = {
	CYAML_FIELD_SEQUENCE("vxlan_ports", OPTIONAL_LIST, struct mt_config_tunnels, vxlan_ports,
		&udp_port_entry, 0, MT_MAX_TUNNEL_PORTS),
	CYAML_FIELD_SEQUENCE("geneve_ports", OPTIONAL_LIST, struct mt_config_tunnels, geneve_ports,
		&udp_port_entry, 0, MT_MAX_TUNNEL_PORTS),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t session_keys[] = {
	CYAML_FIELD_UINT("vni", CYAML_FLAG_DEFAULT, struct mt_config_session, vni),
	TEXT("name", CYAML_FLAG_POINTER, struct mt_config_session, name),
	CYAML_FIELD_SEQUENCE("sources", OPTIONAL_LIST, struct mt_config_session, sources,
		&text_entry, 1, MAX_SOURCES),
	TEXT("filter", OPTIONAL_TEXT, struct mt_config_session, filter),
	CYAML_FIELD_SEQUENCE("outputs", OPTIONAL_LIST, struct mt_config_session, outputs,
		&text_entry, 1, MT_MAX_OUTPUTS),
	CYAML_FIELD_UINT("truncate", CYAML_FLAG_OPTIONAL, struct mt_config_session, truncate),
	CYAML_FIELD_UINT("sample", CYAML_FLAG_OPTIONAL, struct mt_config_session, sample),
	CHOICE("sample_by", CYAML_FLAG_OPTIONAL, struct mt_config_session, sample_by,
		sample_choices),
	TEXT("description", OPTIONAL_TEXT, struct mt_config_session, description),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t session_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mt_config_session, session_keys),
};

static const cyaml_schema_field_t sessions_keys[] = {
	CHOICE("unknown", CYAML_FLAG_OPTIONAL, struct mt_config_sessions, unknown,
		unknown_policies),
	TEXT("import", OPTIONAL_TEXT, struct mt_config_sessions, import),
	CYAML_FIELD_SEQUENCE("list", OPTIONAL_LIST, struct mt_config_sessions, list, &session_entry,
		0, MT_MAX_SESSIONS),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t rule_keys[] = {
	CYAML_FIELD_UINT("number", CYAML_FLAG_DEFAULT, struct mt_config_rule, number),
	CHOICE("action", CYAML_FLAG_DEFAULT, struct mt_config_rule, action, actions),
	CHOICE("direction", CYAML_FLAG_OPTIONAL, struct mt_config_rule, direction, directions),
	TEXT("protocol", OPTIONAL_TEXT, struct mt_config_rule, protocol),
	TEXT("source_ports", OPTIONAL_TEXT, struct mt_config_rule, source_ports),
	TEXT("destination_ports", OPTIONAL_TEXT, struct mt_config_rule, destination_ports),
	TEXT("source_cidr", OPTIONAL_TEXT, struct mt_config_rule, source_cidr),
	TEXT("destination_cidr", OPTIONAL_TEXT, struct mt_config_rule, destination_cidr),
	CYAML_FIELD_UINT_PTR("vlan", OPTIONAL_TEXT, struct mt_config_rule, vlan),
	CYAML_FIELD_UINT_PTR("icmp_type", OPTIONAL_TEXT, struct mt_config_rule, icmp_type),
	TEXT("tcp_flags", OPTIONAL_TEXT, struct mt_config_rule, tcp_flags),
	TEXT("bpf", OPTIONAL_TEXT, struct mt_config_rule, bpf),
	CYAML_FIELD_SEQUENCE("outputs", OPTIONAL_LIST, struct mt_config_rule, outputs, &text_entry,
		1, MT_MAX_OUTPUTS),
	CYAML_FIELD_UINT("truncate", CYAML_FLAG_OPTIONAL, struct mt_config_rule, truncate),
	CYAML_FIELD_UINT("sample", CYAML_FLAG_OPTIONAL, struct mt_config_rule, sample),
	CHOICE("sample_by", CYAML_FLAG_OPTIONAL, struct mt_config_rule, sample_by, sample_choices),
	TEXT("description", OPTIONAL_TEXT, struct mt_config_rule, description),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t rule_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mt_config_rule, rule_keys),
};

static const cyaml_schema_field_t filter_keys[] = {
	TEXT("name", CYAML_FLAG_POINTER, struct mt_config_filter, name),
	TEXT("description", OPTIONAL_TEXT, struct mt_config_filter, description),
	CYAML_FIELD_SEQUENCE("rules", CYAML_FLAG_POINTER, struct mt_config_filter, rules,
		&rule_entry, 0, MT_MAX_RULES),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t filter_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mt_config_filter, filter_keys),
};

static const cyaml_schema_field_t dedup_keys[] = {
	CYAML_FIELD_UINT("window_ms", CYAML_FLAG_OPTIONAL, struct mt_config_dedup, window_ms),
	CYAML_FIELD_UINT("entries", CYAML_FLAG_OPTIONAL, struct mt_config_dedup, entries),
	CHOICE("across_sessions", CYAML_FLAG_OPTIONAL, struct mt_config_dedup, across_sessions,
		booleans),
	CHOICE("ignore_dscp", CYAML_FLAG_OPTIONAL, struct mt_config_dedup, ignore_dscp, booleans),
	CYAML_FIELD_UINT(
		"payload_bytes", CYAML_FLAG_OPTIONAL, struct mt_config_dedup, payload_bytes),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t reorder_keys[] = {
	CYAML_FIELD_UINT("window_us", CYAML_FLAG_OPTIONAL, struct mt_config_reorder, window_us),
	CYAML_FIELD_UINT("packets", CYAML_FLAG_OPTIONAL, struct mt_config_reorder, packets),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t output_keys[] = {
	TEXT("name", CYAML_FLAG_POINTER, struct mt_config_output, name),
	CHOICE("type", CYAML_FLAG_DEFAULT, struct mt_config_output, type, output_types),
	TEXT("interface", OPTIONAL_TEXT, struct mt_config_output, interface),
	TEXT("device", OPTIONAL_TEXT, struct mt_config_output, device),
	CHOICE("required", CYAML_FLAG_OPTIONAL, struct mt_config_output, required, booleans),
	CYAML_FIELD_UINT("mtu", CYAML_FLAG_OPTIONAL, struct mt_config_output, mtu),
	CYAML_FIELD_UINT("length", CYAML_FLAG_OPTIONAL, struct mt_config_output, length),
	CYAML_FIELD_UINT("tx_queues", CYAML_FLAG_OPTIONAL, struct mt_config_output, tx_queues),
	CHOICE("mode", CYAML_FLAG_OPTIONAL, struct mt_config_output, mode, ring_modes),
	CHOICE("when_full", CYAML_FLAG_OPTIONAL, struct mt_config_output, drop_old, when_full),
	CHOICE("when_absent", CYAML_FLAG_OPTIONAL, struct mt_config_output, keep, when_absent),
	CYAML_FIELD_UINT("snap", CYAML_FLAG_OPTIONAL, struct mt_config_output, snap),
	TEXT("group", OPTIONAL_TEXT, struct mt_config_output, group),
	TEXT("directory", OPTIONAL_TEXT, struct mt_config_output, directory),
	TEXT("rotate_bytes", OPTIONAL_TEXT, struct mt_config_output, rotate_bytes_text),
	CYAML_FIELD_UINT(
		"rotate_seconds", CYAML_FLAG_OPTIONAL, struct mt_config_output, rotate_seconds),
	CYAML_FIELD_UINT("keep_files", CYAML_FLAG_OPTIONAL, struct mt_config_output, keep_files),
	TEXT("keep_bytes", OPTIONAL_TEXT, struct mt_config_output, keep_bytes_text),
	TEXT("filter", OPTIONAL_TEXT, struct mt_config_output, filter),
	CYAML_FIELD_UINT("sample", CYAML_FLAG_OPTIONAL, struct mt_config_output, sample),
	CHOICE("sample_by", CYAML_FLAG_OPTIONAL, struct mt_config_output, sample_by,
		sample_choices),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t output_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mt_config_output, output_keys),
};

static const cyaml_schema_field_t http_keys[] = {
	CYAML_FIELD_SEQUENCE(
		"listen", OPTIONAL_LIST, struct mt_config_http, listen, &text_entry, 0, MAX_LISTEN),
	CYAML_FIELD_SEQUENCE("probe_listen", OPTIONAL_LIST, struct mt_config_http, probe_listen,
		&text_entry, 0, MAX_LISTEN),
	TEXT("control_socket", OPTIONAL_TEXT, struct mt_config_http, control_socket),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t health_keys[] = {
	CYAML_FIELD_UINT(
		"stall_seconds", CYAML_FLAG_OPTIONAL, struct mt_config_health, stall_seconds),
	CYAML_FIELD_UINT(
		"drain_seconds", CYAML_FLAG_OPTIONAL, struct mt_config_health, drain_seconds),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t file_keys[] = {
	CYAML_FIELD_MAPPING("dataplane", CYAML_FLAG_DEFAULT, struct mt_config_file,
		config.dataplane, dataplane_keys),
	CYAML_FIELD_SEQUENCE("ports", CYAML_FLAG_POINTER, struct mt_config_file, config.ports,
		&port_entry, 1, MT_MAX_PORTS),
	CYAML_FIELD_MAPPING("tunnels", CYAML_FLAG_OPTIONAL, struct mt_config_file, config.tunnels,
		tunnels_keys),
	CYAML_FIELD_MAPPING("sessions", CYAML_FLAG_OPTIONAL, struct mt_config_file, config.sessions,
		sessions_keys),
	CYAML_FIELD_SEQUENCE("filters", OPTIONAL_LIST, struct mt_config_file, config.filters,
		&filter_entry, 0, MT_MAX_FILTERS),
	CYAML_FIELD_MAPPING(
		"dedup", CYAML_FLAG_OPTIONAL, struct mt_config_file, config.dedup, dedup_keys),
	CYAML_FIELD_MAPPING("reorder", CYAML_FLAG_OPTIONAL, struct mt_config_file, config.reorder,
		reorder_keys),
	CYAML_FIELD_SEQUENCE("outputs", OPTIONAL_LIST, struct mt_config_file, config.outputs,
		&output_entry, 0, MT_MAX_OUTPUTS),
	CYAML_FIELD_MAPPING(
		"http", CYAML_FLAG_OPTIONAL, struct mt_config_file, config.http, http_keys),
	CYAML_FIELD_MAPPING(
		"health", CYAML_FLAG_OPTIONAL, struct mt_config_file, config.health, health_keys),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t file_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct mt_config_file, file_keys),
};

/* Help and, for numbers, the range; indices are left out of the path. */
struct rule {
	const char *path;
	const char *help;
	struct mt_config_range range;
};

static const struct rule rules[] = {
	{.path = "dataplane", .help = "a mapping with at least lcores"},
	{.path = "dataplane.lcores",
		.help = "EAL's --lcores syntax in quotes, e.g. \"0-3\" or \"0@0,1@1\""},
	{.path = "dataplane.receive_lcores",
		.help = "lcore ids in quotes, e.g. \"1,2\" or \"1-2\""},
	{.path = "dataplane.queue_lcores", .help = "lcore ids in quotes, e.g. \"1,2\" or \"1-2\""},
	{.path = "dataplane.queues",
		.help = "a number from 1 to 64",
		.range = {1, MT_MAX_QUEUES, false}},
	{.path = "dataplane.queue_length",
		.help = "a power of two from 64 to 65536",
		.range = {64, 65536, true}},
	{.path = "dataplane.idle", .help = "poll, pause, sleep"},
	{.path = "dataplane.hash", .help = "a mapping with fields and include_vni"},
	{.path = "dataplane.hash.fields", .help = "5-tuple, 2-tuple, vni"},
	{.path = "dataplane.hash.include_vni", .help = "false, true"},
	{.path = "dataplane.eal", .help = "a list of EAL arguments"},
	{.path = "dataplane.eal[]", .help = "an EAL argument"},
	{.path = "ports", .help = "a list of ports, at least one"},
	{.path = "ports[]", .help = "a mapping with at least name and device"},
	{.path = "ports[].name", .help = "1 to 15 of A-Z a-z 0-9 _ -"},
	{.path = "ports[].device", .help = "a PCI address or a vdev string"},
	{.path = "ports[].host_interface", .help = "the name of a kernel interface"},
	{.path = "ports[].host_interface_backend", .help = "auto, tap, vhost"},
	{.path = "ports[].host_rate",
		.help = "a number from 100 to 10000000",
		.range = {100, 10000000, false}},
	{.path = "ports[].buffer_bytes",
		.help = "a number from 256 to 65344",
		.range = {256, 65344, false}},
	{.path = "ports[].buffers",
		.help = "a number from 1023 to 16777215",
		.range = {1023, 16777215, false}},
	{.path = "ports[].descriptors",
		.help = "a number from 64 to 32768",
		.range = {64, 32768, false}},
	{.path = "tunnels", .help = "a mapping with vxlan_ports and geneve_ports"},
	{.path = "tunnels.vxlan_ports", .help = "a list of at most 8 UDP ports"},
	{.path = "tunnels.vxlan_ports[]",
		.help = "a UDP port from 1 to 65535",
		.range = {1, 65535, false}},
	{.path = "tunnels.geneve_ports", .help = "a list of at most 8 UDP ports"},
	{.path = "tunnels.geneve_ports[]",
		.help = "a UDP port from 1 to 65535",
		.range = {1, 65535, false}},
	{.path = "sessions", .help = "a mapping with unknown, import and list"},
	{.path = "sessions.unknown", .help = "accept, drop"},
	{.path = "sessions.import", .help = "a file, a folder or a pattern such as aws/*.json"},
	{.path = "sessions.list", .help = "a list of sessions"},
	{.path = "sessions.list[]", .help = "a mapping with at least vni and name"},
	{.path = "sessions.list[].vni",
		.help = "a number from 0 to 16777215",
		.range = {0, 16777215, false}},
	{.path = "sessions.list[].name", .help = "1 to 63 of A-Z a-z 0-9 _ - ."},
	{.path = "sessions.list[].sources", .help = "a list of addresses or CIDRs, at least one"},
	{.path = "sessions.list[].sources[]",
		.help = "an address or CIDR, e.g. 10.0.0.0/16 or fd00::/8"},
	{.path = "sessions.list[].filter", .help = "the name of a filter"},
	{.path = "sessions.list[].outputs", .help = "a list of outputs, at least one"},
	{.path = "sessions.list[].outputs[]", .help = "the name of an output"},
	{.path = "sessions.list[].truncate",
		.help = "a number from 14 to 65535",
		.range = {14, 65535, false}},
	{.path = "sessions.list[].sample",
		.help = "a number from 1 to 1000000",
		.range = {1, 1000000, false}},
	{.path = "sessions.list[].sample_by", .help = "flows, packets"},
	{.path = "sessions.list[].description", .help = "text"},
	{.path = "filters", .help = "a list of filters"},
	{.path = "filters[]", .help = "a mapping with name and rules"},
	{.path = "filters[].name", .help = "1 to 63 of A-Z a-z 0-9 _ - ."},
	{.path = "filters[].description", .help = "text"},
	{.path = "filters[].rules", .help = "a list of rules"},
	{.path = "filters[].rules[]", .help = "a mapping with at least number and action"},
	{.path = "filters[].rules[].number",
		.help = "a number from 1 to 32766",
		.range = {1, 32766, false}},
	{.path = "filters[].rules[].action", .help = "accept, reject"},
	{.path = "filters[].rules[].direction", .help = "any, ingress, egress"},
	{.path = "filters[].rules[].protocol",
		.help = "a number from 0 to 255, or one of icmp, igmp, tcp, udp, gre, esp, ah, "
			"icmpv6, ospf, sctp, udplite, dccp"},
	{.path = "filters[].rules[].source_ports", .help = "a port or a range, e.g. 8000-8080"},
	{.path = "filters[].rules[].destination_ports",
		.help = "a port or a range, e.g. 8000-8080"},
	{.path = "filters[].rules[].source_cidr",
		.help = "an address or CIDR, e.g. 10.0.0.0/16 or fd00::/8"},
	{.path = "filters[].rules[].destination_cidr",
		.help = "an address or CIDR, e.g. 10.0.0.0/16 or fd00::/8"},
	{.path = "filters[].rules[].vlan",
		.help = "a VLAN id from 1 to 4094, or 0 for frames without a tag",
		.range = {0, 4094, false}},
	{.path = "filters[].rules[].icmp_type",
		.help = "a number from 0 to 255",
		.range = {0, 255, false}},
	{.path = "filters[].rules[].tcp_flags",
		.help = "flags that must be set, or with ! clear, e.g. \"syn,!ack\"; of fin, syn, "
			"rst, psh, ack, urg, ece, cwr"},
	{.path = "filters[].rules[].bpf", .help = "an expression as tcpdump takes it"},
	{.path = "filters[].rules[].outputs", .help = "a list of outputs, at least one"},
	{.path = "filters[].rules[].outputs[]", .help = "the name of an output"},
	{.path = "filters[].rules[].truncate",
		.help = "a number from 14 to 65535",
		.range = {14, 65535, false}},
	{.path = "filters[].rules[].sample",
		.help = "a number from 1 to 1000000",
		.range = {1, 1000000, false}},
	{.path = "filters[].rules[].sample_by", .help = "flows, packets"},
	{.path = "filters[].rules[].description", .help = "text"},
	{.path = "dedup",
		.help = "a mapping with window_ms, entries, across_sessions, ignore_dscp and "
			"payload_bytes"},
	{.path = "dedup.window_ms", .help = "a number from 1 to 10000", .range = {1, 10000, false}},
	{.path = "dedup.entries",
		.help = "a number from 1024 to 67108864",
		.range = {1024, 67108864, false}},
	{.path = "dedup.across_sessions", .help = "false, true"},
	{.path = "dedup.ignore_dscp", .help = "false, true"},
	{.path = "dedup.payload_bytes",
		.help = "a number from 64 to 9216",
		.range = {MT_DEDUP_NEAR_BYTES, MT_DEDUP_MAX_BYTES, false}},
	{.path = "reorder", .help = "a mapping with window_us and packets"},
	{.path = "reorder.window_us",
		.help = "a number from 1 to 1000000",
		.range = {1, 1000000, false}},
	{.path = "reorder.packets",
		.help = "a number from 16 to 8192",
		.range = {16, MT_REORDER_MAX_PACKETS, false}},
	{.path = "outputs", .help = "a list of outputs"},
	{.path = "outputs[]", .help = "a mapping with at least name and type"},
	{.path = "outputs[].name", .help = "1 to 15 of A-Z a-z 0-9 _ -"},
	{.path = "outputs[].type", .help = "tap, ring, port, pcapng"},
	{.path = "outputs[].interface", .help = "the name of a kernel interface"},
	{.path = "outputs[].device", .help = "a PCI address or a vdev string"},
	{.path = "outputs[].tx_queues", .help = "a number from 1 to 64", .range = {1, 64, false}},
	{.path = "outputs[].required", .help = "false, true"},
	{.path = "outputs[].mtu", .help = "a number from 68 to 65521", .range = {68, 65521, false}},
	{.path = "outputs[].mode", .help = "zero-copy, copy"},
	{.path = "outputs[].when_full", .help = "drop_new, drop_old"},
	{.path = "outputs[].when_absent", .help = "drop, keep"},
	{.path = "outputs[].snap",
		.help = "a number from 64 to 65535",
		.range = {64, 65535, false}},
	{.path = "outputs[].group", .help = "the name of a group of users"},
	{.path = "outputs[].length",
		.help = "a power of two from 64 to 1048576",
		.range = {64, 1048576, true}},
	{.path = "outputs[].directory", .help = "an absolute path"},
	{.path = "outputs[].rotate_bytes", .help = "a size from 1MiB to 1TiB"},
	{.path = "outputs[].rotate_seconds",
		.help = "a number from 1 to 86400",
		.range = {1, 86400, false}},
	{.path = "outputs[].keep_files",
		.help = "a number from 1 to 1000000",
		.range = {1, 1000000, false}},
	{.path = "outputs[].keep_bytes", .help = "a size from 2MiB to 1024TiB"},
	{.path = "outputs[].filter", .help = "the name of a filter"},
	{.path = "outputs[].sample",
		.help = "a number from 1 to 1000000",
		.range = {1, 1000000, false}},
	{.path = "outputs[].sample_by", .help = "flows, packets"},
	{.path = "http", .help = "a mapping with listen, probe_listen and control_socket"},
	{.path = "http.listen", .help = "a list of at most 64 addresses"},
	{.path = "http.listen[]", .help = "ADDRESS:PORT or [ADDRESS]:PORT"},
	{.path = "http.probe_listen", .help = "a list of at most 64 addresses"},
	{.path = "http.probe_listen[]", .help = "ADDRESS:PORT or [ADDRESS]:PORT"},
	{.path = "http.control_socket", .help = "an absolute path"},
	{.path = "health", .help = "a mapping with stall_seconds and drain_seconds"},
	{.path = "health.stall_seconds",
		.help = "a number from 1 to 3600",
		.range = {1, 3600, false}},
	{.path = "health.drain_seconds",
		.help = "a number from 0 to 3600",
		.range = {0, 3600, false}},
};

static const struct rule *find_rule(const char *path)
{
	static const struct rule none = {"", "see docs/configuration.md", {0, UINT32_MAX, false}};
	char pattern[MT_CONFIG_MAX_PATH];
	size_t used = 0;

	for (; *path != '\0' && used < sizeof(pattern) - 1; path++)
		if (*path < '0' || *path > '9')
			pattern[used++] = *path;
	pattern[used] = '\0';
	for (size_t i = 0; i < CYAML_ARRAY_LEN(rules); i++)
		if (strcmp(rules[i].path, pattern) == 0)
			return &rules[i];
	return &none;
}

const char *mt_config_schema_help(const char *path)
{
	return find_rule(path)->help;
}

const cyaml_schema_value_t *mt_config_schema(void)
{
	return &file_schema;
}

struct mt_config_range mt_config_schema_range(const char *path)
{
	return find_rule(path)->range;
}
