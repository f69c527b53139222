/* SPDX-License-Identifier: BSD-3-Clause */
#include "decap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include <rte_mbuf_core.h>

#include "decap_options.h"
#include "offline.h"
#include "output/pcapng.h"
#include "output/vni_table.h"
#include "packet/decapsulate.h"

struct run {
	const struct decap_options *options;
	struct offline_reader *capture;
	FILE *output;
	FILE *verdicts;
	struct mt_pcapng pcapng;
	struct mt_vni_table vnis; /* a VNI's number is its interface's id */
	uint64_t frames;
	uint64_t truncated;
	uint64_t counts[MT_VERDICT_COUNT];
};

/* --- files --- */

/* Would opening `path` for writing destroy the capture that is being read? */
static bool is_input(const struct run *run, const char *path)
{
	struct stat input;
	struct stat output;

	return fstat(fileno(offline_reader_file(run->capture)), &input) == 0
		&& S_ISREG(input.st_mode) && stat(path, &output) == 0
		&& input.st_dev == output.st_dev && input.st_ino == output.st_ino;
}

static bool open_to_write(const struct run *run, const char *path, FILE **file)
{
	*file = NULL;
	if (path == NULL)
		return true;
	if (strcmp(path, "-") == 0) {
		*file = stdout;
		return true;
	}
	if (is_input(run, path)) {
		decap_complain("%s: is the input itself; choose another file to write to", path);
		return false;
	}
	*file = fopen(path, "we");
	if (*file == NULL)
		decap_complain("%s: %s", path, strerror(errno));
	return *file != NULL;
}

/* Full disks show up here at the latest. */
static bool close_written(const char *path, FILE *file)
{
	bool fine;
	int error;

	if (file == NULL)
		return true;
	errno = 0;
	fine = ferror(file) == 0 && fflush(file) == 0;
	error = errno;
	if (file != stdout && fclose(file) != 0 && fine) {
		fine = false;
		error = errno;
	}
	if (!fine)
		decap_complain("%s: could not be written: %s",
			offline_named(path, "standard output"),
			error != 0 ? strerror(error) : "write error");
	return fine;
}

/* --- frames --- */

/* The interface of a VNI, described in the file when the VNI is first seen; or -errno. */
static int interface_of(struct run *run, uint32_t vni)
{
	uint32_t number = mt_vni_number(&run->vnis, vni);
	char name[32] = "other";

	if (number < run->pcapng.interfaces)
		return (int)number;
	if (number != MT_VNI_OTHER)
		snprintf(name, sizeof(name), "vni %" PRIu32, vni);
	return mt_pcapng_add_interface(&run->pcapng, name);
}

static int write_frame(struct run *run, const struct pcap_pkthdr *record, const uint8_t *bytes,
	const struct mt_facts *facts)
{
	uint8_t header[MT_ETHERNET_LENGTH];
	struct iovec parts[2] = {{.iov_base = header}};
	struct mt_pcapng_packet packet = {
		.time_ns = (uint64_t)record->ts.tv_sec * 1000000000u + (uint64_t)record->ts.tv_usec,
		.original_length = facts->original_length,
		.flags = facts->flags,
	};
	int interface = interface_of(run, facts->vni);

	if (interface < 0)
		return interface;
	packet.interface = (uint32_t)interface;
	if (facts->made_up_ethertype != 0) {
		mt_packet_make_up_ethernet(header, facts->made_up_ethertype);
		parts[0].iov_len = sizeof(header);
	}
	parts[1].iov_base = (void *)(uintptr_t)(bytes + facts->strip);
	parts[1].iov_len = facts->inner_length - parts[0].iov_len;
	return mt_pcapng_write(&run->pcapng, &packet, parts, 2);
}

static int write_verdict(const struct run *run, const struct mt_facts *facts)
{
	int written;

	if (facts->verdict == MT_VERDICT_ACCEPTED)
		written = fprintf(run->verdicts,
			"%" PRIu64 "\t%s\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%s\t%" PRIu32 "\n",
			run->frames, mt_verdict_name(facts->verdict), facts->vni,
			facts->inner_length, facts->original_length, mt_tunnel_name(facts->tunnel),
			facts->flow_hash);
	else
		written = fprintf(run->verdicts, "%" PRIu64 "\t%s\t-\t-\t-\t-\t-\n", run->frames,
			mt_verdict_name(facts->verdict));
	return written < 0 ? -errno : 0;
}

/* False after a failure to write. */
static bool take(void *context, const struct pcap_pkthdr *record, const uint8_t *bytes)
{
	struct run *run = context;
	struct rte_mbuf segments[OFFLINE_SEGMENTS];
	struct mt_facts facts;
	int error = 0;

	offline_segments(segments, bytes, record->caplen);
	mt_packet_decapsulate(segments, &run->options->tunnels, &facts);
	run->frames++;
	run->counts[facts.verdict]++;
	if (facts.verdict == MT_VERDICT_ACCEPTED) {
		offline_apply_record_length(record, &facts);
		run->truncated += (facts.flags & MT_FLAG_TRUNCATED) != 0;
		if (run->output != NULL)
			error = write_frame(run, record, bytes, &facts);
		if (error != 0) {
			decap_complain("%s: could not be written: %s",
				offline_named(run->options->output, "standard output"),
				strerror(-error));
			return false;
		}
	}
	if (run->verdicts != NULL)
		error = write_verdict(run, &facts);
	if (error != 0)
		decap_complain("%s: could not be written: %s",
			offline_named(run->options->verdicts, "standard output"), strerror(-error));
	return error == 0;
}

/* All records to the end of the file. False if it does not end well. */
static bool take_all(struct run *run)
{
	if (run->verdicts != NULL)
		fputs("frame\tverdict\tvni\tinner_length\toriginal_length\ttunnel\tflow_hash\n",
			run->verdicts);
	if (run->output != NULL) {
		int error = mt_pcapng_begin(&run->pcapng, run->output);

		if (error != 0) {
			decap_complain("%s: could not be written: %s",
				offline_named(run->options->output, "standard output"),
				strerror(-error));
			return false;
		}
	}
	return offline_take_all(run->capture, run->options->input, take, run, decap_complain);
}

/* --- summary --- */

static uint64_t count_drops(const struct run *run)
{
	uint64_t drops = 0;

	for (unsigned i = 0; i < MT_VERDICT_COUNT; i++) {
		if (mt_verdict_is_drop((enum mt_verdict)i))
			drops += run->counts[i];
	}
	return drops;
}

static void print_summary_json(const struct run *run, FILE *to)
{
	const char *separator = "";

	fprintf(to,
		"{\"received\": %" PRIu64 ", \"host\": %" PRIu64 ", \"accepted\": %" PRIu64
		", \"truncated\": %" PRIu64 ", \"drops\": {",
		run->frames, run->counts[MT_VERDICT_HOST], run->counts[MT_VERDICT_ACCEPTED],
		run->truncated);
	for (unsigned i = 0; i < MT_VERDICT_COUNT; i++) {
		if (!mt_verdict_is_drop((enum mt_verdict)i) || run->counts[i] == 0)
			continue;
		fprintf(to, "%s\"%s\": %" PRIu64, separator, mt_verdict_name((enum mt_verdict)i),
			run->counts[i]);
		separator = ", ";
	}
	fputs("}}\n", to);
}

static void print_summary(const struct run *run, FILE *to)
{
	if (run->options->json) {
		print_summary_json(run, to);
		return;
	}
	fprintf(to, "%-28s %12" PRIu64 "\n", "frames read", run->frames);
	fprintf(to, "%-28s %12" PRIu64 "\n", "accepted", run->counts[MT_VERDICT_ACCEPTED]);
	if (run->truncated != 0)
		fprintf(to, "  %-26s %12" PRIu64 "\n", "of them truncated", run->truncated);
	fprintf(to, "%-28s %12" PRIu64 "\n", "host", run->counts[MT_VERDICT_HOST]);
	fprintf(to, "%-28s %12" PRIu64 "\n", "dropped", count_drops(run));
	for (unsigned i = 0; i < MT_VERDICT_COUNT; i++) {
		if (mt_verdict_is_drop((enum mt_verdict)i) && run->counts[i] != 0)
			fprintf(to, "  %-26s %12" PRIu64 "\n", mt_verdict_name((enum mt_verdict)i),
				run->counts[i]);
	}
}

/* Standard output may be one of the files to write: the summary keeps out of its way. */
static bool report(const struct run *run)
{
	if (run->verdicts != NULL || run->output != NULL) {
		print_summary(run, stderr);
		return true;
	}
	print_summary(run, stdout);
	return close_written("-", stdout);
}

int decap_main(int argc, char **argv)
{
	struct decap_options options = {0};
	struct run run = {.options = &options};
	bool fine = false;
	int status = decap_parse(argc, argv, &options);

	if (status >= 0)
		return status;
	run.capture = offline_open(options.input, decap_complain);
	if (run.capture == NULL)
		goto close_capture;
	if (!open_to_write(&run, options.output, &run.output))
		goto close_capture;
	if (!open_to_write(&run, options.verdicts, &run.verdicts))
		goto close_output;
	fine = take_all(&run);
	fine = close_written(options.verdicts, run.verdicts) && fine;
	fine = report(&run) && fine;
close_output:
	fine = close_written(options.output, run.output) && fine;
close_capture:
	offline_reader_close(run.capture);
	return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
