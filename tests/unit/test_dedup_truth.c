/* SPDX-License-Identifier: BSD-3-Clause */
/* What de-duplication gets wrong, against the truth: packets of the captures of MIRRORTAP_CAPTURES
 * (default ../shared/captures), and made-up ones that repeat, are mirrored at both ends, each copy
 * with a delay of its own and now and then lost. Prints how many packets were missing at the end,
 * and how many were too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "build_packet.h"
#include "packet/frame_info.h"
#include "policy/dedup.h"
#include "random_packet.h"

enum {
	MS = 1000000,
	MAX_ORIGINALS = 4096,
	IP = 14,
};

struct original {
	uint8_t *bytes;
	uint32_t length;
	uint32_t original_length;
	uint64_t time_ns;
	unsigned class; /* place of the first one that is the same packet by its bytes */
};

struct originals {
	struct original list[MAX_ORIGINALS];
	unsigned count;
	uint64_t duration_ns;
};

static bool is_ipv4(const struct original *original)
{
	return original->length >= IP + 20 && original->bytes[12] == 8 && original->bytes[13] == 0
		&& original->bytes[IP] == 0x45;
}

/* As a router, or a longer way, leaves it: MAC addresses, time to live and header checksum. */
static void route(struct original *copy)
{
	if (!is_ipv4(copy))
		return;
	memset(copy->bytes, 0x0e, 12);
	copy->bytes[IP + 8]--;
	copy->bytes[IP + 10] ^= 0x5a;
}

static void add(struct originals *originals, const uint8_t *bytes, uint32_t length,
	uint32_t original_length, uint64_t time_ns)
{
	struct original *new = &originals->list[originals->count];
	unsigned class = 0;

	assert_true(originals->count < MAX_ORIGINALS);
	*new = (struct original){.bytes = malloc(length),
		.length = length,
		.original_length = original_length,
		.time_ns = time_ns};
	assert_non_null(new->bytes);
	memcpy(new->bytes, bytes, length);
	while (class < originals->count
		&& (originals->list[class].length != length
			|| memcmp(originals->list[class].bytes, bytes, length) != 0))
		class ++;
	new->class = class;
	originals->count++;
	if (time_ns > originals->duration_ns)
		originals->duration_ns = time_ns;
}

static void free_originals(struct originals *originals)
{
	for (unsigned i = 0; i < originals->count; i++)
		free(originals->list[i].bytes);
	originals->count = 0;
	originals->duration_ns = 0;
}

/* --- where packets come from ------------------------------------------------------------------
 */

static void read_capture(const char *path, struct originals *originals)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *capture =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	struct mt_tunnels tunnels = default_tunnels();
	uint64_t begin = originals->duration_ns + 1000 * (uint64_t)MS;
	uint64_t first = 0;
	struct pcap_pkthdr *record;
	const uint8_t *bytes;

	assert_non_null(capture);
	while (pcap_next_ex(capture, &record, &bytes) == 1) {
		uint64_t time_ns = (uint64_t)record->ts.tv_sec * 1000 * MS + record->ts.tv_usec;
		struct mt_facts facts;
		struct chain chain;

		chain_split(&chain, bytes, record->caplen, NULL, 0);
		mt_packet_decapsulate(chain.segments, &tunnels, &facts);
		chain_free(&chain);
		if (first == 0)
			first = time_ns;
		if (facts.verdict == MT_VERDICT_ACCEPTED && facts.made_up_ethertype == 0)
			add(originals, bytes + facts.strip, facts.inner_length,
				facts.original_length, begin + (time_ns - first));
	}
	pcap_close(capture);
}

static bool read_captures(struct originals *originals)
{
	const char *folder = getenv("MIRRORTAP_CAPTURES");
	struct dirent **entries;
	char path[4096];
	int count;

	if (folder == NULL)
		folder = "../shared/captures";
	count = scandir(folder, &entries, NULL, alphasort);
	if (count < 0) {
		print_message("SKIP: no captures in %s (MIRRORTAP_CAPTURES)\n", folder);
		return false;
	}
	for (int i = 0; i < count; i++) {
		const char *suffix = strrchr(entries[i]->d_name, '.');

		if (suffix != NULL && strcmp(suffix, ".pcap") == 0) {
			snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
			read_capture(path, originals);
		}
		free(entries[i]);
	}
	free(entries);
	return originals->count != 0;
}

static void start_ipv4(struct packet *packet, uint8_t protocol, uint32_t client, uint16_t id)
{
	const struct ipv4 ip = {.source = 0x0a000000 + client,
		.destination = 0x0a630001,
		.protocol = protocol,
		.fragment = 0x4000};

	packet_start(packet);
	put_ethernet(packet, ETHERTYPE_V4);
	set_16(packet, put_ipv4(packet, &ip) + 4, id);
}

static void finish(
	struct originals *originals, struct packet *packet, uint32_t payload, uint64_t time_ns)
{
	put_pattern(packet, payload);
	packet_close(packet);
	add(originals, packet->bytes, packet->length, packet->length, time_ns);
}

/* What repeats: for each client ten pings that are the same in every byte, 5 ms apart; the same
 * question to a resolver three times, with identification 0; a segment that is sent again after
 * 3 ms, with its next identification. */
static void make_repeating(struct originals *originals)
{
	static struct packet packet;

	for (uint32_t client = 0; client < 100; client++) {
		uint64_t begin = client * 2 * (uint64_t)MS;

		for (unsigned n = 0; n < 10; n++) {
			start_ipv4(&packet, IPPROTO_ICMP, client, 0);
			put_icmp(&packet, 8, 0);
			finish(originals, &packet, 56, begin + n * 5 * MS);
		}
		for (unsigned n = 0; n < 3; n++) {
			start_ipv4(&packet, IPPROTO_UDP, client, 0);
			put_udp(&packet, 40000, 53);
			finish(originals, &packet, 40, begin + n * 20 * MS);
		}
		for (unsigned n = 0; n < 4; n++) {
			start_ipv4(&packet, IPPROTO_TCP, client, (uint16_t)(1000 + n));
			put_tcp(&packet, 40000, 80);
			finish(originals, &packet, 1000, begin + n * 3 * MS);
		}
	}
}

/* --- mirroring them ---------------------------------------------------------------------------
 */

struct arrival {
	uint64_t time_ns;
	unsigned original;
	unsigned point;
};

static int by_time(const void *left, const void *right)
{
	const struct arrival *a = left, *b = right;

	return a->time_ns != b->time_ns ? (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns)
					: (a->point > b->point) - (a->point < b->point);
}

struct result {
	unsigned long packets; /* of which at least one copy came */
	unsigned long copies;  /* that came */
	unsigned long missing; /* false positives: none was delivered */
	unsigned long extra;   /* misses: more than one was */
};

static bool is_duplicate(struct mt_dedup *dedup, const struct original *original,
	const struct arrival *arrival, uint64_t base_ns)
{
	static const struct mt_dedup_config config = {
		.window_ms = 50, .bytes = MT_DEDUP_MAX_BYTES, .across_sessions = true};
	struct original copy = *original;
	static struct chain chain;
	struct mt_fingerprint print;

	copy.bytes = malloc(copy.length);
	assert_non_null(copy.bytes);
	memcpy(copy.bytes, original->bytes, copy.length);
	if (arrival->point == 1)
		route(&copy);
	chain_split(&chain, copy.bytes, copy.length, NULL, 0);
	chain.segments[0].nb_segs = 1;
	*mt_frame_info(&chain.segments[0]) = (struct mt_frame_info){
		.time_ns = base_ns + arrival->time_ns,
		.source = mt_address_from_ipv4(1 + arrival->point),
		.vni_flags = (4321 + arrival->point) << 8,
		.original_length = copy.original_length,
	};
	mt_dedup_read(dedup, &config, &chain.segments[0], &print);
	chain_free(&chain);
	free(copy.bytes);
	return mt_dedup_check(dedup, &config, &print);
}

/* All packets once, on a table of before. Returns when the last one came. */
static uint64_t mirror(struct mt_dedup *dedup, const struct originals *originals, uint64_t base_ns,
	uint64_t delay_ns, unsigned loss_permille, struct result *result)
{
	static struct arrival arrivals[2 * MAX_ORIGINALS];
	static int left[MAX_ORIGINALS]; /* by class: to be delivered */
	unsigned count = 0;

	memset(left, 0, sizeof(left));
	for (unsigned i = 0; i < originals->count; i++) {
		unsigned before = count;

		for (unsigned point = 0; point < 2; point++)
			if (random_below(1000) >= loss_permille)
				arrivals[count++] = (struct arrival){originals->list[i].time_ns
						+ random_below((uint32_t)delay_ns),
					i, point};
		if (count > before) {
			left[originals->list[i].class]++;
			result->packets++;
		}
	}
	result->copies += count;
	qsort(arrivals, count, sizeof(arrivals[0]), by_time);
	for (unsigned a = 0; a < count; a++) {
		const struct original *original = &originals->list[arrivals[a].original];

		if (!is_duplicate(dedup, original, &arrivals[a], base_ns))
			left[original->class]--;
	}
	for (unsigned i = 0; i < originals->count; i++) {
		if (left[i] > 0)
			result->missing += (unsigned long)left[i];
		else
			result->extra += (unsigned long)-left[i];
	}
	return base_ns + originals->duration_ns + delay_ns + 1000 * (uint64_t)MS;
}

static struct result measure(const struct originals *originals, const char *name, uint64_t delay_ms,
	unsigned loss_permille, unsigned rounds)
{
	struct mt_dedup *dedup = mt_dedup_create(65536, 1, SOCKET_ID_ANY);
	uint64_t base_ns = UINT64_C(1700000000) * 1000 * MS;
	struct result result = {0};

	assert_non_null(dedup);
	for (unsigned r = 0; r < rounds; r++)
		base_ns = mirror(dedup, originals, base_ns, delay_ms * MS, loss_permille, &result);
	print_message("%-9s delay 0..%2lu ms, loss %4.1f %%: %8lu packets, %8lu copies: "
		      "%lu missing (%.5f %%), %lu too many (%.5f %%)\n",
		name, (unsigned long)delay_ms, loss_permille / 10.0, result.packets, result.copies,
		result.missing, 100.0 * (double)result.missing / (double)result.packets,
		result.extra, 100.0 * (double)result.extra / (double)result.packets);
	mt_dedup_destroy(dedup);
	return result;
}

static const uint64_t delays_ms[] = {1, 10, 45};

/* What real hosts sent. Among it are two segments without an identification that are the same in
 * every byte, 0.14 ms apart: where of one the first copy is lost, and of the other the second, no
 * one can tell what is left from two copies of one. All else comes out once. */
static void captures_come_out_once(void **state)
{
	static struct originals originals;

	(void)state;
	if (!read_captures(&originals))
		skip();
	for (size_t d = 0; d < RTE_DIM(delays_ms); d++) {
		for (unsigned loss = 0; loss <= 100; loss += loss == 0 ? 10 : 90) {
			struct result result =
				measure(&originals, "captures", delays_ms[d], loss, 300);

			assert_true(result.missing <= (loss == 100 ? result.packets / 5000 : 0));
			assert_int_equal(result.extra, 0);
		}
	}
	free_originals(&originals);
}

/* What repeats in every byte: without loss all of it comes out, as often as it was sent. With loss
 * at both mirror points the copy of one packet passes for that of another: of ten alike, nine that
 * came from each point are nine packets, whichever was lost. */
static void repetitions_come_out_as_often(void **state)
{
	static struct originals originals;

	(void)state;
	make_repeating(&originals);
	for (size_t d = 0; d < RTE_DIM(delays_ms); d++) {
		for (unsigned loss = 0; loss <= 100; loss += loss == 0 ? 10 : 90) {
			struct result result =
				measure(&originals, "repeating", delays_ms[d], loss, 50);
			unsigned long lost = 50 * 2 * originals.count - result.copies;

			assert_true(result.missing <= lost / 4);
			assert_true(result.extra <= lost / 4);
		}
	}
	free_originals(&originals);
}

static int start(void **state)
{
	char *arguments[] = {"test_dedup_truth", "--no-huge", "-m", "256", "--no-pci",
		"--no-shconf", "--no-telemetry", "--log-level=error", "--lcores=0"};

	(void)state;
	return rte_eal_init(RTE_DIM(arguments), arguments) < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captures_come_out_once),
		cmocka_unit_test(repetitions_come_out_as_often),
	};

	return cmocka_run_group_tests(tests, start, end);
}
