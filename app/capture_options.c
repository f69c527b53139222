/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

enum {
	MAX_VNI = (1 << 24) - 1,
	MAX_SNAP = 262144,
};

static const char usage[] =
	"usage: mirrortap [--socket PATH] capture [-f FILTER] [--vni N | --session NAME]\n"
	"                 [-c COUNT] [-s SNAPLEN] [-w FILE]\n"
	"Captures inner frames of the running daemon, as its outputs get them: pcapng, one\n"
	"interface per session. Ends with Ctrl-C, or when who reads it ends.\n"
	"  -f, --filter FILTER   frames that match, as of tcpdump: 'tcp port 443'; on the inner\n"
	"                        frame\n"
	"      --vni N           frames of this VNI\n"
	"      --session NAME    frames of the session of this name\n"
	"  -c, --count COUNT     end after so many frames\n"
	"  -s, --snaplen SNAPLEN bytes of each frame that are kept; 0, the default: all\n"
	"  -w, --write FILE      write there; - is standard output, which is the default where\n"
	"                        it is no terminal\n"
	"  -q, --quiet           say nothing but errors\n"
	"      --check           check the filter, capture nothing; needs no daemon\n"
	"  -h, --help            this text\n"
	"Examples:\n"
	"  mirrortap capture -f 'tcp port 443' | wireshark -k -i -\n"
	"  mirrortap capture --session web -c 100 | tshark -r -\n"
	"  mirrortap capture --vni 4321 -s 128 -w web.pcapng\n"
	"What cannot be written in time is lost for this capture alone, and counted.\n"
	"Exit: 0, 1 for failure, 2 for usage.\n";

void capture_complain(const char *format, ...)
{
	va_list arguments;

	fputs("mirrortap capture: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

static bool check_number(const char *option, const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long number;

	if (text == NULL)
		return true;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && number >= min
		&& number <= max)
		return true;
	capture_complain("%s %s: %lu to %lu are allowed", option, text, min, max);
	return false;
}

static bool check_options(int argc, char **argv, const struct capture_options *options)
{
	if (optind < argc) {
		capture_complain("%s: takes no such argument; a filter is given by -f '%s'",
			argv[optind], argv[optind]);
		return false;
	}
	if (options->vni != NULL && options->session != NULL) {
		capture_complain("--vni and --session: only one of them can be given");
		return false;
	}
	if (!check_number("--vni", options->vni, 0, MAX_VNI)
		|| !check_number("-c", options->count, 1, UINT32_MAX)
		|| !check_number("-s", options->snap, 0, MAX_SNAP))
		return false;
	if (options->check || strcmp(options->output, "-") != 0 || !isatty(STDOUT_FILENO))
		return true;
	capture_complain("standard output is a terminal: give -w FILE, or pipe it into "
			 "`tshark -r -` or `wireshark -k -i -`");
	return false;
}

int capture_parse(int argc, char **argv, struct capture_options *options)
{
	enum { VNI = 256, SESSION, CHECK };
	static const struct option known[] = {
		{"filter", required_argument, NULL, 'f'},
		{"vni", required_argument, NULL, VNI},
		{"session", required_argument, NULL, SESSION},
		{"count", required_argument, NULL, 'c'},
		{"snaplen", required_argument, NULL, 's'},
		{"write", required_argument, NULL, 'w'},
		{"quiet", no_argument, NULL, 'q'},
		{"check", no_argument, NULL, CHECK},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool fine = true;
	int option;

	*options = (struct capture_options){.output = "-"};
	optind = 0; /* main() has used getopt before: start anew */
	while (fine && (option = getopt_long(argc, argv, "f:c:s:w:qh", known, NULL)) != -1) {
		switch (option) {
		case 'f':
			options->filter = optarg;
			break;
		case VNI:
			options->vni = optarg;
			break;
		case SESSION:
			options->session = optarg;
			break;
		case 'c':
			options->count = optarg;
			break;
		case 's':
			options->snap = optarg;
			break;
		case 'w':
			options->output = optarg;
			break;
		case 'q':
			options->quiet = true;
			break;
		case CHECK:
			options->check = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fine = false; /* getopt has said why */
		}
	}
	if (fine && check_options(argc, argv, options))
		return -1;
	fputs("Try: mirrortap capture --help\n", stderr);
	return EXIT_USAGE;
}
