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

#include <rte_pause.h>

#include "control/config.h"
#include "control/monotonic.h"
#include "dump.h"
#include "stop.h"
#include "version.h"

enum {
	EXIT_USAGE = 2,
	BURST = 64,
	BUSY_POLLS = 2000, /* polls without a frame before it sleeps */
	MIN_SLEEP_NS = 1000,
	MAX_SLEEP_NS = 100000,
	WATCH_NS = 100000000, /* how often the daemon is looked for */
	MAX_FAREWELL = 50,    /* such times that a daemon which ends is waited for */
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

/* Between the main thread and the reader. */
struct run {
	const struct options *options;
	struct dump_rings rings;
	struct dump_pcap pcap;
	/* Writer: the reader. Reader: main. */
	_Atomic uint64_t frames;
	_Atomic uint64_t bytes;
	int write_error; /* errno; read when the reader has ended */
};

static const char usage[] =
	"usage: mirrordump -o NAME [-q N] [-w FILE] [-c COUNT] [--stats SECONDS]\n"
	"                  [--socket PATH] [--file-prefix P] [-v]\n"
	"Reads frames from a ring output of mirrortapd and prints a line for each.\n"
	"A frame is read once: several readers of a queue share its frames.\n"
	"  -o, --output NAME    the ring output\n"
	"  -q, --queue N        only this queue; default all\n"
	"  -w, --write FILE     write a pcap file (nanoseconds) instead; - is standard output\n"
	"  -c, --count COUNT    end after so many frames\n"
	"      --stats SECONDS  print counts to standard error so often\n"
	"      --socket PATH    the daemon's control socket; default " MT_DEFAULT_SOCKET "\n"
	"      --file-prefix P  DPDK's file prefix of the daemon; default: as it says itself\n"
	"  -v, --verbose        show DPDK's messages\n"
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
			fine = parse_number("-q", optarg, 0, DUMP_MAX_QUEUES - 1, &number);
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

/* --- the reader --- */

static bool write_frame(struct run *run, struct rte_mbuf *frame, unsigned queue)
{
	bool fine;

	errno = 0;
	if (run->options->file != NULL) {
		fine = dump_pcap_write(&run->pcap, frame);
	} else {
		dump_print_frame(stdout, frame, queue);
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

/* Up to `limit` frames of one ring. Returns how many there were. */
static unsigned read_ring(struct run *run, unsigned index, unsigned limit)
{
	struct rte_mbuf *frames[BURST];
	unsigned count = rte_ring_dequeue_burst(
		run->rings.ring[index], (void **)frames, RTE_MIN(limit, (unsigned)BURST), NULL);
	uint64_t bytes = 0;
	unsigned written = 0;

	for (unsigned i = 0; i < count; i++) {
		if (run->write_error != 0 || !write_frame(run, frames[i], run->rings.queue[index]))
			break;
		bytes += frames[i]->pkt_len;
		written++;
	}
	if (count != 0)
		rte_pktmbuf_free_bulk(frames, count);
	atomic_fetch_add_explicit(&run->frames, written, memory_order_relaxed);
	atomic_fetch_add_explicit(&run->bytes, bytes, memory_order_relaxed);
	return count;
}

/* One burst of each ring. Returns how many frames there were. */
static unsigned read_all(struct run *run)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < run->rings.count && run->write_error == 0; i++) {
		uint64_t limit = BURST;

		if (run->options->count != 0) {
			uint64_t left = run->options->count - run->frames;

			limit = RTE_MIN(limit, left);
		}
		/* Rings and frames stay mapped while the lock is held. */
		pthread_mutex_lock(&run->rings.lock);
		if (run->rings.gone) {
			pthread_mutex_unlock(&run->rings.lock);
			stop_now();
			break;
		}
		sum += read_ring(run, i, (unsigned)limit);
		pthread_mutex_unlock(&run->rings.lock);
	}
	return sum;
}

/* Busy at first, then ever longer up to 100 us: frames come in bursts. */
static void rest(unsigned idle)
{
	struct timespec pause = {.tv_nsec = MIN_SLEEP_NS};

	if (idle < BUSY_POLLS) {
		rte_pause();
		return;
	}
	pause.tv_nsec = RTE_MIN((long)(idle - BUSY_POLLS + 1) * MIN_SLEEP_NS, (long)MAX_SLEEP_NS);
	nanosleep(&pause, NULL);
}

/* Body of the reading thread. It is deliberately no EAL thread: rte_lcore_id() is LCORE_ID_ANY in
 * it, so that a frame which is freed passes by the mempool's caches, of which there is one an lcore
 * in shared memory, without a lock. Any number of mirrordumps may then run with one lcore id. */
static void *read_frames(void *opaque)
{
	struct run *run = opaque;
	unsigned idle = 0;

	while (!stop_wanted() && run->write_error == 0
		&& (run->options->count == 0 || run->frames < run->options->count)) {
		if (read_all(run) != 0) {
			idle = 0;
			continue;
		}
		if (idle == 0 && !flush(run))
			break;
		rest(idle);
		idle += idle < UINT32_MAX;
	}
	return NULL;
}

/* --- the main thread: looks after the daemon and the clock --- */

static bool reader_ended(pthread_t reader)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += WATCH_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return pthread_timedjoin_np(reader, NULL, &until) == 0;
}

static void print_stats(const struct run *run, uint64_t before, double seconds)
{
	uint64_t frames = run->frames;

	fprintf(stderr, "mirrordump: %" PRIu64 " frames, %" PRIu64 " bytes; %.0f frames/s\n",
		frames, run->bytes, (double)(frames - before) / seconds);
}

/* False if the daemon went away. */
static bool watch(struct run *run, const struct dump_daemon *daemon, pthread_t reader)
{
	double last = mt_monotonic_seconds();
	uint64_t before = 0;
	bool alive = true;

	while (!reader_ended(reader)) {
		double now = mt_monotonic_seconds();

		if (alive && !dump_daemon_alive(daemon)) {
			alive = false;
			stop_now();
		}
		if (run->options->stats > 0 && now - last >= run->options->stats) {
			print_stats(run, before, now - last);
			before = run->frames;
			last = now;
		}
	}
	/* The daemon frees its memory, and asks all who share it to do so too: EAL's thread
	 * answers, so stay until it is done. */
	for (unsigned i = 0; run->rings.gone && alive && i < MAX_FAREWELL; i++) {
		nanosleep(&(struct timespec){.tv_nsec = WATCH_NS}, NULL);
		alive = dump_daemon_alive(daemon);
	}
	return alive && !run->rings.gone;
}

static bool tell_end(struct run *run, bool alive)
{
	const char *name = run->options->file != NULL ? run->pcap.name : "standard output";
	bool written = run->write_error == 0 && flush(run);

	fprintf(stderr, "mirrordump: %" PRIu64 " frames, %" PRIu64 " bytes\n", run->frames,
		run->bytes);
	if (!written)
		complain("%s: could not be written: %s", name, strerror(run->write_error));
	if (!alive)
		complain("mirrortapd has ended; start mirrordump again when it is back");
	return written && alive;
}

static bool attach(struct run *run, struct dump_daemon *daemon)
{
	const struct options *options = run->options;
	char error[512];

	if (!dump_attach(daemon, options->socket_path, options->verbose, error, sizeof(error))) {
		complain("%s", error);
		return false;
	}
	if (!dump_rings_find(
		    &run->rings, options->output, options->queue, daemon, error, sizeof(error))) {
		complain("%s", error);
		dump_detach(&run->rings);
		return false;
	}
	return true;
}

static bool dump(struct run *run, struct dump_daemon *daemon)
{
	bool fine = false;
	pthread_t reader;

	if (!attach(run, daemon))
		return false;
	if (pthread_create(&reader, NULL, read_frames, run) == 0)
		fine = tell_end(run, watch(run, daemon, reader));
	else
		complain("no thread could be started");
	dump_detach(&run->rings);
	return fine;
}

int main(int argc, char **argv)
{
	struct options options = {.queue = -1, .socket_path = MT_DEFAULT_SOCKET};
	struct run run = {.options = &options, .rings.lock = PTHREAD_MUTEX_INITIALIZER};
	struct dump_daemon daemon;
	char error[512];
	int status = parse(argc, argv, &options);
	bool fine;

	if (status >= 0)
		return status;
	stop_on_signals();
	signal(SIGPIPE, SIG_IGN); /* every frame is to be freed, so a broken pipe is an error */
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
