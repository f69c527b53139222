/* SPDX-License-Identifier: BSD-3-Clause */
/* Capture files: blocks, names, what is written when, which files are kept, what is made of a file
 * that a killed process left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "output/capture_file.h"
#include "output/capture_name.h"
#include "output/capture_ring.h"
#include "output/pcapng_blocks.h"
#include "output/vni_table.h"
#include "packet/facts.h"

#define TIME UINT64_C(1700000000123456789) /* 2023-11-14 22:13:20 */
#define NAME "a-20231114T221320.123456Z.pcapng"

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* --- blocks --- */

static void expect_block(const uint8_t *block, uint32_t bytes, enum mt_pcapng_kind kind)
{
	uint32_t length;

	assert_int_equal(mt_pcapng_look(block, &length), kind);
	assert_int_equal(length, bytes);
	assert_int_equal(bytes % 4, 0);
	assert_int_equal(word(block + bytes - 4), bytes);
}

/* The value of an option, whose length must be as said. */
static const uint8_t *find_option(const uint8_t *at, uint16_t code, uint16_t length)
{
	for (;; at += 4 + (word(at) >> 16) + (-(word(at) >> 16) & 3)) {
		if ((word(at) & 0xffff) != code) {
			assert_int_not_equal(word(at) & 0xffff, 0);
			continue;
		}
		assert_int_equal(word(at) >> 16, length);
		return at + 4;
	}
}

static void makes_section_and_interface(void **state)
{
	struct mt_pcapng_interface interface = {.name = "web", .description = "vni 7", .snap = 96};
	uint8_t block[MT_PCAPNG_MAX_INTERFACE_BYTES];
	char longer[300];
	uint32_t bytes = mt_pcapng_put_section(block);

	(void)state;
	assert_true(bytes <= MT_PCAPNG_SECTION_BYTES);
	expect_block(block, bytes, MT_PCAPNG_SECTION);
	assert_int_equal(word(block + 8), 0x1a2b3c4d);
	assert_memory_equal(find_option(block + 24, 4, 9), "mirrortap", 9);

	bytes = mt_pcapng_put_interface(block, &interface);
	expect_block(block, bytes, MT_PCAPNG_OTHER);
	assert_int_equal(word(block + 8), 1); /* Ethernet */
	assert_int_equal(word(block + 12), 96);
	assert_memory_equal(find_option(block + 16, 2, 3), "web", 3);
	assert_memory_equal(find_option(block + 16, 3, 5), "vni 7", 5);
	assert_int_equal(*find_option(block + 16, 9, 1), 9);

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	interface = (struct mt_pcapng_interface){.name = longer, .description = longer};
	bytes = mt_pcapng_put_interface(block, &interface);
	assert_true(bytes <= sizeof(block));
	expect_block(block, bytes, MT_PCAPNG_OTHER);
}

static void makes_packets(void **state)
{
	static const struct {
		uint8_t flags;
		uint32_t direction;
	} directions[] = {
		{0, 0},
		{MT_FLAG_TRUNCATED, 0},
		{MT_FLAG_INGRESS, 1},
		{MT_FLAG_EGRESS | MT_FLAG_TRUNCATED, 2},
	};
	struct mt_pcapng_packet packet = {.time_ns = TIME, .interface = 3, .original_length = 1500};
	uint8_t block[128];

	(void)state;
	for (uint32_t length = 0; length < 6; length++) {
		for (size_t d = 0; d < 4; d++) {
			uint8_t *data = block + MT_PCAPNG_PACKET_HEAD_BYTES;
			uint32_t tail;

			memset(block, 0xee, sizeof(block));
			mt_pcapng_put_packet_head(block, &packet, length);
			tail = mt_pcapng_put_packet_tail(
				data + length, directions[d].flags, length);
			assert_true(tail <= MT_PCAPNG_MAX_PACKET_TAIL_BYTES);
			expect_block(block, MT_PCAPNG_PACKET_HEAD_BYTES + length + tail,
				MT_PCAPNG_PACKET);
			assert_int_equal(mt_pcapng_packet_bytes(length),
				MT_PCAPNG_PACKET_HEAD_BYTES + length + tail);
			assert_true(mt_pcapng_packet_time(block) == TIME);
			assert_int_equal(word(block + 8), 3);
			assert_int_equal(word(block + 20), length);
			assert_int_equal(word(block + 24), 1500);
			assert_int_equal(word(find_option(data + (length + 3) / 4 * 4, 2, 4)),
				directions[d].direction);
		}
	}
}

static void makes_statistics(void **state)
{
	struct mt_pcapng_statistics statistics = {
		.interface = 2,
		.start_ns = TIME,
		.now_ns = TIME + 5,
		.received = UINT64_C(1) << 40,
		.dropped = 4,
		.delivered = 3,
	};
	uint8_t block[MT_PCAPNG_STATISTICS_BYTES];
	uint32_t bytes = mt_pcapng_put_statistics(block, &statistics);
	uint64_t count;

	(void)state;
	assert_int_equal(bytes, MT_PCAPNG_STATISTICS_BYTES);
	expect_block(block, bytes, MT_PCAPNG_OTHER);
	assert_int_equal(word(block + 8), 2);
	assert_int_equal(word(block + 12), TIME >> 32);
	assert_int_equal(word(block + 16), (uint32_t)TIME + 5);
	assert_int_equal(word(find_option(block + 20, 2, 8) + 4), (uint32_t)TIME);
	memcpy(&count, find_option(block + 20, 4, 8), 8);
	assert_true(count == statistics.received);
	memcpy(&count, find_option(block + 20, 5, 8), 8);
	assert_true(count == 4);
}

static void tells_broken_blocks(void **state)
{
	static const uint32_t broken[][2] = {
		{6, 0}, {6, 28}, {6, 46}, {1, 8}, {0, 64}, {0x6e6f6e65, 64}};
	uint32_t length;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(
			mt_pcapng_look((const uint8_t *)broken[i], &length), MT_PCAPNG_BROKEN);
}

/* --- names and numbers --- */

static void names_files(void **state)
{
	char name[MT_CAPTURE_NAME_BYTES];
	bool part = true;

	(void)state;
	mt_capture_name(name, sizeof(name), "a", TIME);
	assert_string_equal(name, NAME);
	assert_true(mt_capture_name_is(name, "a", &part));
	assert_false(part);
	assert_true(mt_capture_name_is(NAME ".part", "a", &part));
	assert_true(part);
	assert_int_equal(mt_capture_name_length(NAME ".part"), 1);
	assert_int_equal(mt_capture_name_length("a-b" NAME ".part"), 4);
	assert_int_equal(mt_capture_name_length(NAME), 0);
	assert_int_equal(mt_capture_name_length("a.part"), 0);
	/* Another output's, and what is no capture file. */
	assert_false(mt_capture_name_is("a-" NAME, "a", &part));
	assert_false(mt_capture_name_is(NAME, "b", &part));
	assert_false(mt_capture_name_is(NAME "x", "a", &part));
	assert_false(mt_capture_name_is("a-notes.pcapng", "a", &part));
	assert_false(mt_capture_name_is("a", "a", &part));
}

static void numbers_vnis(void **state)
{
	struct mt_vni_counts *counts = calloc(1, sizeof(*counts));

	(void)state;
	for (uint32_t vni = 0; vni < MT_VNI_OTHER; vni++)
		assert_int_equal(mt_vni_number(&counts->table, vni * 4099), vni);
	assert_int_equal(mt_vni_number(&counts->table, 1), MT_VNI_OTHER);
	assert_int_equal(mt_vni_number(&counts->table, 4099 * 77), 77);

	memset(counts, 0, sizeof(*counts));
	for (uint32_t n = 0; n < 3000; n++)
		mt_vni_count(counts, n % 1500);
	assert_int_equal(counts->count, MT_VNI_OTHER);
	assert_int_equal(counts->vnis[12], 12);
	assert_int_equal(mt_vni_take(counts, 12), 2);
	assert_int_equal(mt_vni_take(counts, 12), 0);
	assert_int_equal(mt_vni_take(counts, MT_VNI_OTHER), 2 * (1500 - MT_VNI_OTHER));
	free(counts);
}

/* --- files --- */

struct fixture {
	char path[32];
	int directory;
	struct mt_capture_file file;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	strcpy(fixture->path, "/tmp/mt-capture-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->directory = open(fixture->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mt_capture_file_init(&fixture->file), 0);
	*state = fixture;
	return 0;
}

/* How many files there are; `name`: of one of them. */
static unsigned look_around(const struct fixture *fixture, char *name)
{
	DIR *stream = opendir(fixture->path);
	struct dirent *entry;
	unsigned count = 0;

	while ((entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (name != NULL)
			snprintf(name, MT_CAPTURE_NAME_BYTES, "%.95s", entry->d_name);
	}
	closedir(stream);
	return count;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char name[MT_CAPTURE_NAME_BYTES];

	while (look_around(fixture, name) > 0)
		assert_int_equal(unlinkat(fixture->directory, name, 0), 0);
	close(fixture->directory);
	rmdir(fixture->path);
	mt_capture_file_free(&fixture->file);
	free(fixture);
	return 0;
}

static uint64_t size_of(const struct fixture *fixture, const char *name)
{
	struct stat stat;

	assert_int_equal(fstatat(fixture->directory, name, &stat, 0), 0);
	return (uint64_t)stat.st_size;
}

static void open_file(struct fixture *fixture)
{
	uint8_t *to;

	assert_int_equal(
		mt_capture_file_open(&fixture->file, dup(fixture->directory), "a", TIME), 0);
	to = mt_capture_file_reserve(&fixture->file, MT_PCAPNG_SECTION_BYTES);
	mt_capture_file_commit(
		&fixture->file, mt_pcapng_put_section(to), (struct mt_capture_mark){0});
}

static bool put_frame(struct fixture *fixture, uint32_t length)
{
	struct mt_pcapng_packet packet = {.time_ns = TIME, .original_length = length};
	uint32_t bytes = mt_pcapng_packet_bytes(length);
	uint8_t *to = mt_capture_file_reserve(&fixture->file, bytes);

	if (to == NULL)
		return false;
	if (fixture->file.first_ns == 0)
		fixture->file.first_ns = TIME;
	mt_pcapng_put_packet_head(to, &packet, length);
	memset(to + MT_PCAPNG_PACKET_HEAD_BYTES, 0x55, length);
	mt_pcapng_put_packet_tail(to + MT_PCAPNG_PACKET_HEAD_BYTES + length, 0, length);
	mt_capture_file_commit(&fixture->file, bytes, (struct mt_capture_mark){.bytes = length});
	return true;
}

static void count_frames(void *context, const struct mt_capture_mark *mark)
{
	*(uint64_t *)context += mark->bytes > 0;
}

static uint64_t take(struct fixture *fixture)
{
	uint64_t frames = 0;

	mt_capture_file_take(&fixture->file, count_frames, &frames);
	return frames;
}

/* Walks over the blocks of a complete file; returns its packets. */
static uint64_t packets_of(const struct fixture *fixture, const char *name)
{
	int fd = openat(fixture->directory, name, O_RDONLY);
	uint64_t size = size_of(fixture, name), at = 0, packets = 0;
	uint8_t start[8], end[4];
	uint32_t length;

	assert_true(fd >= 0);
	for (; at < size; at += length) {
		assert_int_equal(pread(fd, start, 8, (off_t)at), 8);
		packets += mt_pcapng_look(start, &length) == MT_PCAPNG_PACKET;
		assert_true(at + length <= size);
		assert_int_equal(pread(fd, end, 4, (off_t)(at + length - 4)), 4);
		assert_int_equal(word(end), length);
	}
	close(fd);
	return packets;
}

/* Frames count as written when all their bytes are, whatever pages they lie in. */
static void writes_pages_and_tails(void **state)
{
	struct fixture *fixture = *state;
	struct mt_capture_file *file = &fixture->file;
	uint64_t frames = 0, written = 0;

	open_file(fixture);
	for (unsigned round = 0; round < 40; round++) {
		for (unsigned n = 0; n < 700; n++) {
			while (!put_frame(fixture, 60 + (round * 700 + n) % 1400)) {
				assert_int_equal(mt_capture_file_flush(file, false), 0);
				assert_int_equal(file->written % 4096, 0);
				written += take(fixture);
			}
			frames++;
		}
		if (round % 3 == 0) {
			assert_int_equal(mt_capture_file_flush(file, true), 0);
			assert_true(file->written == mt_capture_file_size(file));
			written += take(fixture);
			assert_int_equal(written, frames);
			assert_true(size_of(fixture, file->part) == file->written);
		}
	}
	assert_int_equal(mt_capture_file_flush(file, true), 0);
	written += take(fixture);
	assert_int_equal(written, frames);
	assert_int_equal(mt_capture_file_finish(file), 0);
	assert_int_equal(look_around(fixture, NULL), 1);
	assert_int_equal(packets_of(fixture, NAME), frames);
}

static void cuts_what_was_not_written(void **state)
{
	struct fixture *fixture = *state;
	uint64_t written;

	open_file(fixture);
	for (unsigned n = 0; n < 100; n++)
		put_frame(fixture, 1000);
	assert_int_equal(mt_capture_file_flush(&fixture->file, false), 0);
	written = take(fixture);
	assert_in_range(written, 90, 99);
	assert_int_equal(fixture->file.marks_count, 100 - written);
	assert_int_equal(mt_capture_file_finish(&fixture->file), 0);
	assert_int_equal(packets_of(fixture, NAME), written);
}

static void keeps_no_empty_file(void **state)
{
	struct fixture *fixture = *state;

	open_file(fixture);
	assert_int_equal(mt_capture_file_flush(&fixture->file, true), 0);
	take(fixture);
	assert_int_equal(look_around(fixture, NULL), 1);
	assert_int_equal(mt_capture_file_finish(&fixture->file), 0);
	assert_int_equal(look_around(fixture, NULL), 0);
}

static void takes_another_name(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned n = 0; n < 3; n++) {
		open_file(fixture);
		put_frame(fixture, 100);
		assert_int_equal(mt_capture_file_flush(&fixture->file, true), 0);
		take(fixture);
		assert_int_equal(mt_capture_file_finish(&fixture->file), 0);
		assert_int_equal(look_around(fixture, NULL), n + 1);
	}
	size_of(fixture, "a-20231114T221320.123458Z.pcapng");
}

static void tells_a_full_disk(void **state)
{
	struct fixture *fixture = *state;
	int full;

	open_file(fixture);
	put_frame(fixture, 1000);
	/* /dev/full behaves as a full disk does. */
	full = open("/dev/full", O_WRONLY);
	assert_true(full >= 0);
	dup2(full, fixture->file.fd);
	close(full);
	fixture->file.direct = false;
	assert_int_equal(mt_capture_file_flush(&fixture->file, true), -ENOSPC);
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->file.marks_count, 2);
	assert_int_equal(mt_capture_file_finish(&fixture->file), 0);
	assert_int_equal(look_around(fixture, NULL), 0);
}

/* --- files that were left --- */

static void leave_part(struct fixture *fixture, unsigned frames)
{
	open_file(fixture);
	for (unsigned n = 0; n < frames; n++)
		put_frame(fixture, 90);
	assert_int_equal(mt_capture_file_flush(&fixture->file, true), 0);
	take(fixture);
	close(fixture->file.fd);
	close(fixture->file.directory);
	fixture->file.fd = -1;
}

/* Cut at each byte, a file keeps all blocks before. */
static void completes_cut_files(void **state)
{
	struct fixture *fixture = *state;
	struct mt_capture_ring ring = {.directory = fixture->path, .name = "a"};
	const uint64_t frame = mt_pcapng_packet_bytes(90);

	for (uint64_t cut = 0; cut <= 3 * frame; cut++) {
		uint64_t expected = 4 - (cut + frame - 1) / frame;
		uint64_t size;

		leave_part(fixture, 4);
		size = mt_capture_file_size(&fixture->file);
		fixture->file.fd = openat(fixture->directory, fixture->file.part, O_RDWR);
		assert_int_equal(ftruncate(fixture->file.fd, (off_t)(size - cut)), 0);
		close(fixture->file.fd);
		assert_int_equal(mt_capture_ring_recover(&ring, fixture->directory), 1);
		assert_int_equal(packets_of(fixture, NAME), expected);
		assert_int_equal(look_around(fixture, NULL), 1);
		unlinkat(fixture->directory, NAME, 0);
	}
}

static void removes_parts_without_frames(void **state)
{
	struct fixture *fixture = *state;
	struct mt_capture_ring ring = {.directory = fixture->path, .name = "a"};

	leave_part(fixture, 0);
	assert_int_equal(mt_capture_ring_recover(&ring, fixture->directory), 1);
	assert_int_equal(look_around(fixture, NULL), 0);
}

static void leaves_parts_of_others(void **state)
{
	struct fixture *fixture = *state;
	struct mt_capture_ring ring = {.directory = fixture->path, .name = "b"};
	char name[MT_CAPTURE_NAME_BYTES];

	leave_part(fixture, 1);
	assert_int_equal(mt_capture_ring_recover(&ring, fixture->directory), 0);
	unlinkat(fixture->directory, fixture->file.part, 0);
	/* Being written. */
	ring.name = "a";
	open_file(fixture);
	assert_int_equal(mt_capture_ring_recover(&ring, fixture->directory), 0);
	assert_int_equal(look_around(fixture, name), 1);
	assert_string_equal(name, fixture->file.part);
	assert_int_equal(mt_capture_file_finish(&fixture->file), 0);
}

/* Much behind the last whole block is no unfinished write: nothing is cut. */
static void leaves_damaged_files_whole(void **state)
{
	struct fixture *fixture = *state;
	struct mt_capture_ring ring = {.directory = fixture->path, .name = "a"};
	const uint64_t bytes = 4 << 20;
	int fd;

	leave_part(fixture, 2);
	fd = openat(fixture->directory, fixture->file.part, O_RDWR);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
	assert_int_equal(mt_capture_ring_recover(&ring, fixture->directory), 1);
	assert_true(size_of(fixture, NAME) == bytes);
}

/* --- what is kept --- */

static void prunes(void **state)
{
	struct fixture *fixture = *state;
	struct mt_capture_ring ring = {.directory = fixture->path, .name = "a"};
	char name[MT_CAPTURE_NAME_BYTES];

	for (unsigned n = 0; n < 10; n++) {
		int fd;

		mt_capture_name(name, sizeof(name), n == 0 ? "b" : "a", TIME + n * 1000);
		fd = openat(fixture->directory, name, O_CREAT | O_WRONLY, 0600);
		assert_int_equal(ftruncate(fd, 1000), 0);
		close(fd);
	}
	assert_int_equal(mt_capture_ring_prune(&ring, fixture->directory, 1 << 20), 0);
	ring.keep_files = 7;
	assert_int_equal(mt_capture_ring_prune(&ring, fixture->directory, 1 << 20), 2);
	ring.keep_bytes = 7000;
	assert_int_equal(mt_capture_ring_prune(&ring, fixture->directory, 0), 0);
	assert_int_equal(mt_capture_ring_prune(&ring, fixture->directory, 1001), 2);
	assert_int_equal(look_around(fixture, NULL), 5 + 1);
	/* The newest are kept, and what is another's. */
	mt_capture_name(name, sizeof(name), "a", TIME + 5 * 1000);
	size_of(fixture, name);
	mt_capture_name(name, sizeof(name), "b", TIME);
	size_of(fixture, name);
	assert_int_equal(mt_capture_ring_prune(&ring, fixture->directory, 100000), 5);
}

static void makes_its_folder(void **state)
{
	struct fixture *fixture = *state;
	struct mt_capture_ring ring = {.name = "a"};
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/x/y", fixture->path);
	ring.directory = path;
	assert_int_equal(mt_capture_ring_open(&ring), -ENOENT);
	path[strlen(path) - 2] = '\0';
	fd = mt_capture_ring_open(&ring);
	assert_true(fd >= 0);
	close(fd);
	rmdir(path);
}

int main(void)
{
#define FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_section_and_interface),
		cmocka_unit_test(makes_packets),
		cmocka_unit_test(makes_statistics),
		cmocka_unit_test(tells_broken_blocks),
		cmocka_unit_test(names_files),
		cmocka_unit_test(numbers_vnis),
		FILES(writes_pages_and_tails),
		FILES(cuts_what_was_not_written),
		FILES(keeps_no_empty_file),
		FILES(takes_another_name),
		FILES(tells_a_full_disk),
		FILES(completes_cut_files),
		FILES(removes_parts_without_frames),
		FILES(leaves_parts_of_others),
		FILES(leaves_damaged_files_whole),
		FILES(prunes),
		FILES(makes_its_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
