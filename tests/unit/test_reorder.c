/* SPDX-License-Identifier: BSD-3-Clause */
/* Order, pure: who is held back and for how long, with a clock of the test's; nothing is lost and
 * nothing doubled, whatever comes; and how much known disorder is put right, at which delay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "build_packet.h"
#include "packet/frame_info.h"
#include "policy/reorder.h"
#include "random_packet.h"

enum {
	BURST = 64,
	PACKETS = 256,
	WINDOW = 1000,
	LENGTH = 100, /* of a segment's data */
};

static struct mt_reorder *create(uint32_t packets)
{
	struct mt_reorder *reorder = mt_reorder_create(packets, BURST, 5, SOCKET_ID_ANY);

	assert_non_null(reorder);
	return reorder;
}

/* Frames are known by their number; no one looks into them. */
static struct rte_mbuf *number(uint32_t n)
{
	return (struct rte_mbuf *)(uintptr_t)(n + 1);
}

static uint32_t number_of(const struct rte_mbuf *frame)
{
	return (uint32_t)(uintptr_t)frame - 1;
}

static void push(struct mt_reorder *reorder, uint64_t flow, uint32_t begin, uint32_t end,
	uint32_t n, uint64_t now)
{
	const struct mt_segment segment = {.flow = flow, .begin = begin, .end = end};

	mt_reorder_push(reorder, &segment, number(n), now, WINDOW);
}

/* What is ready is these numbers, ended by -1; and then it is empty. */
static void expect(struct mt_reorder *reorder, const int *numbers)
{
	uint32_t count = 0;

	for (; numbers[count] >= 0; count++) {
		assert_true(count < reorder->ready_count);
		assert_int_equal(number_of(reorder->ready[count]), numbers[count]);
	}
	assert_int_equal(reorder->ready_count, count);
	reorder->ready_count = 0;
}

#define EXPECT(reorder, ...) expect(reorder, (const int[]){__VA_ARGS__, -1})
#define EXPECT_NONE(reorder) expect(reorder, (const int[]){-1})

/* --- who is held ------------------------------------------------------------------------------
 */

static void puts_in_order(void **state)
{
	/* Begins of sequences, at wrapping too. */
	static const uint32_t begins[] = {0, 1000000, UINT32_MAX - 150, 0x7fffffff - 250};

	(void)state;
	for (size_t b = 0; b < RTE_DIM(begins); b++) {
		struct mt_reorder *reorder = create(PACKETS);
		uint32_t at = begins[b];

		push(reorder, 7, at, at + 100, 0, 0);
		EXPECT(reorder, 0);
		push(reorder, 7, at + 300, at + 400, 3, 1);
		push(reorder, 7, at + 200, at + 300, 2, 2);
		EXPECT_NONE(reorder);
		assert_int_equal(reorder->held, 2);
		push(reorder, 8, at + 500, at + 600, 10, 3); /* another flow */
		EXPECT(reorder, 10);
		push(reorder, 7, at + 100, at + 200, 1, 4);
		EXPECT(reorder, 1, 2, 3);
		assert_int_equal(reorder->held, 0);
		assert_int_equal(reorder->counts.closed, 2);
		push(reorder, 7, at + 400, at + 500, 4, 5);
		EXPECT(reorder, 4);
		mt_reorder_destroy(reorder);
	}
}

static void delays_nothing_else(void **state)
{
	struct mt_reorder *reorder = create(PACKETS);

	(void)state;
	push(reorder, 7, 1000, 1100, 0, 0);
	push(reorder, 7, 1200, 1300, 1, 0); /* held from now on */
	EXPECT(reorder, 0);
	push(reorder, 0, 0, 0, 2, 0);       /* no TCP */
	push(reorder, 7, 900, 1000, 3, 0);  /* sent again */
	push(reorder, 7, 1000, 1100, 4, 0); /* likewise */
	push(reorder, 7, 1099, 1099, 5, 0); /* keep-alive */
	push(reorder, 7, 1100, 1100, 6, 0); /* an acknowledgement alone */
	push(reorder, 9, 5, 10, 7, 0);      /* a flow that was not known */
	EXPECT(reorder, 2, 3, 4, 5, 6, 7);
	/* Half of it is new. */
	push(reorder, 7, 1050, 1200, 8, 0);
	EXPECT(reorder, 8, 1);
	mt_reorder_destroy(reorder);
}

static void lets_go_in_time(void **state)
{
	struct mt_reorder *reorder = create(PACKETS);

	(void)state;
	push(reorder, 7, 0, 100, 0, 0);
	EXPECT(reorder, 0);
	/* 100 to 200 and 400 to 500 are lost. */
	push(reorder, 7, 500, 600, 5, 10);
	push(reorder, 7, 300, 400, 3, 20);
	push(reorder, 7, 200, 300, 2, 30);
	mt_reorder_expire(reorder, WINDOW + 9);
	EXPECT_NONE(reorder);
	/* The oldest has others before it. */
	mt_reorder_expire(reorder, WINDOW + 10);
	EXPECT(reorder, 2, 3, 5);
	assert_int_equal(reorder->counts.expired, 3);
	/* The flow goes on behind the gaps, and what fills one late is not held. */
	push(reorder, 7, 600, 700, 6, 2000);
	push(reorder, 7, 100, 200, 1, 2000);
	EXPECT(reorder, 6, 1);
	/* One of two gaps: what is behind the other waits for its own time. */
	push(reorder, 7, 800, 900, 8, 3000);
	push(reorder, 7, 1000, 1100, 10, 3500);
	mt_reorder_expire(reorder, 3000 + WINDOW);
	EXPECT(reorder, 8);
	push(reorder, 7, 900, 1000, 9, 4100);
	EXPECT(reorder, 9, 10);
	assert_int_equal(reorder->held, 0);
	mt_reorder_destroy(reorder);
}

static void begins_anew(void **state)
{
	struct mt_reorder *reorder = create(PACKETS);
	struct mt_segment syn = {.flow = 7, .begin = 5000000, .end = 5000001, .syn = true};

	(void)state;
	push(reorder, 7, 0, 100, 0, 0);
	push(reorder, 7, 200, 300, 2, 0);
	EXPECT(reorder, 0);
	/* The same ports again. */
	mt_reorder_push(reorder, &syn, number(3), 0, WINDOW);
	EXPECT(reorder, 2, 3);
	push(reorder, 7, 5000101, 5000201, 5, 0);
	push(reorder, 7, 5000001, 5000101, 4, 0);
	EXPECT(reorder, 4, 5);
	/* So far ahead, or behind, that nothing can be said. */
	push(reorder, 7, 5000301, 5000401, 6, 0);
	push(reorder, 7, 50000000, 50000100, 7, 0);
	EXPECT(reorder, 6, 7);
	push(reorder, 7, 1000, 1100, 8, 0);
	push(reorder, 7, 1100, 1200, 9, 0);
	EXPECT(reorder, 8, 9);
	mt_reorder_destroy(reorder);
}

static void is_bounded(void **state)
{
	struct mt_reorder *reorder = create(16);
	uint32_t n = 0;

	(void)state;
	/* A flow more than can be held: the one that is held the longest goes. */
	for (uint32_t flow = 1; flow <= 17; flow++) {
		push(reorder, flow, 0, 100, 100, 0);
		reorder->ready_count = 0;
		push(reorder, flow, 200, 300, n++, flow);
		if (flow <= 16)
			EXPECT_NONE(reorder);
	}
	EXPECT(reorder, 0);
	assert_int_equal(reorder->held, 16);
	assert_int_equal(reorder->counts.full, 1);
	mt_reorder_flush(reorder);
	assert_int_equal(reorder->ready_count, 16);
	assert_int_equal(reorder->held, 0);
	reorder->ready_count = 0;
	/* Room is made by what itself is waiting for. */
	push(reorder, 50, 0, 100, 100, 0);
	reorder->ready_count = 0;
	for (uint32_t s = 0; s < 16; s++)
		push(reorder, 50, 1000 - 10 * s, 1010 - 10 * s, 16 - s, 0);
	EXPECT_NONE(reorder);
	push(reorder, 50, 1010, 1020, 17, 0);
	EXPECT(reorder, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17);
	mt_reorder_destroy(reorder);
}

/* More flows than there is room for: those that were not used for the longest are forgotten, never
 * one of which something is held. */
static void forgets_flows(void **state)
{
	enum { STEP = MT_REORDER_FLOWS / MT_REORDER_WAYS };
	struct mt_reorder *reorder = create(PACKETS);

	(void)state;
	for (uint32_t f = 0; f < MT_REORDER_WAYS; f++) {
		push(reorder, 7 + f * STEP, 0, 100, f, 0);
		if (f > 0)
			push(reorder, 7 + f * STEP, 200, 300, 10 + f, 0);
	}
	EXPECT(reorder, 0, 1, 2, 3);
	push(reorder, 7 + 10 * STEP, 0, 100, 20, 0); /* in the place of 0 */
	push(reorder, 7 + 10 * STEP, 200, 300, 21, 0);
	EXPECT(reorder, 20);
	push(reorder, 7 + 11 * STEP, 0, 100, 30, 0); /* no place */
	push(reorder, 7 + 11 * STEP, 200, 300, 31, 0);
	EXPECT(reorder, 30, 31);
	for (uint32_t f = 1; f < MT_REORDER_WAYS; f++)
		push(reorder, 7 + f * STEP, 100, 200, 40 + f, 0);
	EXPECT(reorder, 41, 11, 42, 12, 43, 13);
	mt_reorder_destroy(reorder);
}

/* --- what is read of a frame ------------------------------------------------------------------
 */

static const struct mt_reorder_config by_session = {.window_us = 1};

static struct mt_segment read_packet(const struct mt_reorder *reorder,
	const struct mt_reorder_config *config, const struct packet *packet, uint32_t vni,
	uint32_t cut)
{
	struct mt_segment segment;
	static struct chain chain;

	chain_split(&chain, packet->bytes, packet->length, &cut, cut != 0);
	chain.segments[0].nb_segs = (uint16_t)chain.count;
	*mt_frame_info(&chain.segments[0]) =
		(struct mt_frame_info){.vni_flags = vni << 8, .original_length = packet->length};
	mt_reorder_read(reorder, config, &chain.segments[0], &segment);
	chain_free(&chain);
	return segment;
}

static void tcp(
	struct packet *packet, bool v6, uint16_t source, uint16_t destination, uint8_t flags)
{
	const struct ipv4 ip = {
		.source = 0x0a000001, .destination = 0xc0000207, .protocol = IPPROTO_TCP};
	uint32_t offset;

	packet_start(packet);
	put_ethernet(packet, v6 ? ETHERTYPE_V6 : ETHERTYPE_V4);
	if (v6)
		put_ipv6(packet, IPPROTO_TCP, 1, 2);
	else
		put_ipv4(packet, &ip);
	offset = put_tcp(packet, source, destination);
	packet->bytes[offset + 13] = flags;
	put_pattern(packet, LENGTH);
	packet_close(packet);
}

static void reads_frames(void **state)
{
	static const uint32_t cuts[] = {0, 13, 20, 40, 54, 60};
	struct mt_reorder_config config = by_session;
	struct mt_reorder *reorder = create(PACKETS);
	static struct packet packet;

	(void)state;
	for (int v6 = 0; v6 <= 1; v6++) {
		struct mt_segment whole, segment;

		tcp(&packet, v6, 1, 2, 0x10);
		whole = read_packet(reorder, &config, &packet, 9, 0);
		assert_true(whole.flow != 0);
		assert_int_equal(whole.begin, 1000);
		assert_int_equal(whole.end, 1000 + LENGTH);
		assert_false(whole.syn);
		for (size_t c = 0; c < RTE_DIM(cuts); c++) {
			segment = read_packet(reorder, &config, &packet, 9, cuts[c]);
			assert_true(segment.flow == whole.flow);
			assert_int_equal(segment.end, whole.end);
		}
		/* Truncated: the length that it states counts. */
		packet.length -= LENGTH - 1;
		segment = read_packet(reorder, &config, &packet, 9, 0);
		assert_true(segment.flow == whole.flow);
		assert_int_equal(segment.end, whole.end);
		packet.length -= 2;
		assert_true(read_packet(reorder, &config, &packet, 9, 0).flow == 0);
		/* SYN and FIN take a number each. */
		tcp(&packet, v6, 1, 2, 0x02);
		assert_true(read_packet(reorder, &config, &packet, 9, 0).syn);
		tcp(&packet, v6, 1, 2, 0x03);
		assert_int_equal(
			read_packet(reorder, &config, &packet, 9, 0).end, 1000 + LENGTH + 2);
		/* Options are no data. */
		packet.bytes[v6 ? 66 : 46] = 0x80;
		assert_int_equal(
			read_packet(reorder, &config, &packet, 9, 0).end, 1000 + LENGTH + 2 - 12);
		packet.bytes[v6 ? 66 : 46] = 0x40; /* less than a header has */
		assert_true(read_packet(reorder, &config, &packet, 9, 0).flow == 0);
		/* The other direction, another port, another session. */
		tcp(&packet, v6, 2, 1, 0x10);
		assert_true(read_packet(reorder, &config, &packet, 9, 0).flow != whole.flow);
		tcp(&packet, v6, 1, 3, 0x10);
		assert_true(read_packet(reorder, &config, &packet, 9, 0).flow != whole.flow);
		tcp(&packet, v6, 1, 2, 0x10);
		assert_true(read_packet(reorder, &config, &packet, 8, 0).flow != whole.flow);
		config.across_sessions = true;
		assert_true(read_packet(reorder, &config, &packet, 8, 0).flow
			== read_packet(reorder, &config, &packet, 9, 0).flow);
		config.across_sessions = false;
	}
	/* Fragments and other protocols. */
	tcp(&packet, false, 1, 2, 0x10);
	set_16(&packet, 20, 0x2000);
	assert_true(read_packet(reorder, &config, &packet, 9, 0).flow == 0);
	set_16(&packet, 20, 0x0010);
	assert_true(read_packet(reorder, &config, &packet, 9, 0).flow == 0);
	set_16(&packet, 20, 0);
	packet.bytes[23] = IPPROTO_UDP;
	assert_true(read_packet(reorder, &config, &packet, 9, 0).flow == 0);
	mt_reorder_destroy(reorder);
}

/* --- anything ---------------------------------------------------------------------------------
 */

/* Whatever comes: each frame is delivered once, none is held for longer than the window, nor are
 * more than there may be. */
static void loses_nothing(void **state)
{
	enum { FRAMES = 200000 };
	uint64_t *pushed = calloc(FRAMES, sizeof(*pushed));
	uint8_t *seen = calloc(FRAMES, 1);
	struct mt_reorder *reorder = create(PACKETS);
	uint32_t delivered = 0;
	uint64_t now = 0;

	(void)state;
	assert_true(pushed != NULL && seen != NULL);
	for (uint32_t n = 0; n < FRAMES || reorder->held > 0; n++) {
		now += random_below(20);
		mt_reorder_expire(reorder, now);
		if (n < FRAMES) {
			struct mt_segment segment = {.flow = random_below(40),
				.begin = n * 5 + random_below(3000),
				.syn = random_one_in(500)};

			segment.end = segment.begin + random_below(300);
			if (random_one_in(1000))
				segment.begin = random_next();
			pushed[n] = now;
			mt_reorder_push(reorder, &segment, number(n), now, WINDOW);
		}
		assert_true(reorder->held <= PACKETS);
		assert_true(reorder->ready_count <= PACKETS + BURST);
		for (uint32_t r = 0; r < reorder->ready_count; r++) {
			uint32_t frame = number_of(reorder->ready[r]);

			assert_true(frame < FRAMES);
			assert_int_equal(seen[frame]++, 0);
			/* `expire` was called at most 20 ticks late. */
			assert_true(now - pushed[frame] < WINDOW + 20);
			delivered++;
		}
		reorder->ready_count = 0;
	}
	assert_int_equal(delivered, FRAMES);
	assert_true(reorder->counts.closed > 1000 && reorder->counts.expired > 1000);
	mt_reorder_destroy(reorder);
	free(pushed);
	free(seen);
}

/* --- how much is put right, and what it costs --------------------------------------------------
 */

enum {
	FLOWS = 200,
	EACH = 2000, /* segments of a flow */
	GAP_US = 20, /* between two of a flow, on the average: 10 million a second in all */
};

struct sent {
	uint64_t time; /* ns at which it arrives */
	uint32_t flow;
	uint32_t index; /* within its flow */
};

static int by_time(const void *left, const void *right)
{
	const struct sent *a = left, *b = right;

	return (a->time > b->time) - (a->time < b->time);
}

static int ascending(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

struct disorder {
	uint32_t last[FLOWS]; /* highest index so far, and one */
	unsigned long late;   /* came after one with a higher index */
};

static void note(struct disorder *disorder, const struct sent *sent)
{
	if (sent->index + 1 < disorder->last[sent->flow])
		disorder->late++;
	else
		disorder->last[sent->flow] = sent->index + 1;
}

struct figures {
	unsigned long before; /* late ones */
	unsigned long after;
	unsigned long held;
};

/* A share of the segments takes a longer way, and a share is lost. */
static struct figures measure(unsigned delayed_permille, unsigned delay_us, unsigned lost_per_10000,
	uint64_t window_us, uint32_t packets)
{
	struct sent *sent = calloc((size_t)FLOWS * EACH, sizeof(*sent));
	uint64_t *delays = calloc((size_t)FLOWS * EACH, sizeof(*delays));
	struct mt_reorder *reorder = create(packets);
	static struct disorder before, after;
	uint64_t sum = 0, now = 0;
	uint32_t count = 0, delivered = 0, next = 0, held = 0;

	assert_true(sent != NULL && delays != NULL);
	memset(&before, 0, sizeof(before));
	memset(&after, 0, sizeof(after));
	for (uint32_t f = 0; f < FLOWS; f++) {
		uint64_t time = random_below(GAP_US * 1000);

		for (uint32_t i = 0; i < EACH; i++) {
			uint64_t extra = 0;

			time += random_below(2 * GAP_US * 1000);
			if (random_below(1000) < delayed_permille)
				extra = random_below(delay_us * 1000);
			/* The first one is there: the flow is known from then on. */
			if (i == 0 || random_below(10000) >= lost_per_10000)
				sent[count++] = (struct sent){time + (i == 0 ? 0 : extra), f, i};
		}
	}
	qsort(sent, count, sizeof(*sent), by_time);
	while (delivered < count) {
		/* A worker looks each microsecond, as it polls. */
		now += 1000;
		for (uint32_t n = 0; n < BURST && next < count && sent[next].time <= now; n++) {
			const struct mt_segment segment = {.flow = 1 + sent[next].flow,
				.begin = sent[next].index * LENGTH,
				.end = (sent[next].index + 1) * LENGTH};

			note(&before, &sent[next]);
			mt_reorder_push(reorder, &segment, number(next), now, window_us * 1000);
			next++;
		}
		mt_reorder_expire(reorder, now);
		for (uint32_t r = 0; r < reorder->ready_count; r++) {
			const struct sent *frame = &sent[number_of(reorder->ready[r])];
			uint64_t delay = now - (frame->time + 999) / 1000 * 1000;

			note(&after, frame);
			if (delay > 0) {
				delays[held++] = delay;
				sum += delay;
			}
			delivered++;
		}
		reorder->ready_count = 0;
	}
	qsort(delays, held, sizeof(*delays), ascending);
	print_message(
		"%4.1f %% up to %4u us later, %4.2f %% lost; window %4lu us, %4u packets: late "
		"%6lu -> %6lu (%5.1f %% put right); delayed %5.2f %%, by %6.1f us on the "
		"average, p99 %6.1f, max %6.1f; %lu expired, %lu full\n",
		delayed_permille / 10.0, delay_us, lost_per_10000 / 100.0, (unsigned long)window_us,
		packets, before.late, after.late,
		before.late == 0 ? 0.0
				 : 100.0 * (double)(before.late - after.late) / (double)before.late,
		100.0 * held / count, held == 0 ? 0.0 : (double)sum / held / 1000,
		held == 0 ? 0.0 : (double)delays[held - 1 - held / 100] / 1000,
		held == 0 ? 0.0 : (double)delays[held - 1] / 1000,
		(unsigned long)reorder->counts.expired, (unsigned long)reorder->counts.full);
	assert_int_equal(reorder->held, 0);
	mt_reorder_destroy(reorder);
	free(sent);
	free(delays);
	return (struct figures){before.late, after.late, held};
}

static void puts_known_disorder_right(void **state)
{
	struct figures figures;

	(void)state;
	/* Nothing out of order: nothing is delayed. */
	figures = measure(0, 1, 0, 1000, 1024);
	assert_int_equal(figures.before + figures.after + figures.held, 0);
	/* Within window and room: all of it. */
	figures = measure(10, 100, 0, 1000, 1024);
	assert_true(figures.before > 1000);
	assert_int_equal(figures.after, 0);
	figures = measure(10, 500, 0, 1000, 1024);
	assert_true(figures.before > 1000);
	assert_int_equal(figures.after, 0);
	figures = measure(200, 100, 0, 1000, 8192);
	assert_int_equal(figures.after, 0);
	/* Longer ways than the window, and too little room: some of it, and never more than before.
	 */
	figures = measure(10, 2000, 0, 1000, 8192);
	assert_true(figures.after < figures.before * 6 / 10);
	figures = measure(10, 500, 0, 1000, 64);
	assert_true(figures.after < figures.before);
	/* Lost ones are waited for in vain. */
	figures = measure(0, 1, 10, 1000, 8192);
	assert_int_equal(figures.before + figures.after, 0);
	figures = measure(0, 1, 100, 1000, 8192);
	figures = measure(0, 1, 100, 200, 8192);
	figures = measure(10, 100, 10, 200, 1024);
	assert_int_equal(figures.after, 0);
}

static int start(void **state)
{
	char *arguments[] = {"test_reorder", "--no-huge", "-m", "256", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0"};

	(void)state;
	return rte_eal_init(RTE_DIM(arguments), arguments) < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_in_order),
		cmocka_unit_test(delays_nothing_else),
		cmocka_unit_test(lets_go_in_time),
		cmocka_unit_test(begins_anew),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(forgets_flows),
		cmocka_unit_test(reads_frames),
		cmocka_unit_test(loses_nothing),
		cmocka_unit_test(puts_known_disorder_right),
	};

	return cmocka_run_group_tests(tests, start, end);
}
