/* SPDX-License-Identifier: BSD-3-Clause */
/* Sample consumer: the largest conversations of a ring output, again and again. It uses nothing of
 * Mirrortap's but the public header, and may be copied as a beginning.
 *
 * A conversation is known by its flow hash and VNI, which are the same for both directions. The
 * table has a fixed number of places, four for each hash; where all are taken by larger ones, the
 * smallest makes room: a conversation that matters comes back at once. */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mirrortap_consumer.h"
#include "version.h"

enum {
	EXIT_USAGE = 2,
	BURST = 64,
	WAYS = 4,
	SETS = 1 << 14,
	MAX_TOP = 1000,
	NAME_SIZE = 128,
	LONGEST_HEAD = 14 + 8 + 40 + 4, /* Ethernet, two VLAN tags, IPv6, ports */
};

struct flow {
	uint32_t hash;
	uint32_t vni;
	uint64_t frames;
	uint64_t bytes;             /* before truncation */
	uint8_t head[LONGEST_HEAD]; /* of its first frame: put into words when it is printed */
	uint8_t head_length;
};

struct options {
	struct mirrortap_options attach;
	unsigned top;
	unsigned seconds;
	unsigned rounds; /* 0: until it is ended */
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* --- counting --- */

static void begin_flow(struct flow *flow, const struct mirrortap_frame *frame)
{
	uint32_t length = frame->contiguous < LONGEST_HEAD ? frame->contiguous : LONGEST_HEAD;

	*flow = (struct flow){.hash = frame->flow_hash, .vni = frame->vni};
	memcpy(flow->head, frame->data, length);
	flow->head_length = (uint8_t)length;
}

static struct flow *find(struct flow *flows, const struct mirrortap_frame *frame)
{
	struct flow *set = &flows[(size_t)(frame->flow_hash % SETS) * WAYS];
	struct flow *smallest = set;

	for (struct flow *flow = set; flow < set + WAYS; flow++) {
		if (flow->frames > 0 && flow->hash == frame->flow_hash && flow->vni == frame->vni)
			return flow;
		if (flow->bytes < smallest->bytes)
			smallest = flow;
	}
	begin_flow(smallest, frame);
	return smallest;
}

static void count(struct flow *flows, const struct mirrortap_frame *frame)
{
	struct flow *flow = find(flows, frame);

	flow->frames++;
	flow->bytes += frame->original_length;
}

/* --- in words --- */

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static const char *protocol_name(uint8_t protocol, char number[8])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmp6";
	default:
		snprintf(number, 8, "ip/%u", protocol);
		return number;
	}
}

/* `at`: where the IP header begins; what is not there is left out. */
static void name_ip(const struct flow *flow, unsigned at, bool v6, char name[NAME_SIZE])
{
	const uint8_t *ip = flow->head + at;
	unsigned length = flow->head_length - at;
	unsigned header = v6 ? 40 : 4 * (ip[0] & 15u);
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], number[8];
	char ports[2][8] = {"", ""};
	uint8_t protocol;

	if (length < (v6 ? 40u : 20u)) {
		snprintf(name, NAME_SIZE, "cut short");
		return;
	}
	protocol = ip[v6 ? 6 : 9];
	inet_ntop(v6 ? AF_INET6 : AF_INET, ip + (v6 ? 8 : 12), source, sizeof(source));
	inet_ntop(v6 ? AF_INET6 : AF_INET, ip + (v6 ? 24 : 16), destination, sizeof(destination));
	if (has_ports(protocol) && length >= header + 4) {
		for (unsigned p = 0; p < 2; p++)
			snprintf(ports[p], sizeof(ports[p]), " %u",
				ip[header + 2 * p] << 8 | ip[header + 2 * p + 1]);
	}
	snprintf(name, NAME_SIZE, "%s %s%s - %s%s", protocol_name(protocol, number), source,
		ports[0], destination, ports[1]);
}

static void name_flow(const struct flow *flow, char name[NAME_SIZE])
{
	unsigned at = 12;
	unsigned type = 0;

	while (at + 2 <= flow->head_length) {
		type = (unsigned)flow->head[at] << 8 | flow->head[at + 1];
		at += 2;
		if (type != 0x8100 && type != 0x88a8)
			break;
		at += 2;
	}
	if ((type == 0x0800 || type == 0x86dd) && at < flow->head_length)
		name_ip(flow, at, type == 0x86dd, name);
	else
		snprintf(name, NAME_SIZE, "ethertype 0x%04x", type);
}

static int by_bytes(const void *left, const void *right)
{
	uint64_t a = ((const struct flow *)left)->bytes;
	uint64_t b = ((const struct flow *)right)->bytes;

	return a < b ? 1 : a > b ? -1 : 0;
}

/* Prints the largest and begins anew. */
static void print_top(
	struct flow *flows, const struct options *options, uint64_t frames, uint64_t dropped)
{
	char name[NAME_SIZE];

	qsort(flows, (size_t)SETS * WAYS, sizeof(*flows), by_bytes);
	printf("%" PRIu64 " frames in %u s, %" PRIu64 " dropped because the ring was full\n",
		frames, options->seconds, dropped);
	printf("%12s %16s %9s  %s\n", "frames", "bytes", "vni", "conversation");
	for (unsigned n = 0; n < options->top && flows[n].frames > 0; n++) {
		name_flow(&flows[n], name);
		printf("%12" PRIu64 " %16" PRIu64 " %9" PRIu32 "  %s\n", flows[n].frames,
			flows[n].bytes, flows[n].vni, name);
	}
	putchar('\n');
	fflush(stdout);
	memset(flows, 0, (size_t)SETS * WAYS * sizeof(*flows));
}

/* --- reading --- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* One burst of each queue. Returns how many frames there were, or an error. */
static int read_burst(struct mirrortap_consumer *consumer, struct flow *flows)
{
	struct mirrortap_frame frames[BURST];
	int sum = 0;

	for (unsigned q = 0; q < mirrortap_queues(consumer); q++) {
		struct mirrortap_queue *queue = mirrortap_queue(consumer, q);
		int received = mirrortap_receive(queue, frames, BURST);

		if (received < 0)
			return received;
		for (int i = 0; i < received; i++)
			count(flows, &frames[i]);
		mirrortap_release(queue, (unsigned)received);
		sum += received;
	}
	return sum;
}

static uint64_t dropped_so_far(struct mirrortap_consumer *consumer)
{
	uint64_t dropped = 0;

	for (unsigned q = 0; q < mirrortap_queues(consumer); q++) {
		struct mirrortap_counts counts;

		mirrortap_read_counts(mirrortap_queue(consumer, q), &counts);
		dropped += counts.dropped_full;
	}
	return dropped;
}

static int watch(struct mirrortap_consumer *consumer, const struct options *options)
{
	struct flow *flows = calloc((size_t)SETS * WAYS, sizeof(*flows));
	uint64_t before = dropped_so_far(consumer);
	double next = now() + options->seconds;
	unsigned bursts = 0, rounds = 0;
	uint64_t frames = 0;
	int received = 0;

	while (flows != NULL && !stop && received >= 0
		&& (options->rounds == 0 || rounds < options->rounds)) {
		received = read_burst(consumer, flows);
		frames += received > 0 ? (uint64_t)received : 0;
		if (received == 0)
			mirrortap_wait_any(consumer, 100);
		if ((received == 0 || ++bursts % BURST == 0) && now() >= next) {
			print_top(flows, options, frames, dropped_so_far(consumer) - before);
			before = dropped_so_far(consumer);
			frames = 0;
			rounds++;
			next = now() + options->seconds;
		}
	}
	free(flows);
	if (received >= 0)
		return EXIT_SUCCESS;
	fputs("mirrorflows: mirrortapd has ended\n", stderr);
	return EXIT_FAILURE;
}

/* --- arguments --- */

static const char usage[] =
	"usage: mirrorflows -o NAME [-n TOP] [-i SECONDS] [-r ROUNDS] [-q N] [-p PREFIX]\n"
	"Prints the largest conversations of a ring output of mirrortapd.\n"
	"  -o NAME     the ring output\n"
	"  -n TOP      how many conversations; default 10\n"
	"  -i SECONDS  how often; default 2\n"
	"  -r ROUNDS   end after so many\n"
	"  -q N        only this queue; default all\n"
	"  -p PREFIX   DPDK's file prefix of the daemon; default mirrortap\n"
	"  -h, -V      this text, the version; also --help, --version\n";

static bool parse_number(const char *text, unsigned min, unsigned max, unsigned *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*number = (unsigned)value;
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= min && value <= max)
		return true;
	fprintf(stderr, "mirrorflows: %s: a number from %u to %u is allowed\n", text, min, max);
	return false;
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option long_options[] = {
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	unsigned queue = 0;
	bool fine = true;
	int option;

	while (fine
		&& (option = getopt_long(argc, argv, "o:n:i:r:q:p:hV", long_options, NULL)) != -1) {
		switch (option) {
		case 'o':
			options->attach.output = optarg;
			break;
		case 'n':
			fine = parse_number(optarg, 1, MAX_TOP, &options->top);
			break;
		case 'i':
			fine = parse_number(optarg, 1, 86400, &options->seconds);
			break;
		case 'r':
			fine = parse_number(optarg, 1, UINT32_MAX, &options->rounds);
			break;
		case 'q':
			fine = parse_number(optarg, 0, 63, &queue);
			options->attach.queue = (int)queue;
			break;
		case 'p':
			options->attach.file_prefix = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("mirrorflows " MT_VERSION);
			return EXIT_SUCCESS;
		default:
			fine = false;
		}
	}
	if (fine && options->attach.output != NULL && optind == argc)
		return -1;
	fputs(usage, stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct options options = {
		.attach.queue = MIRRORTAP_ALL_QUEUES,
		.top = 10,
		.seconds = 2,
	};
	struct sigaction action = {.sa_handler = on_signal};
	struct mirrortap_consumer *consumer;
	char error[512];
	int status = parse(argc, argv, &options);

	if (status >= 0)
		return status;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (mirrortap_attach(&options.attach, &consumer, error, sizeof(error)) < 0) {
		fprintf(stderr, "mirrorflows: %s\n", error);
		return EXIT_FAILURE;
	}
	status = watch(consumer, &options);
	mirrortap_detach(consumer);
	return status;
}
