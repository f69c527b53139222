/* SPDX-License-Identifier: BSD-3-Clause */
/* Generator of mirror traffic, and receiver that says what became of it. */
#include <inttypes.h>
#include <stdlib.h>

#include "gen_options.h"
#include "gen_receive.h"
#include "gen_send.h"
#include "stop.h"

static bool send_traffic(const struct gen_options *options)
{
	char error[GEN_ERROR_SIZE];
	struct gen_traffic *traffic = gen_traffic_create(&options->spec, error);
	const struct gen_counts *counts;
	struct gen_result result = {0};
	bool fine;

	if (traffic == NULL) {
		gen_complain("%s", error);
		return false;
	}
	if (gen_traffic_skipped(traffic) != 0)
		gen_complain("%s: %" PRIu32 " frames are left out: not %d to %d bytes long",
			options->spec.capture, gen_traffic_skipped(traffic), GEN_MIN_INNER,
			GEN_MAX_INNER);
	counts = gen_traffic_counts(traffic);
	fine = options->file != NULL ? gen_send_file(options, traffic, &result)
				     : gen_send_port(options, traffic, &result);
	if (counts->unmarked != 0 && options->spec.capture == NULL)
		gen_complain("%" PRIu64 " of %" PRIu64 " frames are too small for a mark, and are "
			     "not counted by --receive; take a --size of 114 or more",
			counts->unmarked, counts->frames);
	if (fine)
		fine = gen_report_sent(options, counts, &result);
	gen_traffic_free(traffic);
	return fine;
}

int main(int argc, char **argv)
{
	struct gen_options options;
	int status = gen_options_parse(argc, argv, &options);
	bool fine;

	if (status < 0) {
		stop_on_signals();
		fine = options.receive ? gen_receive(&options) : send_traffic(&options);
		status = fine ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	gen_options_free(&options);
	return status;
}
