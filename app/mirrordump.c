/* SPDX-License-Identifier: BSD-3-Clause */
/* Sample reader of a ring output: prints its frames, or writes them to a capture file. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/config.h"
#include "dump.h"
#include "output/monotonic.h"
#include "stop.h"
#include "version.h"

enum {
	EXIT_USAGE = 2,
	BURST = 64,
	WAIT_MS = 100,
	LOOK_ROUNDS = 64, /* of reading, between looks at the clock */
	MAX_QUEUE = 63,
};

struct options {
	const char *output;
	int queue;        /* -1: all */
	const char *file; /* NULL: text */
	uint64_t count;   /* 0: without end */
	const char *socket_path;
	const char *file_prefix; /* NULL: ask the daemon */
	double stats;            /* seconds; 0: none */
	bool verbose;
};

struct run {
	const struct options *options;
	struct mirrortap_consumer *consumer;
	struct dump_pcap pcap;
	uint64_t frames;
	uint64_t bytes;
	/* What the last statistics said. */
	uint64_t told_frames;
	double told_seconds;
	bool alive;      /* the daemon is */
	int write_error; /* errno */
};

static const char usage[] =
	"usage: mirrordump -o NAME [-q N] [-w FILE] [-c COUNT] [--stats SECONDS]\n"
	"                  [--socket PATH] [--file-prefix P] [-v]\n"
	"Reads frames from a ring output of mirrortapd and prints a line for each.\n"
	"A queue has one reader: several readers share the queues of an output.\n"
	"  -o, --output NAME    the ring output\n"
	"  -q, --queue N        only this queue; default all\n"
	"  -w, --write FILE     write a pcap file (nanoseconds) instead; - is standard output\n"
	"  -c, --count COUNT    end after so many frames\n"
	"      --stats SECONDS  print counts to standard error so often\n"
	"      --socket PATH    the daemon's control socket; default " MT_DEFAULT_SOCKET "\n"
	"      --file-prefix P  DPDK's file prefix of the daemon; default: as it says itself\n"
	"  -v, --verbose        say which queues are read, and name sessions\n"
	"  -h, --help           this text\n"
	"  -V, --version        the version\n"
	"A line: time, queue, VNI, source, length here/original, direction, flags, frame.\n"
	"Exit: 0, 1 for failure, 2 for usage.\n";

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("mirrordump: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* --- arguments --- */

static bool parse_number(
	const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number >= min
		&& *number <= max)
		return true;
	complain("%s %s: a number from %" PRIu64 " to %" PRIu64 " is allowed", option, text, min,
		max);
	return false;
}

static bool parse_stats(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	if (end != text && *end == '\0' && *seconds >= 0.1 && *seconds <= 86400)
		return true;
	complain("--stats %s: seconds from 0.1 to 86400 are allowed", text);
	return false;
}

static bool check(int argc, char **argv, const struct options *options)
{
	if (optind < argc) {
		complain("takes no argument, but there is: %s", argv[optind]);
		return false;
	}
	if (options->output == NULL) {
		complain("-o NAME is missing");
		return false;
	}
	return true;
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct options *options)
{
	enum { SOCKET_PATH = 256, FILE_PREFIX, STATS };
	static const struct option known[] = {
		{"output", required_argument, NULL, 'o'},
		{"queue", required_argument, NULL, 'q'},
		{"write", required_argument, NULL, 'w'},
		{"count", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, SOCKET_PATH},
		{"file-prefix", required_argument, NULL, FILE_PREFIX},
		{"stats", required_argument, NULL, STATS},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	uint64_t number;
	bool fine = true;
	int option;

	while (fine && (option = getopt_long(argc, argv, "o:q:w:c:vhV", known, NULL)) != -1) {
		switch (option) {
		case 'o':
			options->output = optarg;
			break;
		case 'q':
			fine = parse_number("-q", optarg, 0, MAX_QUEUE, &number);
			options->queue = (int)number;
			break;
		case 'w':
			options->file = optarg;
			break;
		case 'c':
			fine = parse_number("-c", optarg, 1, UINT64_MAX, &options->count);
			break;
		case SOCKET_PATH:
			options->socket_path = optarg;
			break;
		case FILE_PREFIX:
			options->file_prefix = optarg;
			break;
		case STATS:
			fine = parse_stats(optarg, &options->stats);
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("mirrordump " MT_VERSION);
			return EXIT_SUCCESS;
		default:
			fine = false; /* getopt has said why */
		}
	}
	if (fine && check(argc, argv, options))
		return -1;
	fputs("Try: mirrordump --help\n", stderr);
	return EXIT_USAGE;
}

/* --- reading --- */

/* With -v only: NULL is not shown. */
static const char *session_name(const struct run *run, uint32_t vni)
{
	const char *name;

	if (!run->options->verbose)
		return NULL;
	name = mirrortap_session_name(run->consumer, vni);
	return name != NULL && name[0] != '\0' ? name : "-";
}

static bool write_frame(struct run *run, const struct mirrortap_frame *frame)
{
	bool fine;

	errno = 0;
	if (run->options->file != NULL) {
		fine = dump_pcap_write(&run->pcap, frame);
	} else {
		dump_print_frame(stdout, frame, session_name(run, frame->vni));
		fine = !ferror(stdout);
	}
	if (!fine)
		run->write_error = errno != 0 ? errno : EIO;
	return fine;
}

/* What was read is to be seen at once, but not written one by one. */
static bool flush(struct run *run)
{
	errno = 0;
	if (run->options->file != NULL ? dump_pcap_flush(&run->pcap) : fflush(stdout) == 0)
		return true;
	run->write_error = errno != 0 ? errno : EIO;
	return false;
}

static bool wanted(const struct run *run)
{
	return !stop_wanted() && run->write_error == 0 && run->alive
		&& (run->options->count == 0 || run->frames < run->options->count);
}

/* A burst of one queue. Returns how many frames there were. */
static unsigned read_queue(struct run *run, struct mirrortap_queue *queue)
{
	struct mirrortap_frame frames[BURST];
	unsigned limit = BURST;
	int count;

	if (run->options->count != 0 && run->options->count - run->frames < limit)
		limit = (unsigned)(run->options->count - run->frames);
	count = mirrortap_receive(queue, frames, limit);
	if (count < 0) {
		run->alive = false;
		return 0;
	}
	for (int i = 0; i < count && write_frame(run, &frames[i]); i++) {
		run->frames++;
		run->bytes += frames[i].length;
	}
	mirrortap_release(queue, (unsigned)count);
	return (unsigned)count;
}

static void tell_stats(struct run *run)
{
	double now = mt_monotonic_seconds();
	double seconds = now - run->told_seconds;

	if (seconds < run->options->stats)
		return;
	fprintf(stderr, "mirrordump: %" PRIu64 " frames, %" PRIu64 " bytes; %.0f frames/s\n",
		run->frames, run->bytes, (double)(run->frames - run->told_frames) / seconds);
	run->told_frames = run->frames;
	run->told_seconds = now;
}

static void read_frames(struct run *run)
{
	unsigned queues = mirrortap_queues(run->consumer);
	unsigned rounds = 0;

	run->told_seconds = mt_monotonic_seconds();
	while (wanted(run)) {
		unsigned sum = 0;

		for (unsigned q = 0; q < queues && wanted(run); q++)
			sum += read_queue(run, mirrortap_queue(run->consumer, q));
		if (sum == 0) {
			if (!flush(run))
				return;
			mirrortap_wait_any(run->consumer, WAIT_MS);
		}
		if (run->options->stats > 0 && (sum == 0 || ++rounds % LOOK_ROUNDS == 0))
			tell_stats(run);
	}
}

static bool tell_end(struct run *run)
{
	const char *name = run->options->file != NULL ? run->pcap.name : "standard output";
	bool written = run->write_error == 0 && flush(run);

	fprintf(stderr, "mirrordump: %" PRIu64 " frames, %" PRIu64 " bytes\n", run->frames,
		run->bytes);
	if (!written)
		complain("%s: could not be written: %s", name, strerror(run->write_error));
	if (!run->alive)
		complain("mirrortapd has ended; start mirrordump again when it is back");
	return written && run->alive;
}

static bool dump(struct run *run, const struct dump_daemon *daemon)
{
	const struct options *options = run->options;
	struct mirrortap_options attach = {
		.output = options->output,
		.file_prefix = daemon->file_prefix,
		.queue = options->queue < 0 ? MIRRORTAP_ALL_QUEUES : options->queue,
	};
	char error[512];
	bool fine;

	if (mirrortap_attach(&attach, &run->consumer, error, sizeof(error)) < 0) {
		complain("%s", error);
		return false;
	}
	for (unsigned q = 0; options->verbose && q < mirrortap_queues(run->consumer); q++)
		fprintf(stderr, "mirrordump: reading queue %u of %s\n",
			mirrortap_queue_number(mirrortap_queue(run->consumer, q)), options->output);
	read_frames(run);
	fine = tell_end(run);
	mirrortap_detach(run->consumer);
	return fine;
}

int main(int argc, char **argv)
{
	struct options options = {.queue = -1, .socket_path = MT_DEFAULT_SOCKET};
	struct run run = {.options = &options, .alive = true};
	struct dump_daemon daemon;
	char error[512];
	int status = parse(argc, argv, &options);
	bool fine;

	if (status >= 0)
		return status;
	stop_on_signals();
	signal(SIGPIPE, SIG_IGN); /* a broken pipe is an error to tell */
	if (!dump_daemon_ask(&daemon, options.socket_path, options.output, options.file_prefix,
		    error, sizeof(error))
		|| (options.file != NULL
			&& !dump_pcap_open(&run.pcap, options.file, error, sizeof(error)))) {
		complain("%s", error);
		return EXIT_FAILURE;
	}
	fine = dump(&run, &daemon);
	if (options.file != NULL && !dump_pcap_close(&run.pcap) && fine) {
		complain("%s: could not be written: %s", options.file, strerror(errno));
		fine = false;
	}
	return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
