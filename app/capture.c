/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "control/client_stream.h"
#include "output/pcapng_blocks.h"
#include "output/vni_table.h"
#include "policy/bpf.h"
#include "stop.h"

enum {
	BUFFER_BYTES = 1 << 20,
	MAX_BLOCK = 320 << 10,
	MAX_FILTER = 4096,
	WAIT_MS = 200,
	FILE_MODE = 0640, /* mirrored traffic is not for everyone */
};

struct capture {
	const struct capture_options *options;
	int daemon;    /* its stream */
	int output;    /* -1: not open yet */
	bool ending;   /* the daemon was asked to end it */
	bool unwanted; /* who read the output is gone */
	bool complete; /* the last block was statistics */
	uint64_t frames;
	uint64_t lost[MT_VNI_NUMBERS]; /* by interface, as last told */
	size_t used;
	uint8_t buffer[BUFFER_BYTES];
};

/* --- asking ----------------------------------------------------------------------------------- */

/* What the daemon shall do, as a path with a query. To be freed; NULL: no memory. */
static char *make_path(const struct capture_options *options)
{
	const struct {
		const char *name;
		const char *value;
	} parameters[] = {
		{"filter", options->filter},
		{"session", options->session},
		{"vni", options->vni},
		{"count", options->count},
		{"snap", options->snap},
	};
	char separator = '?';
	char *path = NULL;
	size_t length;
	FILE *stream = open_memstream(&path, &length);

	if (stream == NULL)
		return NULL;
	fputs("/api/v1/capture", stream);
	for (size_t p = 0; p < sizeof(parameters) / sizeof(parameters[0]); p++) {
		const char *value = parameters[p].value;

		if (value == NULL)
			continue;
		fprintf(stream, "%c%s=", separator, parameters[p].name);
		for (; *value != '\0'; value++)
			fprintf(stream, "%%%02x", (unsigned char)*value); /* all are escaped */
		separator = '&';
	}
	return fclose(stream) == 0 ? path : NULL;
}

static bool check_filter(const struct capture_options *options)
{
	char error[512];

	if (options->filter == NULL)
		return true;
	if (strlen(options->filter) > MAX_FILTER) {
		capture_complain("filter: longer than %d characters", MAX_FILTER);
		return false;
	}
	if (mt_bpf_check(options->filter, error, sizeof(error)))
		return true;
	capture_complain("filter \"%s\": %s", options->filter, error);
	return false;
}

static bool open_stream(struct capture *capture, const char *socket_path)
{
	char *path = make_path(capture->options);
	char error[1024] = "out of memory";

	capture->daemon = path == NULL
		? -1
		: mt_client_open_stream(socket_path, path, "pcapng", error, sizeof(error));
	free(path);
	if (capture->daemon < 0)
		capture_complain("%s", error);
	return capture->daemon >= 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void ask_to_end(struct capture *capture)
{
	if (capture->ending)
		return;
	capture->ending = true;
	shutdown(capture->daemon, SHUT_WR);
	/* A second signal is for who does not want to wait for what is left. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

static const char *output_name(const struct capture *capture)
{
	return strcmp(capture->options->output, "-") == 0 ? "standard output"
							  : capture->options->output;
}

/* When the first bytes are there, so that a request that is refused leaves no file. */
static bool open_output(struct capture *capture)
{
	const char *path = capture->options->output;

	if (strcmp(path, "-") == 0)
		capture->output = STDOUT_FILENO;
	else
		capture->output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	if (capture->output < 0) {
		capture_complain("%s: %s", path, strerror(errno));
		return false;
	}
	if (!capture->options->quiet)
		capture_complain("capturing to %s", output_name(capture));
	return true;
}

static bool write_all(struct capture *capture, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(capture->output, bytes, count);

		if (stop_wanted())
			ask_to_end(capture);
		if (written >= 0) {
			bytes += written;
			count -= (size_t)written;
		} else if (errno == EPIPE) {
			capture->unwanted = true;
			return false;
		} else if (errno != EINTR) {
			capture_complain("%s: could not be written: %s", output_name(capture),
				strerror(errno));
			return false;
		}
	}
	return true;
}

/* Counts what a block says. */
static void look_at(struct capture *capture, const uint8_t *block, uint32_t length)
{
	struct mt_pcapng_statistics statistics;

	capture->complete = mt_pcapng_read_statistics(block, length, &statistics);
	if (mt_pcapng_look(block, &length) == MT_PCAPNG_PACKET)
		capture->frames++;
	else if (capture->complete && statistics.interface < MT_VNI_NUMBERS)
		capture->lost[statistics.interface] = statistics.dropped;
}

/* Writes the blocks that are there as a whole: what is written can be read at any time. */
static bool write_blocks(struct capture *capture)
{
	size_t at = 0;
	uint32_t length;

	while (capture->used - at >= 8) {
		if (mt_pcapng_look(capture->buffer + at, &length) == MT_PCAPNG_BROKEN
			|| length > MAX_BLOCK) {
			capture_complain("what the daemon sends is no pcapng; is it another "
					 "version?");
			return false;
		}
		if (length > capture->used - at)
			break;
		look_at(capture, capture->buffer + at, length);
		at += length;
	}
	if (!write_all(capture, capture->buffer, at))
		return false;
	capture->used -= at;
	memmove(capture->buffer, capture->buffer + at, capture->used);
	return true;
}

/* --- the stream ------------------------------------------------------------------------------- */

/* Returns true when the daemon has something to say. */
static bool wait_for_daemon(struct capture *capture)
{
	struct pollfd wait[] = {
		{.fd = capture->daemon, .events = POLLIN},
		{.fd = capture->output}, /* for its errors: a pipe that nobody reads any more */
	};

	/* Not for ever: a signal may have come just before. */
	if (poll(wait, capture->output < 0 ? 1 : 2, WAIT_MS) <= 0)
		return false;
	if (capture->output >= 0 && (wait[1].revents & POLLERR) != 0)
		capture->unwanted = true;
	return wait[0].revents != 0 && !capture->unwanted;
}

/* Is that the end that was asked for, or did the daemon go away? */
static bool judge_end(const struct capture *capture)
{
	const struct capture_options *options = capture->options;
	bool enough =
		options->count != NULL && capture->frames >= strtoul(options->count, NULL, 10);

	if (capture->used > 0 || (capture->frames > 0 && !capture->complete)) {
		capture_complain("the daemon went away before the capture was complete");
		return false;
	}
	if (!enough && !capture->ending && !options->quiet)
		capture_complain("the daemon ended it");
	return true;
}

static bool run(struct capture *capture)
{
	for (;;) {
		ssize_t count;

		if (stop_wanted())
			ask_to_end(capture);
		if (!wait_for_daemon(capture)) {
			if (capture->unwanted)
				return true;
			continue;
		}
		count = recv(capture->daemon, capture->buffer + capture->used,
			sizeof(capture->buffer) - capture->used, MSG_DONTWAIT);
		if (count < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (count <= 0)
			return judge_end(capture);
		capture->used += (size_t)count;
		if (capture->output < 0 && !open_output(capture))
			return false;
		if (!write_blocks(capture))
			return capture->unwanted;
	}
}

static bool close_output(const struct capture *capture)
{
	if (capture->output < 0 || capture->output == STDOUT_FILENO)
		return true;
	if (close(capture->output) == 0)
		return true;
	capture_complain("%s: could not be written: %s", output_name(capture), strerror(errno));
	return false;
}

static void tell(const struct capture *capture)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < MT_VNI_NUMBERS; i++)
		lost += capture->lost[i];
	if (capture->options->quiet || capture->output < 0)
		return;
	capture_complain("%" PRIu64 " frames%s, %" PRIu64 " lost%s", capture->frames,
		capture->unwanted ? " (the reader has ended)" : "", lost,
		lost > 0 ? ": what was captured is not taken fast enough" : "");
}

int cmd_capture(const struct command_context *context, int argc, char **argv)
{
	struct capture_options options;
	struct capture *capture;
	int status = capture_parse(argc, argv, &options);
	bool fine;

	if (status >= 0)
		return status;
	if (!check_filter(&options))
		return EXIT_FAILURE;
	if (options.check)
		return EXIT_SUCCESS;
	capture = calloc(1, sizeof(*capture)); /* large for a stack */
	if (capture == NULL) {
		capture_complain("out of memory");
		return EXIT_FAILURE;
	}
	capture->options = &options;
	capture->output = -1;
	signal(SIGPIPE, SIG_IGN);
	stop_on_signals();
	fine = open_stream(capture, context->socket_path);
	if (fine) {
		fine = run(capture);
		close(capture->daemon);
		fine = close_output(capture) && fine;
		tell(capture);
	}
	free(capture);
	return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
