/* SPDX-License-Identifier: BSD-3-Clause */
/* What libpcap's interface promises, asked of a ring output: a program that knows libpcap alone,
 * run by `mirrortap exec`.
 *
 *     pcap_api CASE DEVICE [ARGUMENT]
 *
 * The cases are functions below; tests/smoke/pcap_api.sh calls each with the ring that it needs.
 * Exit: 0, or 1 after a line about what is not as it should be. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <pcap/pcap.h>

static pcap_t *open_handle; /* for the signal's handler, and errors */

#define CHECK(condition)                            \
	do {                                        \
		if (!(condition))                   \
			fail(__LINE__, #condition); \
	} while (0)

static void fail(int line, const char *condition)
{
	fprintf(stderr, "pcap_api.c:%d: not so: %s; last error: %s\n", line, condition,
		open_handle != NULL ? pcap_geterr(open_handle) : "-");
	exit(EXIT_FAILURE);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static pcap_t *open_device(const char *device, int timeout_ms)
{
	char error[PCAP_ERRBUF_SIZE] = "";

	open_handle = pcap_open_live(device, 65535, 1, timeout_ms, error);
	if (open_handle == NULL) {
		fprintf(stderr, "%s\n", error);
		exit(EXIT_FAILURE);
	}
	return open_handle;
}

static void count_one(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	(void)header;
	(void)bytes;
	++*(unsigned *)(void *)user;
}

/* --- the cases --- */

/* What can be set, when, and what is said where it can't. */
static void settings(const char *device, const char *argument)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap = pcap_create(device, error);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	int *list;

	(void)argument;
	CHECK(pcap != NULL);
	open_handle = pcap;
	CHECK(pcap_snapshot(pcap) == PCAP_ERROR_NOT_ACTIVATED);
	CHECK(pcap_next_ex(pcap, &header, &bytes) == PCAP_ERROR_NOT_ACTIVATED);
	CHECK(pcap_dispatch(pcap, 1, NULL, NULL) == PCAP_ERROR_NOT_ACTIVATED);
	CHECK(pcap_set_snaplen(pcap, 60) == 0);
	CHECK(pcap_set_promisc(pcap, 1) == 0);
	CHECK(pcap_set_timeout(pcap, 100) == 0);
	CHECK(pcap_set_immediate_mode(pcap, 1) == 0);
	CHECK(pcap_set_buffer_size(pcap, 1 << 20) == 0);
	CHECK(pcap_set_tstamp_type(pcap, PCAP_TSTAMP_HOST) == 0);
	CHECK(pcap_set_tstamp_type(pcap, PCAP_TSTAMP_ADAPTER) == PCAP_WARNING_TSTAMP_TYPE_NOTSUP);
	CHECK(pcap_set_tstamp_precision(pcap, 77) == PCAP_ERROR_TSTAMP_PRECISION_NOTSUP);
	CHECK(pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO) == 0);
	CHECK(pcap_can_set_rfmon(pcap) == 0);
	CHECK(pcap_set_rfmon(pcap, 1) == 0);
	CHECK(pcap_activate(pcap) == PCAP_ERROR_RFMON_NOTSUP);
	CHECK(pcap_set_rfmon(pcap, 0) == 0);
	CHECK(pcap_activate(pcap) == 0);
	CHECK(pcap_activate(pcap) == PCAP_ERROR_ACTIVATED);
	CHECK(pcap_set_snaplen(pcap, 100) == PCAP_ERROR_ACTIVATED);
	CHECK(pcap_snapshot(pcap) == 60);
	CHECK(pcap_get_tstamp_precision(pcap) == PCAP_TSTAMP_PRECISION_NANO);
	CHECK(pcap_datalink(pcap) == DLT_EN10MB);
	CHECK(pcap_list_datalinks(pcap, &list) == 1 && list[0] == DLT_EN10MB);
	pcap_free_datalinks(list);
	CHECK(pcap_set_datalink(pcap, DLT_EN10MB) == 0);
	CHECK(pcap_set_datalink(pcap, DLT_RAW) == PCAP_ERROR);
	CHECK(pcap_setdirection(pcap, (pcap_direction_t)9) == PCAP_ERROR);
	CHECK(pcap_setdirection(pcap, PCAP_D_INOUT) == 0);
	CHECK(pcap_inject(pcap, "frame", 5) == PCAP_ERROR);
	CHECK(strstr(pcap_geterr(pcap), "nothing can be sent") != NULL);
	CHECK(pcap_sendpacket(pcap, (const u_char *)"frame", 5) == PCAP_ERROR);
	CHECK(pcap_dump_open(pcap, "/does/not/exist") == NULL);
	CHECK(strstr(pcap_geterr(pcap), "/does/not/exist") != NULL);
	CHECK(pcap_next_ex(pcap, &header, &bytes) == 1);
	CHECK(header->caplen == 60 && header->len > 60);
	CHECK(header->ts.tv_sec > 1700000000 && header->ts.tv_usec < 1000000000);
	pcap_close(pcap);
}

/* All of a ring (ARGUMENT: how many frames), by each function that reads, and through filters. */
static void reading(const char *device, const char *argument)
{
	pcap_t *pcap = open_device(device, 200);
	unsigned frames = (unsigned)atoi(argument);
	struct bpf_program filter;
	struct pcap_pkthdr header;
	struct pcap_pkthdr *next;
	struct pcap_stat stats;
	const u_char *bytes;
	unsigned count = 0;
	double begin;

	CHECK(pcap_dispatch(pcap, 5, count_one, (void *)&count) == 5 && count == 5);
	CHECK(pcap_next(pcap, &header) != NULL && header.len >= header.caplen);
	CHECK(header.ts.tv_sec > 1700000000 && header.ts.tv_usec < 1000000);
	CHECK(pcap_next_ex(pcap, &next, &bytes) == 1 && next->caplen >= 14 && bytes[12] == 0x08);
	CHECK(pcap_loop(pcap, 100, count_one, (void *)&count) == 0 && count == 105);
	count += 2;
	/* A program frees its filter once it is set. */
	CHECK(pcap_compile(pcap, &filter, "ether[0] & 1 = 1", 1, PCAP_NETMASK_UNKNOWN) == 0);
	CHECK(pcap_setfilter(pcap, &filter) == 0);
	pcap_freecode(&filter);
	begin = now();
	CHECK(pcap_next_ex(pcap, &next, &bytes) == 0); /* the rest goes by */
	CHECK(now() - begin >= 0.15 && now() - begin < 10);
	CHECK(pcap_stats(pcap, &stats) == 0);
	CHECK(stats.ps_recv == frames && stats.ps_drop == 0 && stats.ps_ifdrop == 0);
	CHECK(count < frames);
	CHECK(pcap_setfilter(pcap, &(struct bpf_program){0}) == PCAP_ERROR);
	CHECK(pcap_next(pcap, &header) == NULL);
	CHECK(pcap_setnonblock(pcap, 1, (char[PCAP_ERRBUF_SIZE]){0}) == 0);
	CHECK(pcap_getnonblock(pcap, (char[PCAP_ERRBUF_SIZE]){0}) == 1);
	begin = now();
	CHECK(pcap_dispatch(pcap, -1, count_one, (void *)&count) == 0);
	CHECK(now() - begin < 0.15);
	pcap_close(pcap);
}

static void break_at_ten(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
	count_one(user, header, bytes);
	if (*(unsigned *)(void *)user == 10)
		pcap_breakloop(open_handle);
}

static void on_alarm(int number)
{
	(void)number;
	pcap_breakloop(open_handle);
}

static void *break_from_thread(void *opaque)
{
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	pcap_breakloop(opaque);
	return NULL;
}

/* By the function that gets the frames, by a signal, by another thread; the last two while it waits
 * without a timeout. */
static void breaking(const char *device, const char *argument)
{
	pcap_t *pcap = open_device(device, 0);
	struct itimerval once = {.it_value.tv_usec = 300000};
	unsigned frames = (unsigned)atoi(argument);
	pthread_t thread;
	unsigned count = 0;

	CHECK(pcap_loop(pcap, -1, break_at_ten, (void *)&count) == PCAP_ERROR_BREAK && count == 10);
	/* Nothing of what was received is lost by that. */
	CHECK(pcap_loop(pcap, (int)frames - 10, count_one, (void *)&count) == 0 && count == frames);
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &once, NULL);
	CHECK(pcap_loop(pcap, -1, count_one, (void *)&count) == PCAP_ERROR_BREAK);
	CHECK(pthread_create(&thread, NULL, break_from_thread, pcap) == 0);
	CHECK(pcap_dispatch(pcap, -1, count_one, (void *)&count) == PCAP_ERROR_BREAK);
	pthread_join(thread, NULL);
	CHECK(count == frames);
	pcap_close(pcap);
}

/* By poll(), a frame at a time; then "polled" is printed, and ARGUMENT more frames are waited for.
 */
static void polling(const char *device, const char *argument)
{
	pcap_t *pcap = open_device(device, 0);
	unsigned more = (unsigned)atoi(argument);
	struct pollfd polled = {.fd = pcap_get_selectable_fd(pcap), .events = POLLIN};
	unsigned count = 0;

	CHECK(polled.fd >= 0);
	CHECK(pcap_get_required_select_timeout(pcap) == NULL);
	CHECK(pcap_fileno(pcap) == polled.fd);
	CHECK(pcap_setnonblock(pcap, 1, (char[PCAP_ERRBUF_SIZE]){0}) == 0);
	while (poll(&polled, 1, 0) == 1)
		CHECK(pcap_dispatch(pcap, 1, count_one, (void *)&count) == 1);
	printf("polled %u\n", count);
	fflush(stdout);
	for (count = 0; count < more;) {
		CHECK(poll(&polled, 1, 20000) == 1);
		CHECK(pcap_dispatch(pcap, -1, count_one, (void *)&count) >= 0);
	}
	CHECK(poll(&polled, 1, 0) == 0);
	pcap_close(pcap);
}

/* A handle for each of two queues, in one process; a third one is refused in words. */
static void queues(const char *device, const char *argument)
{
	unsigned frames = (unsigned)atoi(argument);
	char name[64];
	char error[PCAP_ERRBUF_SIZE];
	unsigned count = 0;
	pcap_t *one;
	pcap_t *two;

	snprintf(name, sizeof(name), "%s@1", device);
	one = open_device(name, 100);
	snprintf(name, sizeof(name), "%s@any", device);
	two = open_device(name, 100);
	CHECK(pcap_open_live(name, 100, 0, 100, error) == NULL);
	CHECK(strstr(error, "all 2 queues of output") != NULL);
	CHECK(pcap_open_live(device, 100, 0, 100, error) == NULL);
	CHECK(strstr(error, "is taken by process") != NULL);
	while (pcap_dispatch(one, -1, count_one, (void *)&count) > 0) {
	}
	CHECK(count > 0 && count < frames);
	while (pcap_dispatch(two, -1, count_one, (void *)&count) > 0) {
	}
	CHECK(count == frames);
	pcap_close(two);
	pcap_close(one);
}

static bool is_listed(const char *device)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_if_t *devices;
	bool listed = false;
	bool lo = false;

	CHECK(pcap_findalldevs(&devices, error) == 0);
	for (pcap_if_t *d = devices; d != NULL; d = d->next) {
		listed |= strcmp(d->name, device) == 0;
		lo |= strcmp(d->name, "lo") == 0;
	}
	CHECK(lo);
	pcap_freealldevs(devices);
	return listed;
}

static void list(const char *device, const char *argument)
{
	char error[PCAP_ERRBUF_SIZE];
	bpf_u_int32 network;
	bpf_u_int32 mask;

	CHECK(is_listed(device) == (strcmp(argument, "yes") == 0));
	CHECK(pcap_lookupnet(device, &network, &mask, error) == 0 && network == 0 && mask == 0);
}

/* Another device (ARGUMENT: a capture file): libpcap's own, in all that is replaced here. */
static void others(const char *device, const char *argument)
{
	static const u_char frame[60] = {[12] = 0x88, 0xb5, 'm', 't'};
	char error[PCAP_ERRBUF_SIZE];
	struct bpf_program filter;
	struct pcap_pkthdr *header;
	struct pcap_stat stats;
	const u_char *bytes;
	pcap_t *pcap = pcap_create(device, error);
	pcap_t *file;

	open_handle = pcap;
	CHECK(pcap != NULL && pcap_set_snaplen(pcap, 100) == 0 && pcap_set_timeout(pcap, 100) == 0);
	CHECK(pcap_set_immediate_mode(pcap, 1) == 0 && pcap_set_promisc(pcap, 0) == 0);
	CHECK(pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO) == 0);
	CHECK(pcap_activate(pcap) == 0 && pcap_activate(pcap) == PCAP_ERROR_ACTIVATED);
	CHECK(pcap_snapshot(pcap) == 100 && pcap_get_selectable_fd(pcap) >= 0);
	CHECK(pcap_get_tstamp_precision(pcap) == PCAP_TSTAMP_PRECISION_NANO);
	CHECK(pcap_compile(pcap, &filter, "ether proto 0x88b5", 1, PCAP_NETMASK_UNKNOWN) == 0);
	CHECK(pcap_setfilter(pcap, &filter) == 0 && pcap_setdirection(pcap, PCAP_D_IN) == 0);
	pcap_freecode(&filter);
	CHECK(pcap_inject(pcap, frame, sizeof(frame)) == sizeof(frame));
	CHECK(pcap_next_ex(pcap, &header, &bytes) == 1);
	CHECK(header->len == sizeof(frame) && memcmp(bytes + 12, frame + 12, 4) == 0);
	CHECK(pcap_stats(pcap, &stats) == 0 && stats.ps_recv >= 1);
	CHECK(pcap_setnonblock(pcap, 1, error) == 0 && pcap_getnonblock(pcap, error) == 1);
	pcap_close(pcap);
	file = pcap_open_offline(argument, error);
	CHECK(file != NULL && pcap_next_ex(file, &header, &bytes) == 1);
	CHECK(pcap_snapshot(file) > 0 && pcap_file(file) != NULL);
	pcap_close(file);
	CHECK(pcap_open_live("mt-no-such-device", 100, 0, 100, error) == NULL);
	CHECK(strstr(error, "Mirrortap") == NULL && strstr(error, "mirrortap") == NULL);
}

/* Reads until the daemon ends, and, told so by a line of its input, goes on when it is back. */
static void restart(const char *device, const char *argument)
{
	pcap_t *pcap = open_device(device, 100);
	struct pcap_stat stats;
	char line[16];
	unsigned count = 0;

	(void)argument;
	puts("reading");
	fflush(stdout);
	CHECK(pcap_loop(pcap, -1, count_one, (void *)&count) == PCAP_ERROR);
	CHECK(strstr(pcap_geterr(pcap), "mirrortapd has ended") != NULL);
	CHECK(pcap_activate(pcap) < 0); /* not yet */
	puts("ended");
	fflush(stdout);
	CHECK(fgets(line, sizeof(line), stdin) != NULL);
	CHECK(pcap_activate(pcap) == 0);
	CHECK(pcap_loop(pcap, 10, count_one, (void *)&count) == 0);
	CHECK(pcap_stats(pcap, &stats) == 0 && stats.ps_recv >= count && stats.ps_drop == 0);
	pcap_close(pcap);
}

/* It can't be opened: prints why. */
static void refused(const char *device, const char *argument)
{
	char error[PCAP_ERRBUF_SIZE] = "";

	(void)argument;
	CHECK(pcap_open_live(device, 65535, 1, 100, error) == NULL);
	puts(error);
}

static const struct {
	const char *name;
	void (*run)(const char *device, const char *argument);
} cases[] = {
	{"settings", settings},
	{"reading", reading},
	{"breaking", breaking},
	{"polling", polling},
	{"queues", queues},
	{"list", list},
	{"others", others},
	{"restart", restart},
	{"refused", refused},
};

int main(int argc, char **argv)
{
	for (unsigned c = 0; argc >= 3 && c < sizeof(cases) / sizeof(cases[0]); c++) {
		if (strcmp(cases[c].name, argv[1]) != 0)
			continue;
		cases[c].run(argv[2], argc > 3 ? argv[3] : "");
		return EXIT_SUCCESS;
	}
	fputs("usage: pcap_api CASE DEVICE [ARGUMENT]\n", stderr);
	return 2;
}
