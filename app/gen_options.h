/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of mirrorgen. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gen_traffic.h"

enum {
	GEN_EXIT_USAGE = 2,
};

/* How much and how fast. 0: not limited. */
struct gen_limits {
	uint64_t count; /* frames */
	double seconds;
	double pps;
	double bits_per_second; /* of outer frames; one of the two rates at most is set */
};

struct gen_options {
	bool receive;
	/* One of them is set: */
	const char *file;      /* to write, or to read; "-": standard output or input */
	const char *device;    /* of DPDK: PCI address or vdev string */
	const char *interface; /* of the kernel; receive only */
	const char *output;    /* a ring output of mirrortapd; receive only */

	struct gen_spec spec;
	struct gen_limits limits;

	/* Receive only. */
	uint64_t expect;     /* marked packets; 0: not said */
	double idle_seconds; /* end when nothing marked came for so long; 0: never */
	uint32_t per_flow;   /* flows that get latencies of their own */
	const char *socket_path;
	const char *file_prefix; /* of the daemon; NULL: ask it */

	bool json;
	bool quiet;
	bool verbose;
	int cpu; /* -1: the last one allowed */
	uint32_t mbufs;
	char **eal; /* the user's arguments to EAL */
	int eal_count;
};

/* Returns -1 to go on, or the exit status. */
int gen_options_parse(int argc, char **argv, struct gen_options *options);
void gen_options_free(struct gen_options *options);

/* One line to standard error, "mirrorgen: " in front. */
void gen_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What --help says. */
extern const char gen_usage[];

/* --- gen_values.c: values of options; each says what is wrong, and what is allowed --- */

bool gen_parse_number(
	const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *number);
bool gen_parse_seconds(const char *option, const char *text, double *seconds);
/* "5", "0.5", "5%" to a share. */
bool gen_parse_percent(const char *option, const char *text, double *share);
/* "1.5Mpps", "10Gbps". */
bool gen_parse_rate(const char *text, struct gen_limits *limits);
/* "imix", "64", "64:7,590:4,1514:1", "64-1500". */
bool gen_parse_sizes(const char *text, struct gen_sizes *sizes);
/* "vxlan:8,geneve,gwlb:0.5". */
bool gen_parse_tunnels(const char *text, double weights[GEN_TUNNELS]);
/* "uniform", "zipf", "zipf:1.2", "cycle". */
bool gen_parse_distribution(const char *text, struct gen_spec *spec);
/* "vxlan_no_vni=1,host=0.5", "all=5". */
bool gen_parse_malformed(const char *text, double shares[MT_VERDICT_COUNT]);
bool gen_parse_mac(const char *option, const char *text, uint8_t mac[6]);
bool gen_parse_ipv4(const char *option, const char *text, uint32_t *address);
bool gen_parse_ipv6(const char *option, const char *text, uint8_t address[16]);
