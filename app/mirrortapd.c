/* SPDX-License-Identifier: BSD-3-Clause */
/* mirrortapd: the daemon. */
#include <errno.h>
#include <getopt.h>
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
#include "version.h"

enum {
	EXIT_USAGE = 2,
	MAX_ERROR = 512,
	MAINTAIN_MS = 100,
};

struct options {
	const char *config;
	bool check;
};

static void print_usage(FILE *stream)
{
	fprintf(stream,
		"Usage: mirrortapd [-c FILE] [--check]\n"
		"Receives mirrored traffic, takes it out of VXLAN or GENEVE and delivers the\n"
		"original frames. Runs in the foreground; SIGTERM drains and stops.\n\n"
		"  -c, --config FILE  configuration (default " MT_DEFAULT_CONFIG ")\n"
		"      --check        check the configuration, print the plan and exit\n"
		"  -h, --help         this text\n"
		"  -V, --version      version\n");
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option list[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
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

/* Until SIGTERM or SIGINT. */
static void serve(struct mt_daemon *daemon, int signals)
{
	struct pollfd wait = {.fd = signals, .events = POLLIN};
	struct signalfd_siginfo signal;

	for (;;) {
		poll(&wait, 1, MAINTAIN_MS);
		while (read(signals, &signal, sizeof(signal)) == sizeof(signal)) {
			if (signal.ssi_signo != SIGHUP)
				return;
			mt_log(MT_LOG_WARNING,
				"SIGHUP: reload is not supported yet; restart to "
				"read the configuration again");
		}
		mt_daemon_maintain(daemon);
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

static int run(const struct mt_config *config, const struct mt_plan *plan)
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
		sd_notify(0, "READY=1");
		serve(&daemon, signals);
		sd_notify(0, "STOPPING=1");
		mt_log(MT_LOG_NOTICE, "draining");
	} else {
		mt_log(MT_LOG_ERROR, "%s", error);
	}
	ended = mt_daemon_drain(&daemon, &ledger);
	mt_http_stop(http);
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
	struct options options = {.config = MT_DEFAULT_CONFIG};
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
		status = run(config, &plan);
	}
	mt_config_free(config);
	return status;
}
