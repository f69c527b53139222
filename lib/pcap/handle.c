/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles from their creation to their end. */
#include "pcap/handle.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_HANDLES = 256,
};

/* Which handles are ours. Written under `lock`; read by any thread at any time. */
static struct {
	pthread_mutex_t lock;
	_Atomic unsigned used; /* entries from here on were never used */
	struct {
		_Atomic(const pcap_t *) seen; /* NULL: free */
		struct mt_pcap *pcap;
	} entries[MAX_HANDLES];
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

void *mt_pcap_real(const char *name)
{
	void *real = dlsym(RTLD_NEXT, name);

	if (real != NULL)
		return real;
	fprintf(stderr, "libmirrortap-pcap: libpcap has no %s here\n", name);
	abort();
}

/* --- the table --- */

struct mt_pcap *mt_pcap_find(const pcap_t *seen)
{
	unsigned used = atomic_load_explicit(&table.used, memory_order_acquire);

	for (unsigned e = 0; e < used; e++)
		if (atomic_load_explicit(&table.entries[e].seen, memory_order_acquire) == seen
			&& seen != NULL)
			return table.entries[e].pcap;
	return NULL;
}

static bool add(struct mt_pcap *pcap)
{
	unsigned e = 0;

	pthread_mutex_lock(&table.lock);
	while (e < MAX_HANDLES && atomic_load(&table.entries[e].seen) != NULL)
		e++;
	if (e < MAX_HANDLES) {
		table.entries[e].pcap = pcap;
		atomic_store(&table.entries[e].seen, pcap->seen);
		if (e >= table.used)
			atomic_store(&table.used, e + 1);
	}
	pthread_mutex_unlock(&table.lock);
	return e < MAX_HANDLES;
}

static void take_out(const struct mt_pcap *pcap)
{
	pthread_mutex_lock(&table.lock);
	for (unsigned e = 0; e < MAX_HANDLES; e++)
		if (atomic_load(&table.entries[e].seen) == pcap->seen)
			atomic_store(&table.entries[e].seen, NULL);
	pthread_mutex_unlock(&table.lock);
}

/* --- errors --- */

int mt_pcap_fail(struct mt_pcap *pcap, int code, const char *format, ...)
{
	char *error = pcap_geterr(pcap->seen);
	int used = snprintf(error, PCAP_ERRBUF_SIZE, "%s: ", pcap->device.name);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error + used, (size_t)(PCAP_ERRBUF_SIZE - used), format, arguments);
	va_end(arguments);
	return code;
}

int mt_pcap_check_active(struct mt_pcap *pcap)
{
	if (pcap->consumer != NULL)
		return 0;
	return mt_pcap_fail(pcap, PCAP_ERROR_NOT_ACTIVATED, "pcap_activate() was not called yet");
}

/* --- creation --- */

static void free_handle(struct mt_pcap *pcap)
{
	if (pcap->format != NULL)
		REAL(pcap_close)(pcap->format);
	if (pcap->seen != NULL)
		REAL(pcap_close)(pcap->seen);
	free(pcap->filter.bf_insns);
	free(pcap->linear);
	free(pcap);
}

static struct mt_pcap *make_handle(const struct mt_pcap_device *device)
{
	struct mt_pcap *pcap = aligned_alloc(64, (sizeof(*pcap) + 63) / 64 * 64);

	if (pcap == NULL)
		return NULL;
	*pcap = (struct mt_pcap){
		.device = *device,
		.seen = pcap_open_dead(DLT_EN10MB, MT_PCAP_MAX_SNAPLEN),
		.linear = malloc(MT_PCAP_MAX_SNAPLEN),
		.snaplen = MT_PCAP_MAX_SNAPLEN,
		.precision = PCAP_TSTAMP_PRECISION_MICRO,
		.direction = PCAP_D_INOUT,
		.poll_fd = -1,
		.ready_fd = -1,
	};
	if (pcap->seen != NULL && pcap->linear != NULL && add(pcap))
		return pcap;
	free_handle(pcap);
	return NULL;
}

MT_PCAP_EXPORT pcap_t *pcap_create(const char *name, char *error)
{
	struct mt_pcap_device device;
	struct mt_pcap *pcap;

	if (!mt_pcap_is_ours(name))
		return REAL(pcap_create)(name, error);
	if (!mt_pcap_parse_device(name, &device, error))
		return NULL;
	pcap = make_handle(&device);
	if (pcap == NULL) {
		snprintf(error, PCAP_ERRBUF_SIZE, "%s: out of memory, or more than %d are open",
			device.name, MAX_HANDLES);
		return NULL;
	}
	return pcap->seen;
}

/* --- what is set before activation --- */

/* Returns 0 if it may still be set. */
static int check_inactive(struct mt_pcap *pcap)
{
	if (pcap->consumer == NULL)
		return 0;
	return mt_pcap_fail(pcap, PCAP_ERROR_ACTIVATED, "can't be set once the device is open");
}

MT_PCAP_EXPORT int pcap_set_snaplen(pcap_t *seen, int snaplen)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	int rc;

	if (pcap == NULL)
		return REAL(pcap_set_snaplen)(seen, snaplen);
	rc = check_inactive(pcap);
	if (rc == 0)
		pcap->snaplen = snaplen > 0 && snaplen < MT_PCAP_MAX_SNAPLEN ? snaplen
									     : MT_PCAP_MAX_SNAPLEN;
	return rc;
}

MT_PCAP_EXPORT int pcap_set_timeout(pcap_t *seen, int timeout_ms)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	int rc;

	if (pcap == NULL)
		return REAL(pcap_set_timeout)(seen, timeout_ms);
	rc = check_inactive(pcap);
	if (rc == 0)
		pcap->timeout_ms = timeout_ms > 0 ? timeout_ms : 0;
	return rc;
}

MT_PCAP_EXPORT int pcap_set_tstamp_precision(pcap_t *seen, int precision)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	int rc;

	if (pcap == NULL)
		return REAL(pcap_set_tstamp_precision)(seen, precision);
	rc = check_inactive(pcap);
	if (rc == 0 && precision != PCAP_TSTAMP_PRECISION_MICRO
		&& precision != PCAP_TSTAMP_PRECISION_NANO)
		return mt_pcap_fail(
			pcap, PCAP_ERROR_TSTAMP_PRECISION_NOTSUP, "no such precision of times");
	if (rc == 0)
		pcap->precision = precision;
	return rc;
}

MT_PCAP_EXPORT int pcap_set_tstamp_type(pcap_t *seen, int type)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	int rc;

	if (pcap == NULL)
		return REAL(pcap_set_tstamp_type)(seen, type);
	rc = check_inactive(pcap);
	if (rc == 0 && type != PCAP_TSTAMP_HOST)
		return PCAP_WARNING_TSTAMP_TYPE_NOTSUP;
	return rc;
}

MT_PCAP_EXPORT int pcap_can_set_rfmon(pcap_t *seen)
{
	return mt_pcap_find(seen) == NULL ? REAL(pcap_can_set_rfmon)(seen) : 0;
}

MT_PCAP_EXPORT int pcap_set_rfmon(pcap_t *seen, int on)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	int rc;

	if (pcap == NULL)
		return REAL(pcap_set_rfmon)(seen, on);
	rc = check_inactive(pcap);
	if (rc == 0)
		pcap->monitor_mode = on != 0; /* pcap_activate() says that there is none */
	return rc;
}

/* There is nothing to switch: all frames come, at once, and their buffer is the ring. */
MT_PCAP_EXPORT int pcap_set_promisc(pcap_t *seen, int on)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_set_promisc)(seen, on) : check_inactive(pcap);
}

MT_PCAP_EXPORT int pcap_set_immediate_mode(pcap_t *seen, int on)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_set_immediate_mode)(seen, on) : check_inactive(pcap);
}

MT_PCAP_EXPORT int pcap_set_buffer_size(pcap_t *seen, int bytes)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_set_buffer_size)(seen, bytes) : check_inactive(pcap);
}

MT_PCAP_EXPORT int pcap_set_protocol_linux(pcap_t *seen, int protocol)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_set_protocol_linux)(seen, protocol) : check_inactive(pcap);
}

/* --- activation --- */

static uint64_t dropped_by_ring(const struct mt_pcap *pcap)
{
	uint64_t sum = 0;

	for (unsigned q = 0; q < mirrortap_queues(pcap->consumer); q++) {
		struct mirrortap_counts counts;

		mirrortap_read_counts(mirrortap_queue(pcap->consumer, q), &counts);
		sum += counts.dropped_full;
	}
	return sum;
}

/* Since this handle was opened. */
static uint64_t dropped(const struct mt_pcap *pcap)
{
	return pcap->dropped_past + dropped_by_ring(pcap) - pcap->dropped_before;
}

static int attach(struct mt_pcap *pcap)
{
	struct mirrortap_options options = {
		.output = pcap->device.output,
		.file_prefix = mt_pcap_file_prefix(),
		.queue = pcap->device.queue,
	};
	char error[512];
	char others[128];
	int rc = mirrortap_attach(&options, &pcap->consumer, error, sizeof(error));

	if (rc == 0)
		return 0;
	if (rc == -ENOENT) {
		mt_pcap_list_devices(others, sizeof(others));
		return mt_pcap_fail(pcap, PCAP_ERROR, "%s; there are: %s", error, others);
	}
	return mt_pcap_fail(pcap, rc == -EACCES ? PCAP_ERROR_PERM_DENIED : PCAP_ERROR, "%s", error);
}

static void detach(struct mt_pcap *pcap)
{
	mt_pcap_release(pcap);
	mirrortap_detach(pcap->consumer);
	pcap->consumer = NULL;
}

/* Of a handle whose daemon has ended: Suricata, for one, tries so until it is back. */
static int attach_again(struct mt_pcap *pcap)
{
	struct mirrortap_consumer *gone = pcap->consumer;
	uint64_t dropped_past = dropped(pcap);
	int rc;

	mt_pcap_release(pcap);
	rc = attach(pcap);
	if (rc < 0) {
		pcap->consumer = gone;
		return rc;
	}
	mirrortap_detach(gone);
	pcap->dropped_past = dropped_past;
	pcap->ended = false;
	return 0;
}

MT_PCAP_EXPORT int pcap_activate(pcap_t *seen)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	int rc;

	if (pcap == NULL)
		return REAL(pcap_activate)(seen);
	if (pcap->ended) {
		rc = attach_again(pcap);
	} else {
		rc = check_inactive(pcap);
		if (rc == 0 && pcap->monitor_mode)
			rc = mt_pcap_fail(pcap, PCAP_ERROR_RFMON_NOTSUP, "is no radio");
		if (rc == 0 && pcap->format == NULL)
			pcap->format = pcap_open_dead_with_tstamp_precision(
				DLT_EN10MB, pcap->snaplen, (unsigned)pcap->precision);
		if (rc == 0 && pcap->format == NULL)
			rc = mt_pcap_fail(pcap, PCAP_ERROR, "out of memory");
		if (rc == 0)
			rc = attach(pcap);
	}
	if (rc == 0) {
		pcap->dropped_before = dropped_by_ring(pcap);
		mt_pcap_watch(pcap);
	}
	return rc;
}

MT_PCAP_EXPORT pcap_t *pcap_open_live(
	const char *device, int snaplen, int promiscuous, int timeout_ms, char *error)
{
	pcap_t *seen;

	if (!mt_pcap_is_ours(device))
		return REAL(pcap_open_live)(device, snaplen, promiscuous, timeout_ms, error);
	seen = pcap_create(device, error);
	if (seen == NULL)
		return NULL;
	pcap_set_snaplen(seen, snaplen);
	pcap_set_timeout(seen, timeout_ms);
	if (pcap_activate(seen) >= 0)
		return seen;
	snprintf(error, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(seen));
	pcap_close(seen);
	return NULL;
}

/* --- counts, and the end --- */

MT_PCAP_EXPORT int pcap_stats(pcap_t *seen, struct pcap_stat *stats)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	uint64_t lost;
	int rc;

	if (pcap == NULL)
		return REAL(pcap_stats)(seen, stats);
	rc = mt_pcap_check_active(pcap);
	if (rc < 0)
		return rc;
	lost = dropped(pcap);
	/* As with a kernel's device what was dropped was received, too. */
	*stats = (struct pcap_stat){
		.ps_recv = (u_int)(pcap->received + lost),
		.ps_drop = (u_int)lost,
	};
	return 0;
}

MT_PCAP_EXPORT void pcap_close(pcap_t *seen)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	if (pcap == NULL) {
		REAL(pcap_close)(seen);
		return;
	}
	take_out(pcap);
	if (pcap->consumer != NULL)
		detach(pcap);
	mt_pcap_poll_close(pcap);
	free_handle(pcap);
}
