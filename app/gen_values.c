/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen_broken.h"

enum {
	MAX_PARTS = 64, /* of a list */
	WORD = 64,
};

bool gen_parse_number(
	const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number >= min
		&& *number <= max)
		return true;
	gen_complain("%s %s: a number from %" PRIu64 " to %" PRIu64 " is allowed", option, text,
		min, max);
	return false;
}

/* A plain decimal number at `text`, not negative; the rest is left in `end`. */
static bool parse_decimal(const char *text, double *number, char **end)
{
	*end = (char *)(uintptr_t)text;
	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return false;
	errno = 0;
	*number = strtod(text, end);
	return *end != text && errno == 0 && *number >= 0 && *number <= 1e18;
}

bool gen_parse_seconds(const char *option, const char *text, double *seconds)
{
	char *end;

	if (parse_decimal(text, seconds, &end) && *end == '\0' && *seconds >= 0.001
		&& *seconds <= 1e8)
		return true;
	gen_complain("%s %s: seconds from 0.001 to 100000000 are allowed", option, text);
	return false;
}

bool gen_parse_percent(const char *option, const char *text, double *share)
{
	char *end;

	if (parse_decimal(text, share, &end) && *share <= 100
		&& (*end == '\0' || strcmp(end, "%") == 0)) {
		*share /= 100;
		return true;
	}
	gen_complain("%s %s: percent from 0 to 100 are allowed", option, text);
	return false;
}

bool gen_parse_rate(const char *text, struct gen_limits *limits)
{
	double number = 0;
	char *end;
	bool fine = parse_decimal(text, &number, &end) && number > 0;

	if (fine && *end != '\0' && strchr("kMG", *end) != NULL) {
		number *= *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : 1e9;
		end++;
	}
	limits->pps = 0;
	limits->bits_per_second = 0;
	if (fine && strcmp(end, "pps") == 0) {
		limits->pps = number;
		return true;
	}
	if (fine && strcmp(end, "bps") == 0) {
		limits->bits_per_second = number;
		return true;
	}
	gen_complain("--rate %s: frames or bits per second are allowed, as 100kpps, 1.5Mpps, "
		     "10Gbps",
		text);
	return false;
}

/* --- lists --- */

/* Takes the next part up to a comma out of `*text` into `word`. False at the end. */
static bool next_part(const char **text, char word[WORD])
{
	size_t length = strcspn(*text, ",");

	if (**text == '\0')
		return false;
	snprintf(word, WORD, "%.*s", (int)length, *text);
	*text += length;
	if (**text == ',')
		(*text)++;
	return true;
}

static bool add_sizes(struct gen_sizes *sizes, uint32_t from, uint32_t to, double weight)
{
	uint32_t count = sizes->count + (to - from + 1);
	uint32_t *bytes = realloc(sizes->bytes, count * sizeof(*bytes));
	double *weights;

	if (bytes == NULL)
		return false;
	sizes->bytes = bytes;
	weights = realloc(sizes->weights, count * sizeof(*weights));
	if (weights == NULL)
		return false;
	sizes->weights = weights;
	for (uint32_t size = from; size <= to; size++) {
		bytes[sizes->count] = size;
		weights[sizes->count++] = weight / (to - from + 1);
	}
	return true;
}

/* "64", "64:7", "64-1500:2" */
static bool parse_size(const char *word, struct gen_sizes *sizes)
{
	unsigned long from, to;
	double weight = 1;
	char *end;

	if (!isdigit((unsigned char)word[0]))
		return false;
	from = to = strtoul(word, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		to = strtoul(end + 1, &end, 10);
	if (*end == ':' && (!parse_decimal(end + 1, &weight, &end) || weight <= 0))
		return false;
	return *end == '\0' && from >= GEN_MIN_INNER && from <= to && to <= GEN_MAX_INNER
		&& add_sizes(sizes, from, to, weight);
}

bool gen_parse_sizes(const char *text, struct gen_sizes *sizes)
{
	/* "Simple IMIX": IP packets of 46, 576 and 1,500 bytes, 7 to 4 to 1, in Ethernet frames
	 * without their checksum. */
	const char *list = strcmp(text, "imix") == 0 ? "60:7,590:4,1514:1" : text;
	unsigned parts = 0;
	bool fine = true;
	char word[WORD];

	sizes->count = 0;
	while (fine && next_part(&list, word))
		fine = ++parts <= MAX_PARTS && parse_size(word, sizes);
	if (fine && parts > 0)
		return true;
	gen_complain("--size %s: lengths of inner frames from %d to %d are allowed, with weights: "
		     "1400, 64:7,590:4,1514:1, 64-1500, imix",
		text, GEN_MIN_INNER, GEN_MAX_INNER);
	return false;
}

bool gen_parse_tunnels(const char *text, double weights[GEN_TUNNELS])
{
	static const char *const names[GEN_TUNNELS] = {"vxlan", "geneve", "gwlb"};
	const char *list = text;
	bool fine = *text != '\0';
	double sum = 0;
	char word[WORD];

	memset(weights, 0, GEN_TUNNELS * sizeof(*weights));
	while (fine && next_part(&list, word)) {
		size_t length = strcspn(word, ":");
		unsigned tunnel = 0;
		double weight = 1;
		char *end = word + length;

		while (tunnel < GEN_TUNNELS
			&& (strncmp(word, names[tunnel], length) != 0
				|| names[tunnel][length] != '\0'))
			tunnel++;
		if (*end == ':')
			fine = parse_decimal(end + 1, &weight, &end);
		fine = fine && *end == '\0' && tunnel < GEN_TUNNELS;
		if (fine)
			sum += weights[tunnel] = weight;
	}
	if (fine && sum > 0)
		return true;
	gen_complain("--tunnel %s: vxlan, geneve and gwlb are allowed, with weights: "
		     "vxlan:8,geneve:1,gwlb:1",
		text);
	return false;
}

bool gen_parse_distribution(const char *text, struct gen_spec *spec)
{
	char *end;

	spec->zipf_exponent = 1;
	if (strcmp(text, "uniform") == 0) {
		spec->distribution = GEN_UNIFORM;
		return true;
	}
	if (strcmp(text, "cycle") == 0) {
		spec->distribution = GEN_CYCLE;
		return true;
	}
	spec->distribution = GEN_ZIPF;
	if (strcmp(text, "zipf") == 0)
		return true;
	if (strncmp(text, "zipf:", 5) == 0 && parse_decimal(text + 5, &spec->zipf_exponent, &end)
		&& *end == '\0' && spec->zipf_exponent <= 10)
		return true;
	gen_complain("--distribution %s: uniform, zipf, zipf:EXPONENT (0 to 10) and cycle are "
		     "allowed",
		text);
	return false;
}

/* --- verdicts --- */

/* Verdicts that a packet gets for what it is, and not the daemon's own. */
static bool can_make(enum mt_verdict verdict)
{
	static const struct gen_ends ends = {.vxlan_port = 4789, .geneve_port = 6081};
	uint8_t bytes[GEN_BROKEN_BYTES];

	return gen_broken_make(verdict, 0, &ends, bytes) != 0;
}

static enum mt_verdict verdict_named(const char *name)
{
	unsigned verdict = 0;

	while (verdict < MT_VERDICT_COUNT && strcmp(name, mt_verdict_name(verdict)) != 0)
		verdict++;
	return verdict;
}

static void explain_malformed(const char *word)
{
	char list[512] = "";
	size_t used = 0;

	for (unsigned v = 0; v < MT_VERDICT_COUNT && used < sizeof(list); v++) {
		if (can_make(v))
			used += (size_t)snprintf(
				list + used, sizeof(list) - used, ", %s", mt_verdict_name(v));
	}
	gen_complain("--malformed %s: VERDICT=PERCENT is allowed, in sum less than 100, where "
		     "VERDICT is one of all%s",
		word, list);
}

static void share_among_all(double percent, double shares[MT_VERDICT_COUNT])
{
	unsigned count = 0;

	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++)
		count += can_make(v);
	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++) {
		if (can_make(v))
			shares[v] = percent / 100 / count;
	}
}

static bool parse_malformed(char *word, double shares[MT_VERDICT_COUNT])
{
	char *value = strchr(word, '=');
	enum mt_verdict verdict;
	double percent;
	char *end;

	if (value == NULL || !parse_decimal(value + 1, &percent, &end)
		|| (*end != '\0' && strcmp(end, "%") != 0) || percent >= 100)
		return false;
	*value = '\0';
	if (strcmp(word, "all") == 0) {
		share_among_all(percent, shares);
		return true;
	}
	verdict = verdict_named(word);
	if (verdict >= MT_VERDICT_COUNT || !can_make(verdict))
		return false;
	shares[verdict] = percent / 100;
	return true;
}

bool gen_parse_malformed(const char *text, double shares[MT_VERDICT_COUNT])
{
	double sum = 0;
	char word[WORD];

	while (next_part(&text, word)) {
		char whole[WORD];

		snprintf(whole, sizeof(whole), "%s", word);
		if (!parse_malformed(word, shares)) {
			explain_malformed(whole);
			return false;
		}
	}
	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++)
		sum += shares[v];
	if (sum >= 1)
		gen_complain(
			"--malformed: %g percent in sum; less than 100 are allowed", sum * 100);
	return sum < 1;
}

/* --- addresses --- */

bool gen_parse_mac(const char *option, const char *text, uint8_t mac[6])
{
	int used = 0;

	if (strlen(text) == 17
		&& sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
			   &mac[3], &mac[4], &mac[5], &used)
			== 6
		&& used == 17)
		return true;
	gen_complain("%s %s: a MAC address as 06:00:00:00:00:01 is allowed", option, text);
	return false;
}

bool gen_parse_ipv4(const char *option, const char *text, uint32_t *address)
{
	struct in_addr parsed;

	if (inet_pton(AF_INET, text, &parsed) == 1) {
		*address = ntohl(parsed.s_addr);
		return true;
	}
	gen_complain("%s %s: an IPv4 address is allowed", option, text);
	return false;
}

bool gen_parse_ipv6(const char *option, const char *text, uint8_t address[16])
{
	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	gen_complain("%s %s: an IPv6 address is allowed", option, text);
	return false;
}
