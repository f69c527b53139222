/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring output with the real consumer library on the other side, both in this process: what is
 * put in comes out, what is held comes back, and whatever a consumer writes, the ledger balances
 * and no buffer is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "consumer/mirrortap_consumer.h"
#include "output/ring.h"
#include "packet/frame_info.h"

enum {
	BUFFERS = 1023,
	LENGTH = 64,
	RACE_FRAMES = 300000,
};

static char *prefix(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "mt-unit-%d", (int)getpid());
	return text;
}

static struct rte_mempool *pool(void)
{
	return rte_mempool_lookup("frames");
}

static unsigned in_use(void)
{
	return rte_mempool_in_use_count(pool());
}

static struct mt_output *open_ring(const struct mt_output_settings *differences)
{
	static const int node[1] = {SOCKET_ID_ANY};
	struct mt_output_settings settings = *differences;
	char error[512] = "";
	struct mt_output *output;

	settings.name = "ids";
	settings.length = LENGTH;
	settings.queues = 1;
	settings.queue_node = node;
	settings.own_prefix = true;
	output = mt_output_create(&mt_output_ring, &settings, error, sizeof(error));
	assert_string_equal(error, "");
	return output;
}

static struct mt_ring_queue *queue_of(struct mt_output *output)
{
	return &((struct mt_ring_output *)output->private)->queues[0];
}

static struct mirrortap_consumer *attach(void)
{
	struct mirrortap_options options = {.output = "ids", .file_prefix = prefix()};
	struct mirrortap_consumer *consumer;
	char error[512] = "";

	mirrortap_attach(&options, &consumer, error, sizeof(error));
	assert_string_equal(error, "");
	return consumer;
}

/* A frame whose first bytes and VNI say its number. */
static struct rte_mbuf *make(uint32_t number)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(pool());

	assert_non_null(frame);
	memset(rte_pktmbuf_append(frame, 100), 0x5a, 100);
	memcpy(rte_pktmbuf_mtod(frame, void *), &number, sizeof(number));
	frame->hash.rss = number * 3;
	*mt_frame_info(frame) = (struct mt_frame_info){
		.time_ns = number,
		.source = mt_address_from_ipv4(0x0100000a),
		.vni_flags = number << 8 | MT_FLAG_EGRESS,
		.original_length = 100,
	};
	return frame;
}

static void send_frames(struct mt_output *output, uint32_t first, uint32_t count)
{
	for (uint32_t n = 0; n < count; n++) {
		struct rte_mbuf *frame = make(first + n);

		output->ops->send(output, 0, &frame, 1);
	}
}

static struct mt_output_counts check_balance(struct mt_output *output)
{
	struct mt_output_counts counts;
	uint64_t in_flight, sum;

	mt_output_read(output, 0, &counts, &in_flight);
	sum = counts.delivered + in_flight;
	for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++)
		sum += counts.drops[r];
	assert_int_equal(sum, counts.offered);
	return counts;
}

/* What the worker does in its loops, until nothing is left to take back. */
static void poll_until_settled(struct mt_output *output)
{
	struct mt_ring_queue *q = queue_of(output);

	for (unsigned n = 0; n < 10000; n++) {
		output->ops->poll(output, 0);
		check_balance(output);
		if (atomic_load(&q->claim) != 0 && (atomic_load(&q->claim) & 1) == 0
			&& atomic_load(&q->settled) == atomic_load(&q->claim) >> 1)
			return;
		usleep(100);
	}
	fail_msg("a consumer has gone, and the worker does not settle");
}

static void close_ring(struct mt_output *output)
{
	output->ops->flush(output);
	check_balance(output);
	mt_output_destroy(output);
	assert_int_equal(in_use(), 0);
}

/* --- tests --- */

static void without_a_consumer_nothing_is_put_in(void **state)
{
	struct mt_output *output = open_ring(&(struct mt_output_settings){0});
	struct mt_output_counts counts;

	(void)state;
	send_frames(output, 0, 500);
	counts = check_balance(output);
	assert_int_equal(counts.drops[MT_OUTPUT_DROP_CONSUMER_ABSENT], 500);
	assert_false(output->ops->wants(output, 0));
	output->ops->count_unwanted(output, 0, 7);
	counts = check_balance(output);
	assert_int_equal(counts.offered, 507);
	assert_int_equal(counts.drops[MT_OUTPUT_DROP_CONSUMER_ABSENT], 507);
	assert_int_equal(counts.delivered, 0);
	assert_int_equal(in_use(), 0);
	close_ring(output);
}

static void knows_sessions(void **state)
{
	static const struct mt_session_spec sessions[] = {
		{.vni = 16777215, .name = "last"},
		{.vni = 7, .name = "web"},
		{.vni = 0,
			.name = "63-characters-long-63-characters-long-63-characters-long-63-cha"},
	};
	static const struct mt_session_spec renamed[] = {{.vni = 7, .name = "shop"}};
	struct mt_output *output = open_ring(&(struct mt_output_settings){
		.sessions = sessions, .sessions_count = RTE_DIM(sessions)});
	struct mirrortap_consumer *consumer = attach();

	(void)state;
	for (unsigned s = 0; s < RTE_DIM(sessions); s++) {
		const char *name = mirrortap_session_name(consumer, sessions[s].vni);

		assert_non_null(name);
		assert_string_equal(name, sessions[s].name);
	}
	assert_null(mirrortap_session_name(consumer, 8));
	/* Other names are for those who come then. */
	assert_int_equal(output->ops->rename(output, renamed, RTE_DIM(renamed)), 0);
	assert_string_equal(mirrortap_session_name(consumer, 7), "web");
	mirrortap_detach(consumer);
	poll_until_settled(output);
	consumer = attach();
	assert_string_equal(mirrortap_session_name(consumer, 7), "shop");
	assert_null(mirrortap_session_name(consumer, 0));
	mirrortap_detach(consumer);
	poll_until_settled(output);
	close_ring(output);

	output = open_ring(&(struct mt_output_settings){0});
	consumer = attach();
	assert_null(mirrortap_session_name(consumer, 7));
	mirrortap_detach(consumer);
	poll_until_settled(output);
	close_ring(output);
}

/* A reload closes a ring beneath a consumer that does not leave, and another one takes its place:
 * all buffers come back, and the counters go on. */
static void closed_while_frames_are_out(void **state)
{
	struct mt_output *output = open_ring(&(struct mt_output_settings){0});
	struct mirrortap_consumer *consumer = attach();
	struct mirrortap_frame frames[20];
	struct mt_output_counts *earlier;
	struct mt_output_counts counts;

	(void)state;
	send_frames(output, 0, 50);
	assert_int_equal(mirrortap_receive(mirrortap_queue(consumer, 0), frames, 20), 20);
	mirrortap_release(mirrortap_queue(consumer, 0), 5);
	send_frames(output, 50, 100); /* more than there is room for */
	output->ops->flush(output);
	counts = check_balance(output);
	assert_int_equal(counts.offered, 150);
	assert_int_equal(counts.delivered, 20);
	assert_int_equal(
		counts.drops[MT_OUTPUT_DROP_STOPPED], 150 - 20 - counts.drops[MT_OUTPUT_DROP_FULL]);
	assert_int_equal(in_use(), LENGTH); /* it may be reading */
	earlier = mt_output_counts_of(output);
	assert_non_null(earlier);
	mt_output_destroy(output);
	assert_int_equal(in_use(), 0);
	assert_int_equal(mirrortap_receive(mirrortap_queue(consumer, 0), frames, 20), -ESHUTDOWN);
	mirrortap_detach(consumer);

	output = open_ring(&(struct mt_output_settings){0});
	output->earlier = earlier;
	assert_int_equal(check_balance(output).delivered, 20);
	send_frames(output, 0, 7);
	counts = check_balance(output);
	assert_int_equal(counts.offered, 157);
	assert_int_equal(counts.delivered, 20);
	assert_int_equal(counts.drops[MT_OUTPUT_DROP_CONSUMER_ABSENT], 7);
	close_ring(output);
}

static void lost_drops_all(void **state)
{
	const struct mt_output_settings settings = {.name = "ids", .queues = 1};
	char error[512] = "";
	struct mt_output *output =
		mt_output_create(&mt_output_lost, &settings, error, sizeof(error));
	struct mt_output_counts counts;

	(void)state;
	assert_non_null(output);
	assert_int_equal(output->state, MT_OUTPUT_ERROR);
	assert_string_equal(output->error,
		"could not be opened again after a reload failed; mend it and reload");
	send_frames(output, 0, 10);
	counts = check_balance(output);
	assert_int_equal(counts.offered, 10);
	assert_int_equal(counts.drops[MT_OUTPUT_DROP_ERROR], 10);
	mt_output_destroy(output);
	assert_int_equal(in_use(), 0);
}

static void check_frame(const struct mirrortap_frame *frame, uint32_t number, uint32_t length)
{
	static const uint8_t source[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};

	assert_int_equal(frame->vni, number);
	assert_int_equal(frame->time_ns, number);
	assert_int_equal(frame->flow_hash, number * 3);
	assert_int_equal(frame->length, length);
	assert_int_equal(frame->contiguous, length);
	assert_int_equal(frame->original_length, 100);
	assert_int_equal(frame->flags & ~MIRRORTAP_TRUNCATED, MIRRORTAP_EGRESS);
	assert_int_equal((frame->flags & MIRRORTAP_TRUNCATED) != 0, length < 100);
	assert_memory_equal(frame->source, source, sizeof(source));
	assert_memory_equal(frame->data, &number, sizeof(number));
	assert_int_equal(frame->data[length - 1], 0x5a);
}

static void gives_back(const struct mt_output_settings *settings, uint32_t length)
{
	struct mt_output *output = open_ring(settings);
	struct mirrortap_consumer *consumer = attach();
	struct mirrortap_queue *queue = mirrortap_queue(consumer, 0);
	struct mirrortap_frame frames[2 * LENGTH];

	assert_true(output->ops->wants(output, 0));
	for (uint32_t round = 0; round < 1000; round += 10) {
		send_frames(output, round, 10);
		assert_int_equal(mirrortap_receive(queue, frames, 2 * LENGTH), 10);
		for (uint32_t n = 0; n < 10; n++)
			check_frame(&frames[n], round + n, length);
		mirrortap_release(queue, 10);
		output->ops->poll(output, 0);
		assert_int_equal(check_balance(output).delivered, round + 10);
		assert_int_equal(in_use(), 0);
	}
	/* Held, not taken, and gone. */
	send_frames(output, 0, 40);
	assert_int_equal(mirrortap_receive(queue, frames, 30), 30);
	mirrortap_release(queue, 5);
	mirrortap_detach(consumer);
	poll_until_settled(output);
	assert_int_equal(output->ops->wants(output, 0), settings->keep);
	assert_int_equal(check_balance(output).drops[MT_OUTPUT_DROP_CONSUMER_ABSENT],
		settings->keep ? 0 : 10);
	assert_int_equal(queue_of(output)->out, 0);
	close_ring(output);
}

static void frames_come_out_and_buffers_back(void **state)
{
	(void)state;
	gives_back(&(struct mt_output_settings){0}, 100);
	gives_back(&(struct mt_output_settings){.snap = 70}, 70);
	gives_back(&(struct mt_output_settings){.drop_old = true}, 100);
	gives_back(&(struct mt_output_settings){.copy = true}, 100);
	gives_back(&(struct mt_output_settings){.copy = true, .snap = 64, .drop_old = true}, 64);
	gives_back(&(struct mt_output_settings){.keep = true}, 100);
}

/* Fills the ring twice over while `held` frames are held; returns the first that is left. */
static uint32_t overfill(const struct mt_output_settings *settings, unsigned held)
{
	struct mt_output *output = open_ring(settings);
	struct mirrortap_consumer *consumer = attach();
	struct mirrortap_queue *queue = mirrortap_queue(consumer, 0);
	struct mirrortap_frame frames[2 * LENGTH];
	uint32_t first;

	output->ops->poll(output, 0);
	send_frames(output, 0, held);
	assert_int_equal(mirrortap_receive(queue, frames, held), held);
	send_frames(output, held, 2 * LENGTH);
	assert_int_equal(check_balance(output).drops[MT_OUTPUT_DROP_FULL], LENGTH + held);
	assert_int_equal(mirrortap_receive(queue, &frames[held], LENGTH), LENGTH - held);
	for (unsigned n = 0; n < held; n++)
		assert_int_equal(frames[n].vni, n);
	first = frames[held].vni;
	for (unsigned n = held; n < LENGTH; n++)
		check_frame(&frames[n], first + n - held, 100);
	mirrortap_detach(consumer);
	poll_until_settled(output);
	close_ring(output);
	return first;
}

static void a_full_ring_drops_as_it_is_told(void **state)
{
	(void)state;
	assert_int_equal(overfill(&(struct mt_output_settings){0}, 0), 0);
	assert_int_equal(overfill(&(struct mt_output_settings){0}, 20), 20);
	assert_int_equal(overfill(&(struct mt_output_settings){.drop_old = true}, 0), LENGTH);
	assert_int_equal(
		overfill(&(struct mt_output_settings){.drop_old = true}, 20), 2 * LENGTH - 24);
	assert_int_equal(
		overfill(&(struct mt_output_settings){.drop_old = true, .copy = true}, 0), LENGTH);
}

static void keeps_frames_for_the_next(void **state)
{
	struct mt_output *output = open_ring(&(struct mt_output_settings){.keep = true});
	struct mirrortap_frame frames[LENGTH];
	struct mirrortap_consumer *consumer;

	(void)state;
	send_frames(output, 0, LENGTH + 10);
	assert_int_equal(check_balance(output).drops[MT_OUTPUT_DROP_FULL], 10);
	for (uint32_t round = 0; round < LENGTH; round += 16) {
		consumer = attach();
		output->ops->poll(output, 0);
		assert_int_equal(mirrortap_receive(mirrortap_queue(consumer, 0), frames, 16), 16);
		assert_int_equal(frames[0].vni, round);
		mirrortap_detach(consumer);
		poll_until_settled(output);
	}
	assert_int_equal(in_use(), 0);
	close_ring(output);
}

static void reads_over_segments(void **state)
{
	struct mt_output *output = open_ring(&(struct mt_output_settings){0});
	struct mirrortap_consumer *consumer = attach();
	struct mirrortap_queue *queue = mirrortap_queue(consumer, 0);
	struct rte_mbuf *chain = make(1), *second = make(2), *third = make(3);
	struct mirrortap_frame frame;
	uint8_t wanted[300], buffer[300];

	(void)state;
	assert_int_equal(rte_pktmbuf_chain(chain, second), 0);
	assert_int_equal(rte_pktmbuf_chain(chain, third), 0);
	assert_ptr_equal(rte_pktmbuf_read(chain, 0, 300, wanted), wanted);
	output->ops->poll(output, 0);
	output->ops->send(output, 0, &chain, 1);
	assert_int_equal(mirrortap_receive(queue, &frame, 1), 1);
	assert_int_equal(frame.length, 300);
	assert_int_equal(frame.contiguous, 100);
	assert_ptr_equal(mirrortap_frame_read(&frame, 10, 90, buffer), frame.data + 10);
	assert_ptr_equal(mirrortap_frame_read(&frame, 0, 300, buffer), buffer);
	assert_memory_equal(buffer, wanted, 300);
	assert_ptr_equal(mirrortap_frame_read(&frame, 95, 110, buffer), buffer);
	assert_memory_equal(buffer, wanted + 95, 110);
	assert_null(mirrortap_frame_read(&frame, 300, 1, buffer));
	assert_null(mirrortap_frame_read(&frame, 1, UINT32_MAX, buffer));
	mirrortap_detach(consumer);
	poll_until_settled(output);
	close_ring(output);
}

/* Whatever stands in the fields that a consumer writes. */
static void nonsense_is_bounded(void **state)
{
	struct mt_output *output = open_ring(&(struct mt_output_settings){.drop_old = true});
	struct mirrortap_consumer *consumer = attach();
	struct mt_ring_area *area = queue_of(output)->area;
	uint32_t seed = 1;

	(void)state;
	output->ops->poll(output, 0);
	for (unsigned n = 0; n < 20000; n++) {
		uint64_t old = atomic_load(&area->taken);

		seed = seed * 1664525 + 1013904223;
		switch (seed >> 28) {
		case 0:
			atomic_store(&area->taken, old + (seed >> 8 & 127) - 64);
			break;
		case 1:
			atomic_store(&area->released, old + (seed >> 8 & 127) - 64);
			break;
		case 2:
			atomic_store(&area->released, (uint64_t)seed << 31);
			break;
		case 3:
			atomic_store(&area->taken, UINT64_MAX - (seed >> 20 & 15));
			break;
		case 4:
			area->length = seed;
			area->slots_offset = seed;
			break;
		case 5:
			output->ops->poll(output, 0);
			break;
		default:
			send_frames(output, n, seed >> 8 & 7);
		}
		check_balance(output);
		assert_in_range(in_use(), 0, LENGTH);
	}
	assert_true(queue_of(output)->misbehaved > 0);
	mirrortap_detach(consumer);
	poll_until_settled(output);
	assert_int_equal(in_use(), 0);
	consumer = attach(); /* the next one finds all in order */
	mirrortap_detach(consumer);
	poll_until_settled(output);
	close_ring(output);
}

/* --- both sides at the same time --- */

struct race {
	struct mirrortap_consumer *consumer;
	_Atomic bool over;
	uint64_t received;
	uint64_t wrong;
};

static void *consume(void *opaque)
{
	struct race *race = opaque;
	struct mirrortap_queue *queue = mirrortap_queue(race->consumer, 0);
	struct mirrortap_frame frames[24];
	uint32_t last = 0;
	int count;

	do {
		bool over = atomic_load(&race->over);

		count = mirrortap_receive(queue, frames, 24);
		for (int n = 0; n < count; n++) {
			uint32_t number;

			memcpy(&number, frames[n].data, sizeof(number));
			race->wrong += number != frames[n].vni || number <= last;
			last = number;
		}
		race->received += count > 0 ? (uint64_t)count : 0;
		mirrortap_release(queue, count > 0 ? (unsigned)count : 0);
		if (over && count == 0)
			return NULL;
	} while (count >= 0);
	return NULL;
}

static void race(const struct mt_output_settings *settings)
{
	struct mt_output *output = open_ring(settings);
	struct race race = {.consumer = attach()};
	struct mt_output_counts counts;
	pthread_t thread;

	output->ops->poll(output, 0);
	assert_int_equal(pthread_create(&thread, NULL, consume, &race), 0);
	for (uint32_t n = 0; n < RACE_FRAMES; n++) {
		send_frames(output, n + 1, 1);
		if (n % 1024 == 0)
			check_balance(output);
	}
	atomic_store(&race.over, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(race.wrong, 0);
	counts = check_balance(output);
	assert_int_equal(counts.delivered, race.received);
	assert_int_equal(counts.delivered + counts.drops[MT_OUTPUT_DROP_FULL], RACE_FRAMES);
	mirrortap_detach(race.consumer);
	poll_until_settled(output);
	assert_int_equal(in_use(), 0);
	close_ring(output);
}

static void both_sides_at_once(void **state)
{
	(void)state;
	race(&(struct mt_output_settings){0});
	race(&(struct mt_output_settings){.drop_old = true});
	race(&(struct mt_output_settings){.drop_old = true, .copy = true, .snap = 128});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_consumer_nothing_is_put_in),
		cmocka_unit_test(frames_come_out_and_buffers_back),
		cmocka_unit_test(a_full_ring_drops_as_it_is_told),
		cmocka_unit_test(keeps_frames_for_the_next),
		cmocka_unit_test(knows_sessions),
		cmocka_unit_test(closed_while_frames_are_out),
		cmocka_unit_test(lost_drops_all),
		cmocka_unit_test(reads_over_segments),
		cmocka_unit_test(nonsense_is_bounded),
		cmocka_unit_test(both_sides_at_once),
	};
	char file_prefix[64];
	char *arguments[] = {"test_ring", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
		"--log-level=error", "--lcores=0", file_prefix};

	if (geteuid() != 0) {
		puts("1..0 # SKIP not root: sockets lie in " MT_RING_FOLDER);
		return 0;
	}
	snprintf(file_prefix, sizeof(file_prefix), "--file-prefix=%s", prefix());
	if (rte_eal_init(RTE_DIM(arguments), arguments) < 0 || mt_frame_info_register() < 0)
		return 1;
	if (rte_pktmbuf_pool_create("frames", BUFFERS, 0, 0, 2176, SOCKET_ID_ANY) == NULL)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
