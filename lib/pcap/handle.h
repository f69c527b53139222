/* SPDX-License-Identifier: BSD-3-Clause */
/* libmirrortap-pcap: ring outputs for programs that know libpcap and nothing of Mirrortap. Loaded
 * before libpcap (`mirrortap exec`), it has libpcap's own functions: those that open, read, filter,
 * poll, count and close. Of a device "mirrortap:OUTPUT[@QUEUE]" they are done here; all else goes
 * to the real libpcap as it came.
 *
 * The handle that a program gets is a real one, of pcap_open_dead(): whatever is not replaced here
 * (compiling filters, link types, texts of errors, ...) works on it as on any other. But such a one
 * has its snapshot length and precision from its beginning, and programs set them later; so there
 * is a second one for what depends on these, which is writing capture files (format.c). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <pcap/pcap.h>

#include "consumer/mirrortap_consumer.h"

#define MT_PCAP_PREFIX "mirrortap:"
/* What replaces a function of libpcap. All else is hidden. */
#define MT_PCAP_EXPORT __attribute__((visibility("default")))

enum {
	MT_PCAP_BURST = 64,
	MT_PCAP_MAX_SNAPLEN = 262144, /* libpcap's own */
	MT_PCAP_MAX_NAME = 64,
};

/* "mirrortap:ids@1" */
struct mt_pcap_device {
	char name[sizeof(MT_PCAP_PREFIX) + MT_PCAP_MAX_NAME + 8];
	char output[MT_PCAP_MAX_NAME];
	int queue; /* or MIRRORTAP_ALL_QUEUES, MIRRORTAP_ANY_QUEUE */
};

/* A thread's own, as a handle of libpcap is, but for `broken`. */
struct mt_pcap {
	pcap_t *seen;   /* the program's */
	pcap_t *format; /* with the snapshot length and precision that were set; NULL before */
	struct mt_pcap_device device;
	struct mirrortap_consumer *consumer; /* NULL: not activated yet */
	bool ended;                          /* the daemon has */

	/* What the program wishes. */
	int snaplen;
	int timeout_ms; /* 0: none */
	int precision;  /* PCAP_TSTAMP_PRECISION_* */
	pcap_direction_t direction;
	bool monitor_mode;
	bool nonblock;
	struct bpf_program filter; /* bf_insns NULL: none */
	_Atomic bool broken;       /* by any thread, or a signal's handler */

	/* Frames that were received from one queue, and are not released. */
	struct mirrortap_frame frames[MT_PCAP_BURST];
	unsigned count;
	unsigned next; /* the first one that was not given to the program */
	struct mirrortap_queue *from;
	unsigned turn;                 /* the queue to be read next */
	uint8_t *linear;               /* where frames in pieces are put together */
	struct pcap_pkthdr one_header; /* what pcap_next() and pcap_next_ex() return */
	const u_char *one_bytes;

	/* For programs that poll; -1 before. */
	int poll_fd;
	int ready_fd; /* of it: readable while there are frames */
	bool ready;

	uint64_t received;       /* before the filter */
	uint64_t dropped_before; /* by the ring, before this handle was attached */
	uint64_t dropped_past;   /* by rings of daemons that have ended */
};

/* The function of this name in the real libpcap. Ends the program if there is none. */
void *mt_pcap_real(const char *name);

/* The same with its type, looked up once. */
#define REAL(function)                                                         \
	({                                                                     \
		static __typeof__(&function) real;                             \
		if (real == NULL)                                              \
			real = (__typeof__(&function))mt_pcap_real(#function); \
		real;                                                          \
	})

/* --- handle.c --- */

/* NULL: not ours. Any thread, and signals' handlers. */
struct mt_pcap *mt_pcap_find(const pcap_t *seen);

/* Says in the handle's text of the last error what is wrong; the device's name comes first. Returns
 * `code`, which is PCAP_ERROR or another one of libpcap's. */
__attribute__((format(printf, 3, 4))) int mt_pcap_fail(
	struct mt_pcap *pcap, int code, const char *format, ...);

/* PCAP_ERROR_NOT_ACTIVATED, or 0. */
int mt_pcap_check_active(struct mt_pcap *pcap);

/* --- device.c --- */

bool mt_pcap_is_ours(const char *device);

/* False: it is ours, but no name of a device; `error` (PCAP_ERRBUF_SIZE) says why. */
bool mt_pcap_parse_device(const char *name, struct mt_pcap_device *device, char *error);

/* Of the daemon. */
const char *mt_pcap_file_prefix(void);

/* "mirrortap:ids, mirrortap:archive", or "none": the outputs that can be opened. */
void mt_pcap_list_devices(char *text, size_t size);

/* --- read.c --- */

/* Gives everything back that was received. */
void mt_pcap_release(struct mt_pcap *pcap);

/* --- poll.c --- */

/* Tells those who poll whether there are frames; at the end of each call that reads. */
void mt_pcap_tell_poll(struct mt_pcap *pcap);

/* Watches the queues of a consumer that has just been attached. */
void mt_pcap_watch(struct mt_pcap *pcap);

void mt_pcap_poll_close(struct mt_pcap *pcap);
