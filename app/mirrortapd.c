/* SPDX-License-Identifier: BSD-3-Clause */
/* mirrortapd: the daemon. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "control/api.h"
#include "control/config.h"
#include "control/daemon.h"
#include "control/http.h"
#include "control/log.h"
#include "control/plan.h"
#include "control/telemetry.h"
#include "control/watch.h"
#include "output/monotonic.h"
#include "version.h"

enum {
	EXIT_USAGE = 2,
	MAX_ERROR = 512,
	MAINTAIN_MS = 100,
	MAX_DRAIN_SECONDS = 3600,
};

struct options {
	const char *config;
	bool check;
	long drain_seconds; /* -1: as the configuration says */
};

static void print_usage(FILE *stream)
{
	fprintf(stream,
		"Usage: mirrortapd [-c FILE] [--check] [--drain-seconds N]\n"
		"Receives mirrored traffic, takes it out of VXLAN or GENEVE and delivers the\n"
		"original frames. Runs in the foreground; SIGTERM drains and stops.\n\n"
		"  -c, --config FILE  configuration (default " MT_DEFAULT_CONFIG ")\n"
		"      --check        check the configuration, print the plan and exit\n"
		"      --drain-seconds N\n"
		"                     after SIGTERM health is red for N seconds, and delivery "
		"goes\n"
		"                     on, before the end; a second SIGTERM ends that\n"
		"                     (default: health.drain_seconds of the configuration)\n"
		"  -h, --help         this text\n"
		"  -V, --version      version\n");
}

static bool parse_seconds(const char *text, long *seconds)
{
	char *end;

	errno = 0;
	*seconds = strtol(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0
		&& *seconds <= MAX_DRAIN_SECONDS)
		return true;
	fprintf(stderr, "mirrortapd: --drain-seconds: \"%s\" is no number from 0 to %d\n", text,
		MAX_DRAIN_SECONDS);
	return false;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option list[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"drain-seconds", required_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:hV", list, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 'k':
			options->check = true;
			break;
		case 'd':
			if (!parse_seconds(optarg, &options->drain_seconds))
				return EXIT_USAGE;
			break;
		case 'h':
			print_usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			printf("mirrortapd %s\n", MT_VERSION);
			return EXIT_SUCCESS;
		default:
			print_usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "mirrortapd: unexpected argument \"%s\"\n", argv[optind]);
		print_usage(stderr);
		return EXIT_USAGE;
	}
	return -1;
}

/* Signals are read from a descriptor by the control thread; every thread that EAL and the HTTP
 * library start inherits the mask. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* systemd's view of the daemon: its watchdog, and the line that `systemctl status` shows. */
struct supervisor {
	uint64_t feed_ms; /* between two feeds; 0: no watchdog */
	uint64_t fed_ms;
	uint64_t told_ms;
};

enum {
	STATUS_MS = 5000,
};

static void start_supervisor(struct supervisor *supervisor)
{
	uint64_t limit_us = 0;

	if (sd_watchdog_enabled(0, &limit_us) > 0)
		supervisor->feed_ms = limit_us / 2000;
}

static void tell_status(struct mt_daemon *daemon)
{
	struct mt_health health;
	struct mt_ledger ledger;

	mt_watch_health(daemon, &health);
	mt_ledger_read(&daemon->datapath, daemon->snapshot, &ledger);
	sd_notifyf(0, "STATUS=%s; %" PRIu64 " packets received, %" PRIu64 " accepted%s",
		health.healthy ? "healthy" : health.reasons[0], ledger.received, ledger.accepted,
		ledger.balanced ? "" : "; THE LEDGER DOES NOT BALANCE");
}

/* Each round of the control thread. The watchdog starves when a worker is stuck, or this thread. */
static void supervise(struct supervisor *supervisor, struct mt_daemon *daemon)
{
	uint64_t now_ms = mt_monotonic_ms();

	if (supervisor->feed_ms != 0 && now_ms >= supervisor->fed_ms + supervisor->feed_ms
		&& mt_watch_may_go_on(daemon)) {
		sd_notify(0, "WATCHDOG=1");
		supervisor->fed_ms = now_ms;
	}
	if (now_ms >= supervisor->told_ms + STATUS_MS) {
		tell_status(daemon);
		supervisor->told_ms = now_ms;
	}
}

/* Health turns red for `seconds`; delivery goes on. */
static uint64_t announce_stop(struct mt_daemon *daemon, unsigned seconds)
{
	mt_daemon_announce_stop(daemon);
	sd_notifyf(
		0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, (seconds + 15) * UINT64_C(1000000));
	if (seconds > 0)
		mt_log(MT_LOG_NOTICE,
			"draining for %u s: health is red, delivery goes on; a second signal "
			"stops at once",
			seconds);
	return mt_monotonic_ms() + seconds * UINT64_C(1000);
}

static void reload(struct mt_daemon *daemon)
{
	struct mt_reload_answer answer;

	mt_log(MT_LOG_NOTICE, "SIGHUP: reading %s again", daemon->start_config->path);
	mt_reload_now(daemon, false, &answer); /* tells the log how it went */
}

/* Until SIGTERM or SIGINT, and as long after it as draining takes, or until the second one. */
static void serve(struct mt_daemon *daemon, int signals, long drain_seconds)
{
	struct pollfd wait[] = {
		{.fd = signals, .events = POLLIN},
		{.fd = daemon->reload.wake_fd, .events = POLLIN},
	};
	struct supervisor supervisor = {0};
	struct signalfd_siginfo signal;
	uint64_t end_ms = 0; /* 0: not asked to stop */

	start_supervisor(&supervisor);
	while (end_ms == 0 || mt_monotonic_ms() < end_ms) {
		mt_daemon_maintain(daemon);
		supervise(&supervisor, daemon);
		poll(wait, sizeof(wait) / sizeof(*wait), MAINTAIN_MS);
		mt_reload_serve(daemon);
		while (read(signals, &signal, sizeof(signal)) == sizeof(signal)) {
			if (signal.ssi_signo == SIGHUP) {
				reload(daemon);
			} else if (end_ms != 0) {
				return;
			} else {
				end_ms = announce_stop(daemon,
					drain_seconds >= 0 ? (unsigned)drain_seconds
							   : daemon->config->health.drain_seconds);
			}
		}
	}
}

static void print_ledger(const struct mt_ledger *ledger)
{
	json_t *document = mt_api_ledger_document(ledger);
	char *text = json_dumps(document, JSON_COMPACT);

	if (text != NULL)
		puts(text);
	fflush(stdout);
	free(text);
	json_decref(document);
}

static int run(const struct mt_config *config, const struct mt_plan *plan, long drain_seconds)
{
	static struct mt_daemon daemon; /* too large for a stack */
	struct mt_http *http = NULL;
	struct mt_ledger ledger;
	char error[MAX_ERROR] = "";
	int signals = open_signals();
	bool ended;
	int rc;

	if (signals < 0) {
		mt_log(MT_LOG_ERROR, "signalfd: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	rc = mt_daemon_start(&daemon, config, plan, error, sizeof(error));
	if (rc < 0) {
		mt_log(MT_LOG_ERROR, "%s", error);
		return EXIT_FAILURE;
	}
	rc = mt_http_start(&daemon, &http, error, sizeof(error));
	if (rc == 0) {
		mt_log(MT_LOG_NOTICE, "ready: %u worker%s, %u queue%s, control socket %s",
			plan->workers_count, plan->workers_count == 1 ? "" : "s", plan->queues,
			plan->queues == 1 ? "" : "s", config->http.control_socket);
		mt_telemetry_start(&daemon);
		sd_notify(0, "READY=1");
		serve(&daemon, signals, drain_seconds);
		mt_reload_close(&daemon);
		mt_log(MT_LOG_NOTICE, "stopping: delivering what is queued");
	} else {
		mt_log(MT_LOG_ERROR, "%s", error);
	}
	ended = mt_daemon_drain(&daemon, &ledger);
	mt_http_stop(http);
	mt_telemetry_stop();
	/* Before memory is given back: that may take DPDK seconds, and be cut short. */
	if (rc == 0)
		print_ledger(&ledger);
	if (!ended) {
		mt_eal_remove_files(&daemon.eal);
		_exit(EXIT_FAILURE); /* a worker still uses all that could be freed */
	}
	mt_daemon_stop(&daemon);
	close(signals);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct options options = {.config = MT_DEFAULT_CONFIG, .drain_seconds = -1};
	char error[MAX_ERROR] = "";
	struct mt_config *config;
	struct mt_plan plan;
	int status = parse_options(argc, argv, &options);

	if (status >= 0)
		return status;
	if (mt_config_load(options.config, &config, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	if (mt_plan_make(config, &plan, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		status = EXIT_FAILURE;
	} else if (options.check) {
		mt_plan_print(config, &plan, stdout);
		status = EXIT_SUCCESS;
	} else {
		status = run(config, &plan, options.drain_seconds);
	}
	mt_config_free(config);
	return status;
}
