/* SPDX-License-Identifier: BSD-3-Clause */
/* `mirrortap top`: takes samples, and owns the terminal meanwhile. */
#include "cmd_top.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "commands.h"
#include "control/client.h"
#include "output/monotonic.h"
#include "stop.h"

struct options {
	double interval;     /* seconds */
	unsigned long count; /* 0: without end */
	bool json;
};

static const char usage[] =
	"usage: mirrortap [--socket PATH] top [--interval S] [-n COUNT] [--once] [--json]\n"
	"Shows rates of ports, queues, outputs and sessions, drops and the balance. Ends by q or "
	"Ctrl-C.\n"
	"      --interval S  seconds from one sample to the next; default 1\n"
	"  -n, --count N     show N times, then end\n"
	"      --once        the same as -n 1\n"
	"      --json        print the daemon's documents, one line of JSON a sample\n"
	"  -h, --help        this text\n"
	"Where standard output is no terminal, tables follow each other as plain text.\n";

/* --- arguments --- */

static bool parse_interval(const char *text, double *interval)
{
	char *end;

	*interval = strtod(text, &end);
	if (end != text && *end == '\0' && *interval >= 0.1 && *interval <= 3600)
		return true;
	fprintf(stderr, "mirrortap top: --interval %s: seconds from 0.1 to 3600 are allowed\n",
		text);
	return false;
}

static bool parse_count(const char *text, unsigned long *count)
{
	char *end;

	errno = 0;
	*count = strtoul(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *count > 0)
		return true;
	fprintf(stderr, "mirrortap top: -n %s: a number from 1 on is allowed\n", text);
	return false;
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{"interval", required_argument, NULL, 'i'},
		{"count", required_argument, NULL, 'n'},
		{"once", no_argument, NULL, 'o'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool fine = true;
	int option;

	optind = 0; /* main() has used getopt before: start anew */
	while (fine && (option = getopt_long(argc, argv, "n:h", known, NULL)) != -1) {
		switch (option) {
		case 'i':
			fine = parse_interval(optarg, &options->interval);
			break;
		case 'n':
			fine = parse_count(optarg, &options->count);
			break;
		case 'o':
			options->count = 1;
			break;
		case 'j':
			options->json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fine = false; /* getopt has said why */
		}
	}
	if (fine && optind < argc) {
		fprintf(stderr, "mirrortap top: takes no argument, but there is: %s\n",
			argv[optind]);
		fine = false;
	}
	if (fine)
		return -1;
	fputs("Try: mirrortap top --help\n", stderr);
	return EXIT_USAGE;
}

/* --- samples --- */

static void drop_sample(struct sample *sample)
{
	json_decref(sample->status);
	json_decref(sample->ports);
	json_decref(sample->queues);
	json_decref(sample->outputs);
	json_decref(sample->sessions);
	json_decref(sample->ledger);
	*sample = (struct sample){0};
}

/* Leaves the reason in `error` on failure: the terminal is not to be written to just then. */
static bool take_sample(
	const struct command_context *context, struct sample *sample, char *error, size_t size)
{
	const struct {
		const char *path;
		json_t **document;
	} parts[] = {
		{"/api/v1/status", &sample->status},
		{"/api/v1/ports", &sample->ports},
		{"/api/v1/queues", &sample->queues},
		{"/api/v1/outputs", &sample->outputs},
		{"/api/v1/sessions", &sample->sessions},
		{"/api/v1/ledger", &sample->ledger},
	};

	*sample = (struct sample){.seconds = mt_monotonic_seconds()};
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (mt_client_get(
			    context->socket_path, parts[i].path, parts[i].document, error, size)
			!= 0) {
			drop_sample(sample);
			return false;
		}
	}
	return true;
}

static void print_json(const struct sample *sample)
{
	json_t *document = json_pack("{s:O, s:O, s:O, s:O, s:O, s:O}", "status", sample->status,
		"ports", json_object_get(sample->ports, "ports"), "queues",
		json_object_get(sample->queues, "queues"), "outputs",
		json_object_get(sample->outputs, "outputs"), "sessions",
		json_object_get(sample->sessions, "sessions"), "ledger", sample->ledger);

	if (document != NULL)
		command_print_json(document);
	json_decref(document);
}

/* --- terminal --- */

struct terminal {
	bool screen; /* standard output: draw in place, on the alternate screen */
	bool keys;   /* standard input: read keys as they come */
	struct termios saved;
};

static void terminal_begin(struct terminal *terminal, const struct options *options)
{
	struct termios raw;

	*terminal = (struct terminal){
		.screen = isatty(STDOUT_FILENO) && !options->json && options->count != 1};
	if (!terminal->screen)
		return;
	fputs("\033[?1049h\033[?25l", stdout); /* alternate screen, no cursor */
	if (tcgetattr(STDIN_FILENO, &terminal->saved) != 0)
		return;
	raw = terminal->saved;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	terminal->keys = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void terminal_end(struct terminal *terminal)
{
	if (terminal->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal->saved);
	if (terminal->screen)
		fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
}

/* As many lines and columns as the screen has; drawn over the last picture, so nothing flickers. */
static void draw(const char *text)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	fputs("\033[H", stdout);
	for (unsigned row = 1; *text != '\0' && row < size.ws_row; row++) {
		size_t length = strcspn(text, "\n");

		printf("%.*s\033[K\n", (int)(length < size.ws_col ? length : size.ws_col), text);
		text += length + (text[length] == '\n');
	}
	fputs("\033[J\033[7m q: quit \033[0m", stdout);
	fflush(stdout);
}

static void show(const struct terminal *terminal, const struct options *options, bool first,
	const struct sample *before, const struct sample *after)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream;

	if (options->json) {
		print_json(after);
		fflush(stdout);
		return;
	}
	stream = open_memstream(&text, &size);
	if (stream == NULL)
		return;
	print_samples(before, after, stream);
	fclose(stream);
	if (terminal->screen) {
		draw(text);
	} else {
		printf("%s%s", first ? "" : "\n", text);
		fflush(stdout);
	}
	free(text);
}

/* Until `deadline`; false when it shall end. */
static bool wait_until(const struct terminal *terminal, double deadline)
{
	/* A descriptor of -1 is passed over. */
	struct pollfd input = {.fd = terminal->keys ? STDIN_FILENO : -1, .events = POLLIN};
	double left;

	while (!stop_wanted() && (left = deadline - mt_monotonic_seconds()) > 0) {
		char key;

		if (poll(&input, 1, (int)(left * 1000) + 1) <= 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q')
			return false;
	}
	return !stop_wanted();
}

static bool run(const struct command_context *context, const struct options *options,
	const struct terminal *terminal, char *error, size_t error_size)
{
	struct sample before;
	struct sample after;
	bool fine = take_sample(context, &before, error, error_size);

	if (!fine)
		return false;
	for (unsigned long shown = 0; options->count == 0 || shown < options->count; shown++) {
		if (!wait_until(terminal, before.seconds + options->interval))
			break;
		fine = take_sample(context, &after, error, error_size);
		if (!fine)
			break;
		show(terminal, options, shown == 0, &before, &after);
		drop_sample(&before);
		before = after;
		if (ferror(stdout))
			break;
	}
	drop_sample(&before);
	return fine;
}

int cmd_top(const struct command_context *context, int argc, char **argv)
{
	struct options options = {.interval = 1};
	struct terminal terminal;
	char error[512];
	int status = parse(argc, argv, &options);
	bool fine;

	if (status >= 0)
		return status;
	stop_on_signals();
	terminal_begin(&terminal, &options);
	fine = run(context, &options, &terminal, error, sizeof(error));
	terminal_end(&terminal);
	if (!fine)
		fprintf(stderr, "mirrortap: %s\n", error);
	return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
