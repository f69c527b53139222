/* SPDX-License-Identifier: BSD-3-Clause */
/* A consumer for tests and measurements, on the public library only: counts frames, and misbehaves
 * on demand.
 *
 *     consume -o OUTPUT [-p PREFIX] [-q QUEUE] [-c COUNT] [-s SECONDS] [-w busy|nap|fd]
 *             [-H HOLD] [-k] [-a TIMES] [-d]
 *
 * -H: holds so many frames back before it releases any. -k: kills itself with SIGKILL when it holds
 * frames, in the middle of a burst. -a: attaches and goes so often. -d: touches each frame's bytes.
 * Prints "attached", and at the end one line of JSON. Exit: 0, 1 for failure, 3 if refused. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mirrortap_consumer.h"

enum { BURST = 64, REFUSED = 3 };

struct settings {
	struct mirrortap_options attach;
	uint64_t count;
	double seconds;
	const char *wait;
	unsigned hold;
	bool kill;
	bool touch;
	unsigned times;
};

struct sums {
	uint64_t frames;
	uint64_t bytes;
	uint64_t touched;
	uint64_t backwards; /* frames of a queue that are older than the one before */
	uint64_t last_ns[64];
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void add(const struct settings *settings, struct sums *sums,
	const struct mirrortap_frame *frames, int count)
{
	for (int i = 0; i < count; i++) {
		uint64_t *last = &sums->last_ns[frames[i].queue % 64];

		sums->bytes += frames[i].length;
		sums->backwards += frames[i].time_ns < *last;
		*last = frames[i].time_ns;
		if (settings->touch && frames[i].contiguous > 0)
			sums->touched +=
				frames[i].data[0] + frames[i].data[frames[i].contiguous - 1];
	}
	sums->frames += (uint64_t)count;
}

/* Waits in one of the three ways. False: the daemon has ended. */
static bool rest(const struct settings *settings, struct mirrortap_consumer *consumer)
{
	struct pollfd polled[64];
	unsigned queues = mirrortap_queues(consumer);

	if (strcmp(settings->wait, "busy") == 0)
		return true;
	if (strcmp(settings->wait, "nap") == 0)
		return mirrortap_wait_any(consumer, 100) >= 0;
	for (unsigned q = 0; q < queues; q++) {
		int ready = mirrortap_arm(mirrortap_queue(consumer, q));

		if (ready != 0)
			return ready > 0;
		polled[q].fd = mirrortap_fd(mirrortap_queue(consumer, q));
		polled[q].events = POLLIN;
	}
	poll(polled, queues, 100);
	return true;
}

static bool done(const struct settings *settings, const struct sums *sums, double begin)
{
	return stop || (settings->count > 0 && sums->frames >= settings->count)
		|| (settings->seconds > 0 && now() - begin >= settings->seconds);
}

static int read_queue(const struct settings *settings, struct mirrortap_queue *queue,
	struct sums *sums, unsigned *held)
{
	struct mirrortap_frame frames[BURST];
	unsigned max = BURST;
	int count;

	if (settings->count > 0 && settings->count - sums->frames < max)
		max = (unsigned)(settings->count - sums->frames);
	count = mirrortap_receive(queue, frames, max);
	if (count <= 0)
		return count;
	add(settings, sums, frames, count);
	*held += (unsigned)count;
	if (settings->kill && *held >= settings->hold)
		raise(SIGKILL);
	if (*held > settings->hold) {
		mirrortap_release(queue, *held - settings->hold);
		*held = settings->hold;
	}
	return count;
}

static void print(const struct sums *sums, double seconds, unsigned empty, bool ended)
{
	printf("{\"frames\": %" PRIu64 ", \"bytes\": %" PRIu64
	       ", \"seconds\": %.3f, \"pps\": %.0f, "
	       "\"backwards\": %" PRIu64 ", \"touched\": %" PRIu64 ", \"empty_polls\": %u, "
	       "\"daemon_ended\": %s}\n",
		sums->frames, sums->bytes, seconds, (double)sums->frames / seconds, sums->backwards,
		sums->touched, empty, ended ? "true" : "false");
	fflush(stdout);
}

static int consume(const struct settings *settings, struct mirrortap_consumer *consumer)
{
	unsigned held[64] = {0};
	struct sums sums = {0};
	double begin = now();
	unsigned empty = 0;
	bool ended = false;

	for (unsigned rounds = 0; !ended; rounds++) {
		bool any = false;

		if (rounds % 64 == 0 && done(settings, &sums, begin))
			break;
		for (unsigned q = 0; q < mirrortap_queues(consumer) && !ended; q++) {
			int count =
				read_queue(settings, mirrortap_queue(consumer, q), &sums, &held[q]);

			any |= count > 0;
			ended = count < 0;
			if (settings->count > 0 && sums.frames >= settings->count)
				rounds = 63; /* look at once */
		}
		if (!any && !ended) {
			empty++;
			ended = !rest(settings, consumer);
			if (strcmp(settings->wait, "busy") != 0)
				rounds = 63;
		}
	}
	print(&sums, now() - begin, empty, ended);
	return EXIT_SUCCESS;
}

static int run(const struct settings *settings)
{
	int status = EXIT_SUCCESS;

	for (unsigned n = 0; n < settings->times && !stop && status == EXIT_SUCCESS; n++) {
		struct mirrortap_consumer *consumer;
		char error[512];

		if (mirrortap_attach(&settings->attach, &consumer, error, sizeof(error)) < 0) {
			fprintf(stderr, "consume: %s\n", error);
			return REFUSED;
		}
		if (settings->times == 1) {
			puts("attached");
			fflush(stdout);
			status = consume(settings, consumer);
		} else {
			struct mirrortap_frame frames[BURST];

			/* Gone with what was received, not released. */
			mirrortap_receive(mirrortap_queue(consumer, 0), frames, BURST);
		}
		mirrortap_detach(consumer);
	}
	return status;
}

int main(int argc, char **argv)
{
	struct settings settings = {
		.attach.queue = MIRRORTAP_ALL_QUEUES, .wait = "nap", .times = 1};
	struct sigaction action = {.sa_handler = on_signal};
	int option;

	while ((option = getopt(argc, argv, "o:p:q:c:s:w:H:ka:d")) != -1) {
		switch (option) {
		case 'o':
			settings.attach.output = optarg;
			break;
		case 'p':
			settings.attach.file_prefix = optarg;
			break;
		case 'q':
			settings.attach.queue = atoi(optarg);
			break;
		case 'c':
			settings.count = strtoull(optarg, NULL, 10);
			break;
		case 's':
			settings.seconds = atof(optarg);
			break;
		case 'w':
			settings.wait = optarg;
			break;
		case 'H':
			settings.hold = (unsigned)atoi(optarg);
			break;
		case 'k':
			settings.kill = true;
			break;
		case 'a':
			settings.times = (unsigned)atoi(optarg);
			break;
		case 'd':
			settings.touch = true;
			break;
		default:
			return EXIT_FAILURE;
		}
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	return run(&settings);
}
