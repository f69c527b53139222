/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config.h"
#include "version.h"

enum {
	MAX_VNI = 0xffffff,
	MAX_PER_FLOW = 1 << 16,
};

void gen_complain(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("mirrorgen: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

enum {
	RECEIVE = 256,
	RATE,
	SEED,
	FLOWS,
	DISTRIBUTION,
	SOURCES,
	SESSIONS,
	VNI,
	SIZE,
	PCAP,
	TRUNCATE,
	TUNNEL,
	IPV6,
	OUTER_IPV6,
	UDP,
	FRAGMENTS,
	COPIES,
	MALFORMED,
	TO,
	TO6,
	TO_MAC,
	FROM_MAC,
	SOURCE,
	VXLAN_PORT,
	GENEVE_PORT,
	EXPECT,
	IDLE,
	PER_FLOW,
	SOCKET_PATH,
	FILE_PREFIX,
	JSON,
	CPU,
	MBUFS,
};

static const struct option known[] = {
	{"receive", no_argument, NULL, RECEIVE},
	{"write", required_argument, NULL, 'w'},
	{"device", required_argument, NULL, 'd'},
	{"output", required_argument, NULL, 'o'},
	{"interface", required_argument, NULL, 'i'},
	{"file", required_argument, NULL, 'f'},
	{"count", required_argument, NULL, 'c'},
	{"seconds", required_argument, NULL, 's'},
	{"rate", required_argument, NULL, RATE},
	{"seed", required_argument, NULL, SEED},
	{"flows", required_argument, NULL, FLOWS},
	{"distribution", required_argument, NULL, DISTRIBUTION},
	{"sources", required_argument, NULL, SOURCES},
	{"sessions", required_argument, NULL, SESSIONS},
	{"vni", required_argument, NULL, VNI},
	{"size", required_argument, NULL, SIZE},
	{"pcap", required_argument, NULL, PCAP},
	{"truncate", required_argument, NULL, TRUNCATE},
	{"tunnel", required_argument, NULL, TUNNEL},
	{"ipv6", required_argument, NULL, IPV6},
	{"outer-ipv6", required_argument, NULL, OUTER_IPV6},
	{"udp", required_argument, NULL, UDP},
	{"fragments", required_argument, NULL, FRAGMENTS},
	{"copies", required_argument, NULL, COPIES},
	{"malformed", required_argument, NULL, MALFORMED},
	{"to", required_argument, NULL, TO},
	{"to6", required_argument, NULL, TO6},
	{"to-mac", required_argument, NULL, TO_MAC},
	{"from-mac", required_argument, NULL, FROM_MAC},
	{"source", required_argument, NULL, SOURCE},
	{"vxlan-port", required_argument, NULL, VXLAN_PORT},
	{"geneve-port", required_argument, NULL, GENEVE_PORT},
	{"expect", required_argument, NULL, EXPECT},
	{"idle", required_argument, NULL, IDLE},
	{"per-flow", required_argument, NULL, PER_FLOW},
	{"socket", required_argument, NULL, SOCKET_PATH},
	{"file-prefix", required_argument, NULL, FILE_PREFIX},
	{"json", no_argument, NULL, JSON},
	{"quiet", no_argument, NULL, 'q'},
	{"cpu", required_argument, NULL, CPU},
	{"mbufs", required_argument, NULL, MBUFS},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

/* --- options that are a number --- */

static bool take_32(
	const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *value)
{
	uint64_t number;
	bool fine = gen_parse_number(option, text, min, max, &number);

	*value = (uint32_t)number;
	return fine;
}

static bool take_port(const char *option, const char *text, uint16_t *port)
{
	uint32_t number;
	bool fine = take_32(option, text, 1, UINT16_MAX, &number);

	*port = (uint16_t)number;
	return fine;
}

/* True if `id` is one of these; then `fine` says whether its value is. */
static bool take_number(int id, const char *text, struct gen_options *options, bool *fine)
{
	struct gen_spec *spec = &options->spec;
	uint32_t number = 0;

	switch (id) {
	case 'c':
		*fine = gen_parse_number("-c", text, 1, UINT64_MAX, &options->limits.count);
		return true;
	case 's':
		*fine = gen_parse_seconds("-s", text, &options->limits.seconds);
		return true;
	case SEED:
		*fine = gen_parse_number("--seed", text, 0, UINT64_MAX, &spec->seed);
		return true;
	case FLOWS:
		*fine = take_32("--flows", text, 1, GEN_MAX_FLOWS, &spec->flows);
		return true;
	case SOURCES:
		*fine = take_32("--sources", text, 1, GEN_MAX_SOURCES, &spec->sources);
		return true;
	case SESSIONS:
		*fine = take_32("--sessions", text, 1, GEN_MAX_SESSIONS, &spec->sessions);
		return true;
	case VNI:
		*fine = take_32("--vni", text, 0, MAX_VNI, &spec->first_vni);
		return true;
	case TRUNCATE:
		*fine = take_32("--truncate", text, GEN_MIN_INNER, GEN_MAX_INNER, &spec->truncate);
		return true;
	case VXLAN_PORT:
		*fine = take_port("--vxlan-port", text, &spec->ends.vxlan_port);
		return true;
	case GENEVE_PORT:
		*fine = take_port("--geneve-port", text, &spec->ends.geneve_port);
		return true;
	case EXPECT:
		*fine = gen_parse_number("--expect", text, 1, UINT64_MAX, &options->expect);
		return true;
	case IDLE:
		*fine = gen_parse_seconds("--idle", text, &options->idle_seconds);
		return true;
	case PER_FLOW:
		*fine = take_32("--per-flow", text, 1, MAX_PER_FLOW, &options->per_flow);
		return true;
	case CPU:
		*fine = take_32("--cpu", text, 0, 1023, &number);
		options->cpu = (int)number;
		return true;
	case MBUFS:
		*fine = take_32("--mbufs", text, 1024, 1 << 22, &options->mbufs);
		return true;
	default:
		return false;
	}
}

/* --- options that say what traffic is like --- */

static bool take_traffic(int id, const char *text, struct gen_options *options, bool *fine)
{
	struct gen_spec *spec = &options->spec;

	switch (id) {
	case RATE:
		*fine = gen_parse_rate(text, &options->limits);
		return true;
	case DISTRIBUTION:
		*fine = gen_parse_distribution(text, spec);
		return true;
	case SIZE:
		*fine = gen_parse_sizes(text, &spec->sizes);
		return true;
	case PCAP:
		spec->capture = text;
		return true;
	case TUNNEL:
		*fine = gen_parse_tunnels(text, spec->tunnels);
		return true;
	case IPV6:
		*fine = gen_parse_percent("--ipv6", text, &spec->ipv6);
		return true;
	case OUTER_IPV6:
		*fine = gen_parse_percent("--outer-ipv6", text, &spec->outer_ipv6);
		return true;
	case UDP:
		*fine = gen_parse_percent("--udp", text, &spec->udp);
		return true;
	case FRAGMENTS:
		*fine = gen_parse_percent("--fragments", text, &spec->fragments);
		return true;
	case COPIES:
		*fine = gen_parse_percent("--copies", text, &spec->copies);
		return true;
	case MALFORMED:
		*fine = gen_parse_malformed(text, spec->malformed);
		return true;
	case TO:
		*fine = gen_parse_ipv4("--to", text, &spec->ends.target);
		return true;
	case TO6:
		*fine = gen_parse_ipv6("--to6", text, spec->ends.target6);
		return true;
	case TO_MAC:
		*fine = gen_parse_mac("--to-mac", text, spec->ends.target_mac);
		return true;
	case FROM_MAC:
		*fine = gen_parse_mac("--from-mac", text, spec->ends.sender_mac);
		return true;
	case SOURCE:
		*fine = gen_parse_ipv4("--source", text, &spec->ends.source);
		return true;
	default:
		return false;
	}
}

/* Returns false for an option that getopt does not know, and has told of. */
static bool take_other(int id, char *text, struct gen_options *options)
{
	switch (id) {
	case RECEIVE:
		options->receive = true;
		return true;
	case 'w':
	case 'f':
		options->file = text;
		return true;
	case 'd':
		options->device = text;
		return true;
	case 'i':
		options->interface = text;
		return true;
	case 'o':
		options->output = text;
		return true;
	case SOCKET_PATH:
		options->socket_path = text;
		return true;
	case FILE_PREFIX:
		options->file_prefix = text;
		return true;
	case JSON:
		options->json = true;
		return true;
	case 'q':
		options->quiet = true;
		return true;
	case 'v':
		options->verbose = true;
		return true;
	default:
		return false;
	}
}

/* --- do they go together? --- */

/* Options that are for one of the two programs in this one only. */
static bool belongs(int id, bool receive)
{
	switch (id) {
	case 'w':
	case 'c':
		return !receive;
	case 'o':
	case 'i':
	case 'f':
	case EXPECT:
	case IDLE:
	case PER_FLOW:
	case SOCKET_PATH:
	case FILE_PREFIX:
		return receive;
	case VXLAN_PORT:
	case GENEVE_PORT:
		return true;
	default:
		return !receive || id < RATE || id > SOURCE;
	}
}

static bool check_places(const struct gen_options *options)
{
	int places = (options->file != NULL) + (options->device != NULL)
		+ (options->interface != NULL) + (options->output != NULL);

	if (places != 1) {
		gen_complain("%s: give one of %s", places == 0 ? "where?" : "more than one place",
			options->receive ? "-o NAME, -d DEVICE, -i INTERFACE and -f FILE"
					 : "-w FILE and -d DEVICE");
		return false;
	}
	if (options->eal_count > 0 && options->device == NULL) {
		gen_complain("%s: EAL arguments are for -d", options->eal[0]);
		return false;
	}
	return true;
}

static bool check_traffic(const struct gen_options *options)
{
	const struct gen_spec *spec = &options->spec;
	uint32_t last = spec->first_vni + spec->sessions * (spec->copies > 0 ? 2 : 1) - 1;

	if (last > MAX_VNI) {
		gen_complain("--vni %u: the last of the sessions%s would have VNI %u, larger than "
			     "%d",
			spec->first_vni, spec->copies > 0 ? ", copies' included," : "", last,
			MAX_VNI);
		return false;
	}
	if (spec->ends.vxlan_port == spec->ends.geneve_port) {
		gen_complain("--vxlan-port and --geneve-port are both %u", spec->ends.vxlan_port);
		return false;
	}
	if (options->file != NULL && options->limits.count == 0 && options->limits.seconds == 0) {
		gen_complain("-w %s: say how long the file shall be, by -c or -s", options->file);
		return false;
	}
	if (options->file != NULL && strcmp(options->file, "-") == 0 && options->json) {
		gen_complain("-w - and --json cannot both be standard output");
		return false;
	}
	return true;
}

/* An inner frame, not a capture's, is asked for in ways that a capture cannot follow. */
static bool check_capture(const struct gen_options *options, const bool *given)
{
	static const struct {
		int id;
		const char *name;
	} made[] = {{FLOWS, "--flows"}, {DISTRIBUTION, "--distribution"}, {SIZE, "--size"},
		{IPV6, "--ipv6"}, {UDP, "--udp"}, {FRAGMENTS, "--fragments"}};

	for (size_t i = 0; options->spec.capture != NULL && i < RTE_DIM(made); i++) {
		if (given[made[i].id]) {
			gen_complain("%s: inner frames are the capture's, with --pcap; leave one "
				     "of the two out",
				made[i].name);
			return false;
		}
	}
	return true;
}

static bool check(const struct gen_options *options, const bool *given)
{
	for (size_t i = 0; known[i].name != NULL; i++) {
		if (given[known[i].val] && !belongs(known[i].val, options->receive)) {
			gen_complain("--%s: only %s --receive", known[i].name,
				options->receive ? "without" : "with");
			return false;
		}
	}
	if (!check_places(options))
		return false;
	return options->receive || (check_traffic(options) && check_capture(options, given));
}

static void set_defaults(struct gen_options *options)
{
	*options = (struct gen_options){
		.socket_path = MT_DEFAULT_SOCKET,
		.cpu = -1,
		.spec = {.ends = {.target_mac = {0x02, 0, 0x0a, 0x4d, 0x02, 0x02},
				 .sender_mac = {0x02, 0, 0x0a, 0x4d, 0x02, 0x01},
				 .target = 172u << 24 | 31 << 16 | 2 << 8 | 2,
				 .target6 = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 2},
				 .source = 172u << 24 | 31 << 16 | 16 << 8 | 1,
				 .vxlan_port = 4789,
				 .geneve_port = 6081},
			.sources = 1,
			.sessions = 1,
			.first_vni = 1,
			.flows = 1024,
			.tunnels = {[GEN_VXLAN] = 1},
			.udp = 0.2,
			.seed = 1},
	};
}

static bool take_eal(int argc, char **argv, struct gen_options *options)
{
	if (optind == argc)
		return true;
	if (strcmp(argv[optind - 1], "--") != 0) {
		gen_complain("takes no argument, but there is: %s; EAL's follow --", argv[optind]);
		return false;
	}
	options->eal = argv + optind;
	options->eal_count = argc - optind;
	return true;
}

int gen_options_parse(int argc, char **argv, struct gen_options *options)
{
	bool given[MBUFS + 1] = {false};
	bool fine = true;
	int id;

	set_defaults(options);
	while (fine && (id = getopt_long(argc, argv, "+w:d:o:i:f:c:s:qvhV", known, NULL)) != -1) {
		if (id == 'h') {
			fputs(gen_usage, stdout);
			return EXIT_SUCCESS;
		}
		if (id == 'V') {
			puts("mirrorgen " MT_VERSION);
			return EXIT_SUCCESS;
		}
		if (!take_number(id, optarg, options, &fine)
			&& !take_traffic(id, optarg, options, &fine))
			fine = take_other(id, optarg, options);
		given[id] = true;
	}
	fine = fine && take_eal(argc, argv, options) && check(options, given);
	if (fine && options->spec.sizes.count == 0)
		fine = gen_parse_sizes("300", &options->spec.sizes);
	if (fine)
		return -1;
	fputs("Try: mirrorgen --help\n", stderr);
	return GEN_EXIT_USAGE;
}

void gen_options_free(struct gen_options *options)
{
	free(options->spec.sizes.bytes);
	free(options->spec.sizes.weights);
}
