/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct family {
	const char *name;
	const char *type;
	const char *unit;
	const char *help;
} families[] = {
#define X(symbol, name, type, unit, help) [MT_METRIC_##symbol] = {name, type, unit, help},
	MT_METRICS(X)
#undef X
};

/* Text that grows, up to a bound. */
struct text {
	char *bytes;
	size_t length;
	size_t room;
};

struct mt_metrics {
	struct text samples[MT_METRIC_COUNT];
	size_t total;
	bool failed;
};

enum {
	MAX_SAMPLE = 1024,
};

static bool append(struct text *text, const char *bytes, size_t length)
{
	if (text->length + length + 1 > text->room) {
		size_t room = (text->length + length + 1) * 2;
		char *grown = realloc(text->bytes, room);

		if (grown == NULL)
			return false;
		text->bytes = grown;
		text->room = room;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
	return true;
}

static bool append_text(struct text *text, const char *string)
{
	return append(text, string, strlen(string));
}

struct mt_metrics *mt_metrics_create(void)
{
	return calloc(1, sizeof(struct mt_metrics));
}

void mt_metrics_free(struct mt_metrics *metrics)
{
	if (metrics == NULL)
		return;
	for (unsigned m = 0; m < MT_METRIC_COUNT; m++)
		free(metrics->samples[m].bytes);
	free(metrics);
}

/* --- samples ---------------------------------------------------------------------------------- */

/* One line, in a buffer that is long enough for what the daemon has; a longer line is left out. */
struct line {
	char text[MAX_SAMPLE];
	size_t used;
};

static void put(struct line *line, const char *string)
{
	size_t length = strlen(string);

	if (line->used + length < sizeof(line->text)) {
		memcpy(line->text + line->used, string, length + 1);
		line->used += length;
	} else {
		line->used = sizeof(line->text);
	}
}

/* OpenMetrics 1.0, "ABNF": backslash, quote and newline are escaped in label values. */
static void put_label(struct line *line, const char *separator, const char *name, const char *value)
{
	char one[2] = "";

	put(line, separator);
	put(line, name);
	put(line, "=\"");
	for (; *value != '\0'; value++) {
		one[0] = *value;
		if (*value == '\n')
			put(line, "\\n");
		else if (*value == '\\' || *value == '"')
			put(line, *value == '"' ? "\\\"" : "\\\\");
		else
			put(line, one);
	}
	put(line, "\"");
}

static void finish(
	struct mt_metrics *metrics, enum mt_metric metric, struct line *line, const char *value)
{
	put(line, " ");
	put(line, value);
	put(line, "\n");
	if (line->used >= sizeof(line->text) || metrics->total + line->used > MT_METRICS_MAX_BYTES
		|| !append(&metrics->samples[metric], line->text, line->used))
		metrics->failed = true;
	metrics->total += line->used;
}

static void begin(struct line *line, enum mt_metric metric, va_list labels)
{
	const char *separator = "{";
	const char *name;

	line->used = 0;
	put(line, families[metric].name);
	if (strcmp(families[metric].type, "counter") == 0)
		put(line, "_total");
	while ((name = va_arg(labels, const char *)) != NULL) {
		put_label(line, separator, name, va_arg(labels, const char *));
		separator = ",";
	}
	if (*separator == ',')
		put(line, "}");
}

void mt_metrics_add(struct mt_metrics *metrics, enum mt_metric metric, uint64_t value, ...)
{
	struct line line;
	char number[32];
	va_list labels;

	va_start(labels, value);
	begin(&line, metric, labels);
	va_end(labels);
	snprintf(number, sizeof(number), "%" PRIu64, value);
	finish(metrics, metric, &line, number);
}

void mt_metrics_add_real(struct mt_metrics *metrics, enum mt_metric metric, double value, ...)
{
	struct line line;
	char number[32];
	va_list labels;

	va_start(labels, value);
	begin(&line, metric, labels);
	va_end(labels);
	snprintf(number, sizeof(number), "%.9g", value);
	finish(metrics, metric, &line, number);
}

static void add_part(struct mt_metrics *metrics, enum mt_metric metric, const char *suffix,
	const char *label, const char *label_value, const char *bound, const char *value)
{
	struct line line = {.used = 0};

	put(&line, families[metric].name);
	put(&line, suffix);
	put_label(&line, "{", label, label_value);
	if (bound != NULL)
		put_label(&line, ",", "le", bound);
	put(&line, "}");
	finish(metrics, metric, &line, value);
}

void mt_metrics_add_histogram(struct mt_metrics *metrics, enum mt_metric metric, const char *label,
	const char *label_value, const double *bounds, const uint64_t *buckets, unsigned count,
	double sum)
{
	char bound[32], value[32];
	uint64_t total = 0;

	for (unsigned b = 0; b < count; b++) {
		total += buckets[b];
		snprintf(value, sizeof(value), "%" PRIu64, total);
		if (b + 1 < count)
			snprintf(bound, sizeof(bound), "%.9g", bounds[b]);
		else
			snprintf(bound, sizeof(bound), "+Inf");
		add_part(metrics, metric, "_bucket", label, label_value, bound, value);
	}
	add_part(metrics, metric, "_count", label, label_value, NULL, value);
	snprintf(value, sizeof(value), "%.9g", sum);
	add_part(metrics, metric, "_sum", label, label_value, NULL, value);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* OpenMetrics names a counter's family without "_total", Prometheus' older text with it; only the
 * first knows units. */
static bool render_family(struct text *text, const struct family *family, bool openmetrics)
{
	const char *suffix = !openmetrics && strcmp(family->type, "counter") == 0 ? "_total" : "";
	char lines[MAX_SAMPLE];

	snprintf(lines, sizeof(lines), "# HELP %s%s %s\n# TYPE %s%s %s\n", family->name, suffix,
		family->help, family->name, suffix, family->type);
	if (!append_text(text, lines))
		return false;
	if (!openmetrics || family->unit[0] == '\0')
		return true;
	snprintf(lines, sizeof(lines), "# UNIT %s %s\n", family->name, family->unit);
	return append_text(text, lines);
}

char *mt_metrics_render(const struct mt_metrics *metrics, bool openmetrics, size_t *length)
{
	struct text text = {0};
	bool good = !metrics->failed;

	for (unsigned m = 0; good && m < MT_METRIC_COUNT; m++) {
		good = render_family(&text, &families[m], openmetrics);
		if (good && metrics->samples[m].length > 0)
			good = append(&text, metrics->samples[m].bytes, metrics->samples[m].length);
	}
	if (!good || !append_text(&text, "# EOF\n")) {
		free(text.bytes);
		return NULL;
	}
	*length = text.length;
	return text.bytes;
}

const char *mt_metrics_content_type(bool openmetrics)
{
	return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			   : "text/plain; version=0.0.4; charset=utf-8";
}

bool mt_metrics_wants_openmetrics(const char *accept)
{
	return accept != NULL && strcasestr(accept, "application/openmetrics-text") != NULL;
}
