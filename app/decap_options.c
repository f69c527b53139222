/* SPDX-License-Identifier: BSD-3-Clause */
#include "decap_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "packet/flow_hash.h"

static const char usage[] =
	"usage: mirrortap decap IN [-w OUT.pcapng] [--verdicts FILE]\n"
	"Takes mirrored frames out of VXLAN and GENEVE in a capture file. Needs no root.\n"
	"  IN                  pcap or pcapng file of Ethernet frames; - is standard input\n"
	"  -w, --write OUT     write the accepted inner frames there, as pcapng; one interface\n"
	"                      per VNI\n"
	"      --verdicts FILE write one line per frame there, tab-separated; - is standard\n"
	"                      output\n"
	"      --vxlan-port N  UDP port of VXLAN, instead of 4789; up to 8 times\n"
	"      --geneve-port N UDP port of GENEVE, instead of 6081; up to 8 times\n"
	"      --hash FIELDS   of the flow hash: 5-tuple (default), 2-tuple or vni\n"
	"      --include-vni   tell equal flows of different VNIs apart in the flow hash\n"
	"      --json          write the summary as JSON\n"
	"  -h, --help          this text\n"
	"The summary goes to standard output, with -w or --verdicts to standard error.\n"
	"docs/verdicts.md says what the verdicts mean. Exit: 0, 1 for failure, 2 for usage.\n";

void decap_complain(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("mirrortap decap: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

static bool add_port(const char *option, const char *text, uint16_t *ports, uint8_t *count)
{
	char *end;
	unsigned long port;

	errno = 0;
	port = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || port < 1
		|| port > UINT16_MAX) {
		decap_complain("%s %s: not a UDP port; 1 to 65535 are allowed", option, text);
		return false;
	}
	if (*count == MT_MAX_TUNNEL_PORTS) {
		decap_complain("%s %s: more than %d of them", option, text, MT_MAX_TUNNEL_PORTS);
		return false;
	}
	ports[(*count)++] = htons((uint16_t)port);
	return true;
}

static bool parse_fields(const char *text, enum mt_hash_fields *fields)
{
	static const char *const names[] = {
		[MT_HASH_5_TUPLE] = "5-tuple",
		[MT_HASH_2_TUPLE] = "2-tuple",
		[MT_HASH_VNI] = "vni",
	};

	for (unsigned i = 0; i < RTE_DIM(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*fields = (enum mt_hash_fields)i;
			return true;
		}
	}
	decap_complain("--hash %s: not known; 5-tuple, 2-tuple and vni are allowed", text);
	return false;
}

static bool check_operands(int argc, char **argv, struct decap_options *options)
{
	if (argc - optind != 1) {
		decap_complain(argc == optind ? "IN is missing" : "more than one IN: %s",
			argc == optind ? "" : argv[optind + 1]);
		return false;
	}
	options->input = argv[optind];
	if (options->output != NULL && options->verdicts != NULL
		&& strcmp(options->output, "-") == 0 && strcmp(options->verdicts, "-") == 0) {
		decap_complain("-w and --verdicts cannot both be standard output");
		return false;
	}
	return true;
}

/* Returns -1 to go on, or the exit status. */
int decap_parse(int argc, char **argv, struct decap_options *options)
{
	enum { VERDICTS = 256, VXLAN_PORT, GENEVE_PORT, HASH, INCLUDE_VNI, JSON };
	static const struct option known[] = {
		{"write", required_argument, NULL, 'w'},
		{"verdicts", required_argument, NULL, VERDICTS},
		{"vxlan-port", required_argument, NULL, VXLAN_PORT},
		{"geneve-port", required_argument, NULL, GENEVE_PORT},
		{"hash", required_argument, NULL, HASH},
		{"include-vni", no_argument, NULL, INCLUDE_VNI},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct mt_tunnels *tunnels = &options->tunnels;
	enum mt_hash_fields fields = MT_HASH_5_TUPLE;
	bool include_vni = false;
	bool fine = true;
	int option;

	optind = 0; /* the caller may have used getopt before: start anew */
	while (fine && (option = getopt_long(argc, argv, "w:h", known, NULL)) != -1) {
		switch (option) {
		case 'w':
			options->output = optarg;
			break;
		case VERDICTS:
			options->verdicts = optarg;
			break;
		case VXLAN_PORT:
			fine = add_port("--vxlan-port", optarg, tunnels->vxlan_ports,
				&tunnels->vxlan_count);
			break;
		case GENEVE_PORT:
			fine = add_port("--geneve-port", optarg, tunnels->geneve_ports,
				&tunnels->geneve_count);
			break;
		case HASH:
			fine = parse_fields(optarg, &fields);
			break;
		case INCLUDE_VNI:
			include_vni = true;
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
	if (!fine || !check_operands(argc, argv, options)) {
		fputs("Try: mirrortap decap --help\n", stderr);
		return DECAP_EXIT_USAGE;
	}
	if (tunnels->vxlan_count == 0)
		tunnels->vxlan_ports[tunnels->vxlan_count++] = htons(4789);
	if (tunnels->geneve_count == 0)
		tunnels->geneve_ports[tunnels->geneve_count++] = htons(6081);
	tunnels->hash = mt_hash_configure(fields, include_vni);
	return -1;
}
