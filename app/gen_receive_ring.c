/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving from a ring output, as a DPDK secondary process of mirrortapd. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <rte_pause.h>

#include "dump.h"
#include "gen_receive.h"
#include "stop.h"

enum {
	BURST = 64,
	BUSY_POLLS = 2000, /* polls without a frame before it sleeps */
	SLEEP_NS = 20000,
	WATCH_NS = 100000000, /* how often the daemon is looked for */
	MAX_FAREWELL = 50,    /* such times that a daemon which ends is waited for */
};

struct ring_reader {
	struct gen_receiver *receiver;
	struct dump_rings rings;
};

/* One burst of a ring. Rings and frames stay mapped while the lock is held. */
static unsigned read_ring(struct ring_reader *reader, unsigned index)
{
	struct rte_mbuf *frames[BURST];
	unsigned count = 0;

	pthread_mutex_lock(&reader->rings.lock);
	if (reader->rings.gone) {
		stop_now();
	} else {
		count = rte_ring_dequeue_burst(
			reader->rings.ring[index], (void **)frames, BURST, NULL);
	}
	if (count > 0) {
		uint64_t time_ns = gen_realtime_ns();

		for (unsigned i = 0; i < count; i++)
			gen_receiver_take(reader->receiver, frames[i], time_ns);
		rte_pktmbuf_free_bulk(frames, count);
	}
	pthread_mutex_unlock(&reader->rings.lock);
	return count;
}

/* The reading thread. It is no EAL thread, so that the frames which it frees pass by the caches of
 * the daemon's mempool: there is one for each lcore, without a lock, and mirrorgen has none of its
 * own there. */
static void *read_frames(void *opaque)
{
	struct ring_reader *reader = opaque;
	unsigned idle = 0;

	while (gen_receiver_goes_on(reader->receiver)) {
		unsigned sum = 0;

		for (unsigned r = 0; r < reader->rings.count; r++)
			sum += read_ring(reader, r);
		idle = sum == 0 ? idle + (idle < BUSY_POLLS) : 0;
		if (idle == BUSY_POLLS)
			nanosleep(&(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
		else if (idle > 0)
			rte_pause();
	}
	return NULL;
}

static bool has_ended(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += WATCH_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

/* Until the reader ends. False if the daemon went away. */
static bool watch(struct ring_reader *reader, const struct dump_daemon *daemon, pthread_t thread)
{
	bool alive = true;

	while (!has_ended(thread)) {
		if (alive && !dump_daemon_alive(daemon)) {
			alive = false;
			stop_now();
		}
	}
	/* The daemon frees its memory, and asks all who share it to do so too: EAL's thread
	 * answers, so stay until it is done. */
	for (unsigned i = 0; reader->rings.gone && alive && i < MAX_FAREWELL; i++) {
		nanosleep(&(struct timespec){.tv_nsec = WATCH_NS}, NULL);
		alive = dump_daemon_alive(daemon);
	}
	return alive && !reader->rings.gone;
}

static bool attach(struct ring_reader *reader, struct dump_daemon *daemon)
{
	const struct gen_options *options = reader->receiver->options;
	char error[GEN_ERROR_SIZE];

	if (!dump_daemon_ask(daemon, options->socket_path, options->output, options->file_prefix,
		    error, sizeof(error))
		|| !dump_attach(
			daemon, options->socket_path, options->verbose, error, sizeof(error))) {
		gen_complain("%s", error);
		return false;
	}
	if (!dump_rings_find(&reader->rings, options->output, -1, daemon, error, sizeof(error))) {
		gen_complain("%s", error);
		dump_detach(&reader->rings);
		return false;
	}
	return true;
}

bool gen_receive_ring(struct gen_receiver *receiver)
{
	struct ring_reader reader = {.receiver = receiver, .rings.lock = PTHREAD_MUTEX_INITIALIZER};
	struct dump_daemon daemon;
	pthread_t thread;
	bool fine;

	if (!attach(&reader, &daemon))
		return false;
	if (!receiver->options->quiet)
		fprintf(stderr, "mirrorgen: reading %u queue%s of output %s\n", reader.rings.count,
			reader.rings.count == 1 ? "" : "s", receiver->options->output);
	gen_progress_start(&receiver->progress, "received", receiver->options->quiet);
	fine = pthread_create(&thread, NULL, read_frames, &reader) == 0;
	if (fine)
		receiver->cut_off = !watch(&reader, &daemon, thread);
	else
		gen_complain("no thread could be started");
	dump_detach(&reader.rings);
	return fine;
}
