/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of mirrordump besides libmirrortap-consumer: asking for the daemon, writing frames. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <pcap/pcap.h>

#include "consumer/mirrortap_consumer.h"
#include "packet/facts.h"

enum {
	DUMP_MAX_QUEUES = 64,
	DUMP_ADDRESS_SIZE = 46, /* INET6_ADDRSTRLEN */
	DUMP_TIME_SIZE = 40,
};

/* --- dump_daemon.c: what the daemon says over its control socket --- */

struct dump_daemon {
	char file_prefix[64];
};

/* Asks for the daemon and its ring output `output`. If `file_prefix` is not NULL and not that of
 * the daemon that answers, or none answers, only the prefix is known. On failure one line is in
 * `error`. */
bool dump_daemon_ask(struct dump_daemon *daemon, const char *socket_path, const char *output,
	const char *file_prefix, char *error, size_t error_size);

/* --- dump_frame.c: one frame in words --- */

/* "10.0.0.1" for an IPv4 address that is mapped, else IPv6. */
void dump_format_address(char text[DUMP_ADDRESS_SIZE], struct mt_address address);

/* "2024-11-23T12:00:00.123456789Z" */
void dump_format_time(char text[DUMP_TIME_SIZE], uint64_t time_ns);

/* One line: time, queue, VNI, source, lengths, direction, flags, the inner frame in short.
 * `session`, its name, stands behind the VNI; NULL: left out. */
void dump_print_frame(FILE *stream, const struct mirrortap_frame *frame, const char *session);

/* --- dump_pcap.c: a capture file --- */

struct dump_pcap {
	const char *name;
	pcap_t *format;
	pcap_dumper_t *file;
	uint8_t *linear; /* where chained frames are put together */
};

/* Opens `path`, "-" being standard output. On failure one line is in `error`. */
bool dump_pcap_open(struct dump_pcap *pcap, const char *path, char *error, size_t error_size);

/* False after a failure to write; the reason is in errno. */
bool dump_pcap_write(struct dump_pcap *pcap, const struct mirrortap_frame *frame);
bool dump_pcap_flush(struct dump_pcap *pcap);
bool dump_pcap_close(struct dump_pcap *pcap);
