/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_send.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include <rte_common.h>

#include "output/monotonic.h"

static const uint64_t NS_PER_SECOND = 1000000000;

uint64_t gen_realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

void gen_progress_start(struct gen_progress *progress, const char *what, bool quiet)
{
	*progress = (struct gen_progress){.what = what, .quiet = quiet};
	progress->start_ns = progress->last_ns = mt_monotonic_ns();
}

void gen_progress_show(struct gen_progress *progress, uint64_t now_ns, uint64_t frames,
	uint64_t bytes, const char *more)
{
	double seconds = (double)(now_ns - progress->last_ns) / 1e9;

	if (progress->quiet || seconds < 1)
		return;
	fprintf(stderr, "mirrorgen: %.0f s: %" PRIu64 " frames %s, %.3f Mpps, %.3f Gbps%s\n",
		(double)(now_ns - progress->start_ns) / 1e9, frames, progress->what,
		(double)(frames - progress->frames) / seconds / 1e6,
		(double)(bytes - progress->bytes) * 8 / seconds / 1e9, more);
	progress->last_ns = now_ns;
	progress->frames = frames;
	progress->bytes = bytes;
}

static void put(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

static json_t *verdicts_of(const struct gen_counts *counts)
{
	json_t *verdicts = json_object();

	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++) {
		if (counts->verdicts[v] != 0)
			put(verdicts, mt_verdict_name(v), counts->verdicts[v]);
	}
	return verdicts;
}

static json_t *sent_json(const struct gen_options *options, const struct gen_counts *counts,
	const struct gen_result *result)
{
	static const char *const tunnels[GEN_TUNNELS] = {"vxlan", "geneve", "geneve+vxlan"};
	json_t *object = json_object();
	json_t *by_tunnel = json_object();
	double seconds = result->seconds > 0 ? result->seconds : 1e-9;

	put(object, "frames", counts->frames);
	put(object, "bytes", counts->bytes);
	put(object, "marked", counts->marked);
	put(object, "unmarked", counts->unmarked);
	put(object, "copies", counts->copies);
	put(object, "fragments", counts->fragments);
	put(object, "ipv6", counts->ipv6);
	put(object, "truncated", counts->truncated);
	for (unsigned t = 0; t < GEN_TUNNELS; t++) {
		if (counts->tunnels[t] != 0)
			put(by_tunnel, tunnels[t], counts->tunnels[t]);
	}
	json_object_set_new(object, "tunnels", by_tunnel);
	json_object_set_new(object, "verdicts", verdicts_of(counts));
	put(object, "run", (uint32_t)options->spec.seed);
	json_object_set_new(object, "seconds", json_real(result->seconds));
	json_object_set_new(object, "pps", json_real((double)counts->frames / seconds));
	json_object_set_new(
		object, "bits_per_second", json_real((double)counts->bytes * 8 / seconds));
	if (options->device != NULL) {
		put(object, "not_sent", result->not_sent);
		put(object, "waits", result->waits);
		json_object_set_new(object, "behind_seconds", json_real(result->behind));
	}
	return object;
}

static void print_sent(
	FILE *stream, const struct gen_counts *counts, const struct gen_result *result)
{
	double seconds = result->seconds > 0 ? result->seconds : 1e-9;

	fprintf(stream, "%" PRIu64 " frames, %" PRIu64 " bytes in %.3f s: %.3f Mpps, %.3f Gbps\n",
		counts->frames, counts->bytes, result->seconds,
		(double)counts->frames / seconds / 1e6, (double)counts->bytes * 8 / seconds / 1e9);
	fprintf(stream, "%" PRIu64 " marked, %" PRIu64 " without a mark, %" PRIu64 " copies\n",
		counts->marked, counts->unmarked, counts->copies);
	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++) {
		if (counts->verdicts[v] != 0)
			fprintf(stream, "%14" PRIu64 " %s\n", counts->verdicts[v],
				mt_verdict_name(v));
	}
	if (result->not_sent != 0)
		fprintf(stream,
			"%" PRIu64 " more were made, but not taken by the port before the end\n",
			result->not_sent);
	if (result->behind > 0)
		fprintf(stream, "the rate was missed: %.3f s behind\n", result->behind);
}

bool gen_report_sent(const struct gen_options *options, const struct gen_counts *counts,
	const struct gen_result *result)
{
	bool to_stdout = options->file == NULL || strcmp(options->file, "-") != 0;
	FILE *stream = to_stdout ? stdout : stderr;
	json_t *object;

	if (options->json) {
		object = sent_json(options, counts, result);
		json_dumpf(object, stream, JSON_REAL_PRECISION(9));
		fputc('\n', stream);
		json_decref(object);
	} else {
		print_sent(stream, counts, result);
	}
	if (fflush(stream) == 0 && !ferror(stream))
		return true;
	gen_complain("the result could not be written: %s", strerror(errno));
	return false;
}
