/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "control/config.h"
#include "offline.h"
#include "packet/decapsulate.h"
#include "packet/frame_info.h"
#include "policy/policy.h"

static const char usage[] =
	"usage: mirrortap filter test [-c FILE] [--vni N] --pcap IN [--json]\n"
	"Tells which session and rule takes each mirrored frame of a capture, and where it goes,\n"
	"with the code and the configuration of the daemon. Needs no root.\n"
	"  -c, --config FILE  configuration (default " MT_DEFAULT_CONFIG ")\n"
	"      --pcap IN      pcap or pcapng file of mirror traffic; - is standard input\n"
	"      --vni N        only frames of this VNI\n"
	"      --json         write JSON\n"
	"  -h, --help         this text\n"
	"One line per frame, tab-separated. Exit: 0, 1 for failure, 2 for usage.\n";

enum {
	MAX_ERROR = 512,
};

struct filter_options {
	const char *config;
	const char *input;
	int64_t vni; /* -1: all */
	bool json;
};

struct run {
	const struct filter_options *options;
	const struct mt_config *config;
	struct mt_tunnels tunnels;
	struct mt_policy *policy; /* NULL: the configuration has none */
	struct mt_policy_state state;
	uint64_t frames;
	uint64_t printed;
};

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("mirrortap filter test: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* --- one frame --- */

/* The inner frame as the daemon would have it: mbufs that point into the record. */
struct inner {
	struct rte_mbuf segments[OFFLINE_SEGMENTS + 1];
	uint8_t header[MT_ETHERNET_LENGTH];
};

static struct rte_mbuf *make_inner(
	struct inner *inner, const uint8_t *bytes, const struct mt_facts *facts)
{
	struct rte_mbuf *frame = &inner->segments[1];
	struct mt_frame_info *info;
	uint32_t made_up = facts->made_up_ethertype != 0 ? MT_ETHERNET_LENGTH : 0;

	offline_segments(frame, bytes + facts->strip, facts->inner_length - made_up);
	if (made_up != 0) {
		struct rte_mbuf *rest = frame;

		frame = &inner->segments[0];
		mt_packet_make_up_ethernet(inner->header, facts->made_up_ethertype);
		offline_segments(frame, inner->header, made_up);
		frame->pkt_len += rest->pkt_len;
		frame->next = rest;
	}
	info = mt_frame_info(frame);
	*info = (struct mt_frame_info){
		.source = facts->source,
		.vni_flags = facts->vni << 8 | facts->flags,
		.original_length = facts->original_length,
	};
	frame->hash.rss = facts->flow_hash;
	return frame;
}

/* Without sessions and filters all frames go to all outputs. */
static void decide(struct run *run, struct rte_mbuf *frame, struct mt_decision *decision)
{
	*decision = (struct mt_decision){
		.verdict = MT_VERDICT_ACCEPTED,
		.choices = (UINT32_C(1) << run->config->outputs_count) - 1,
	};
	if (run->policy != NULL)
		mt_policy_decide(run->policy, &run->state, &frame, 1, decision);
}

/* --- printing --- */

static const char *direction_name(uint8_t flags)
{
	if ((flags & MT_FLAG_INGRESS) != 0)
		return "ingress";
	return (flags & MT_FLAG_EGRESS) != 0 ? "egress" : "unknown";
}

/* "tools,ids:filtered": where the frame goes, and what keeps it from where it was offered. */
static void list_outputs(
	const struct run *run, const struct mt_decision *decision, char *text, size_t size)
{
	static const char *const remarks[] = {"", ":filtered", ":sampled"};
	size_t used = 0;

	snprintf(text, size, "-");
	for (unsigned o = 0; o < run->config->outputs_count && used < size; o++) {
		enum mt_choice choice = mt_choice_of(decision->choices, o);

		if (decision->verdict != MT_VERDICT_ACCEPTED || choice == MT_CHOICE_NONE)
			continue;
		used += snprintf(text + used, size - used, "%s%s%s", used == 0 ? "" : ",",
			run->config->outputs[o].name,
			remarks[(choice == MT_CHOICE_FILTERED)
				+ 2 * (choice == MT_CHOICE_SAMPLED)]);
	}
}

/* One line of the table. What does not apply is NULL or -1. */
struct line {
	int64_t vni;
	const char *session;
	const char *direction;
	const char *filter;
	int64_t rule; /* -1: none of the filter's */
	const char *verdict;
	int64_t length;
	char outputs[MT_MAX_OUTPUTS * 32];
};

static const char *or_dash(const char *text)
{
	return text != NULL ? text : "-";
}

static const char *number(char text[FORMAT_SIZE], int64_t value, const char *otherwise)
{
	if (value < 0)
		return otherwise;
	snprintf(text, FORMAT_SIZE, "%" PRId64, value);
	return text;
}

static json_t *json_number(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static void print_json(const struct run *run, const struct line *line)
{
	json_t *object = json_pack("{sI so ss? ss? ss? so ss so ss}", "frame",
		(json_int_t)run->frames, "vni", json_number(line->vni), "session", line->session,
		"direction", line->direction, "filter", line->filter, "rule",
		json_number(line->rule), "verdict", line->verdict, "length",
		json_number(line->length), "outputs", line->outputs);

	fputs(run->printed > 1 ? ",\n" : "", stdout);
	json_dumpf(object, stdout, JSON_COMPACT);
	json_decref(object);
}

static void print_line(struct run *run, const struct line *line)
{
	char vni[FORMAT_SIZE], rule[FORMAT_SIZE], length[FORMAT_SIZE];

	run->printed++;
	if (run->options->json) {
		print_json(run, line);
		return;
	}
	printf("%" PRIu64 "\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", run->frames,
		number(vni, line->vni, "-"), or_dash(line->session), or_dash(line->direction),
		or_dash(line->filter),
		number(rule, line->rule, line->filter != NULL ? "none" : "-"), line->verdict,
		number(length, line->length, "-"), line->outputs);
}

static void print_frame(
	struct run *run, const struct mt_facts *facts, const struct mt_decision *decision)
{
	uint32_t length = facts->inner_length;
	struct line line = {
		.vni = facts->vni,
		.direction = direction_name(facts->flags),
		.rule = decision->rule != NULL ? (int64_t)decision->rule->number : -1,
		.verdict = mt_verdict_name(decision->verdict),
	};

	if (decision->truncate != 0)
		length = RTE_MIN(length, decision->truncate);
	line.length = length;
	if (decision->session != NULL)
		line.session = decision->session->name;
	if (decision->filter != NULL)
		line.filter = decision->filter->name;
	list_outputs(run, decision, line.outputs, sizeof(line.outputs));
	print_line(run, &line);
}

/* No mirror traffic, or broken. */
static void print_other(struct run *run, uint8_t verdict)
{
	struct line line = {
		.vni = -1,
		.rule = -1,
		.verdict = mt_verdict_name(verdict),
		.length = -1,
		.outputs = "-",
	};

	print_line(run, &line);
}

static bool take(void *context, const struct pcap_pkthdr *record, const uint8_t *bytes)
{
	struct run *run = context;
	struct rte_mbuf segments[OFFLINE_SEGMENTS];
	struct mt_decision decision;
	struct rte_mbuf *frame;
	struct mt_facts facts;
	struct inner inner;

	run->frames++;
	offline_segments(segments, bytes, record->caplen);
	mt_packet_decapsulate(segments, &run->tunnels, &facts);
	if (facts.verdict != MT_VERDICT_ACCEPTED) {
		if (run->options->vni < 0)
			print_other(run, facts.verdict);
		return true;
	}
	if (run->options->vni >= 0 && facts.vni != run->options->vni)
		return true;
	offline_apply_record_length(record, &facts);
	frame = make_inner(&inner, bytes, &facts);
	decide(run, frame, &decision);
	print_frame(run, &facts, &decision);
	return true;
}

static bool take_all(struct run *run, struct offline_reader *capture)
{
	bool fine;

	if (run->options->json)
		fputs("{\"frames\":[", stdout);
	else
		puts("frame\tvni\tsession\tdirection\tfilter\trule\tverdict\tlength\toutputs");
	fine = offline_take_all(capture, run->options->input, take, run, complain);
	if (run->options->json)
		puts("]}");
	return fine;
}

/* --- beginning and end --- */

/* DPDK's classifier takes its memory from EAL: plain memory, nothing shared, no device. */
static bool start_eal(void)
{
	char *arguments[] = {"mirrortap", "--no-huge", "-m", "1024", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0", NULL};

	if (rte_eal_init(RTE_DIM(arguments) - 1, arguments) >= 0)
		return true;
	complain("DPDK's EAL does not start: %s", rte_strerror(rte_errno));
	return false;
}

static bool run_test(const struct filter_options *options, const struct mt_config *config)
{
	/* Sampling by packets is random; here it is the same each time. */
	struct run run = {.options = options, .config = config, .state = {.random = 1}};
	struct offline_reader *capture = offline_open(options->input, complain);
	char error[MAX_ERROR] = "";
	bool fine = false;

	if (capture == NULL)
		return false;
	mt_config_tunnels(config, &run.tunnels);
	if (!mt_policy_spec_is_empty(&config->policy)) {
		run.policy = mt_policy_create(&config->policy, error, sizeof(error));
		if (run.policy == NULL) {
			complain("%s", error);
			offline_reader_close(capture);
			return false;
		}
	}
	fine = take_all(&run, capture);
	mt_policy_destroy(run.policy);
	offline_reader_close(capture);
	return fine;
}

static bool parse_vni(const char *text, int64_t *vni)
{
	char *end;

	errno = 0;
	*vni = strtol(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *vni <= 0xffffff)
		return true;
	complain("--vni %s: not a VNI; 0 to 16777215 are allowed", text);
	return false;
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct filter_options *options)
{
	enum { PCAP = 256, VNI, JSON };
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"pcap", required_argument, NULL, PCAP},
		{"vni", required_argument, NULL, VNI},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool fine = true;
	int option;

	optind = 0; /* main used getopt before: start anew */
	while (fine && (option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case PCAP:
			options->input = optarg;
			break;
		case VNI:
			fine = parse_vni(optarg, &options->vni);
			break;
		case JSON:
			options->json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fine = false; /* getopt has said why */
		}
	}
	if (fine && (argc - optind != 1 || strcmp(argv[optind], "test") != 0)) {
		complain(argc == optind ? "what to do is missing: test"
					: "not known: %s; test is all there is",
			argc == optind ? "" : argv[argc - 1]);
		fine = false;
	}
	if (fine && options->input == NULL) {
		complain("--pcap IN is missing");
		fine = false;
	}
	if (fine)
		return -1;
	fputs("Try: mirrortap filter --help\n", stderr);
	return EXIT_USAGE;
}

int cmd_filter(const struct command_context *context, int argc, char **argv)
{
	struct filter_options options = {.config = MT_DEFAULT_CONFIG, .vni = -1};
	char error[MAX_ERROR] = "";
	struct mt_config *config;
	bool fine = false;
	int status = parse(argc, argv, &options);

	(void)context;
	if (status >= 0)
		return status;
	if (mt_config_load(options.config, &config, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	if (start_eal()) {
		fine = run_test(&options, config);
		rte_eal_cleanup();
	}
	mt_config_free(config);
	return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
