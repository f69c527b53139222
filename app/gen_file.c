/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending into a capture file: without any port, and with times that the rate gives, so that the
 * same arguments make the same file. */
#include "gen_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include <rte_common.h>

#include "output/monotonic.h"
#include "stop.h"

enum {
	BURST = 32,
	SNAP_LENGTH = 262144,
};

static const double DEFAULT_PPS = 1e6;
static const uint64_t NS_PER_SECOND = 1000000000;
static const uint64_t START_NS = 1704067200u * 1000000000ull; /* 2024-01-01T00:00:00Z */

struct file {
	const struct gen_options *options;
	struct gen_traffic *traffic;
	struct gen_pace pace;
	pcap_dumper_t *dumper;
	uint8_t *bytes;
};

static bool write_frame(struct file *file, const struct gen_next *next)
{
	uint64_t time_ns = START_NS + (uint64_t)file->pace.due_ns;
	uint32_t length = gen_traffic_write(file->traffic, next, file->bytes, time_ns).length;
	struct pcap_pkthdr header = {
		.ts.tv_sec = (time_t)(time_ns / NS_PER_SECOND),
		.ts.tv_usec = (suseconds_t)(time_ns % NS_PER_SECOND), /* precision: ns */
		.caplen = length,
		.len = length,
	};

	pcap_dump((u_char *)file->dumper, &header, file->bytes);
	gen_pace_add(&file->pace, length);
	return !ferror(pcap_dump_file(file->dumper)); /* pcap_dump() does not say */
}

/* False after a failure to write; the reason is in errno. */
static bool write_all(struct file *file)
{
	const struct gen_limits *limits = &file->options->limits;
	const struct gen_counts *counts = gen_traffic_counts(file->traffic);
	double end_ns = limits->seconds > 0 ? limits->seconds * 1e9 : 0x1p62;
	uint64_t count = limits->count != 0 ? limits->count : UINT64_MAX;
	struct gen_progress progress;
	struct gen_next next[BURST];

	gen_progress_start(&progress, "written", file->options->quiet);
	errno = 0;
	while (!stop_wanted() && counts->frames < count && file->pace.due_ns < end_ns) {
		/* One by one near the end in time, which depends on the frames' lengths. */
		unsigned burst =
			limits->seconds > 0 ? 1 : RTE_MIN((uint64_t)BURST, count - counts->frames);

		gen_traffic_choose(file->traffic, next, burst);
		for (unsigned i = 0; i < burst; i++) {
			if (!write_frame(file, &next[i]))
				return false;
		}
		gen_progress_show(&progress, mt_monotonic_ns(), counts->frames, counts->bytes, "");
	}
	return pcap_dump_flush(file->dumper) == 0;
}

bool gen_send_file(
	const struct gen_options *options, struct gen_traffic *traffic, struct gen_result *result)
{
	const char *name = strcmp(options->file, "-") == 0 ? "standard output" : options->file;
	struct file file = {.options = options, .traffic = traffic};
	pcap_t *format;
	bool fine = false;

	file.pace = gen_pace_make(&options->limits);
	if (options->limits.pps <= 0 && options->limits.bits_per_second <= 0)
		file.pace.ns_per_frame = 1e9 / DEFAULT_PPS;
	file.bytes = malloc(gen_traffic_room(traffic));
	format = pcap_open_dead_with_tstamp_precision(
		DLT_EN10MB, SNAP_LENGTH, PCAP_TSTAMP_PRECISION_NANO);
	if (file.bytes == NULL || format == NULL) {
		gen_complain("out of memory");
		goto end;
	}
	file.dumper = pcap_dump_open(format, options->file);
	if (file.dumper == NULL) {
		gen_complain("%s", pcap_geterr(format)); /* names the file */
		goto end;
	}
	gen_traffic_fill(file.bytes, gen_traffic_room(traffic));
	fine = write_all(&file);
	if (!fine)
		gen_complain("%s: could not be written: %s", name, strerror(errno));
	pcap_dump_close(file.dumper);
	result->seconds = file.pace.due_ns / 1e9;
end:
	if (format != NULL)
		pcap_close(format);
	free(file.bytes);
	return fine;
}
