/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/lcores.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where reading has come to, and where a complaint goes. */
struct cursor {
	const char *at;
	char *problem;
	size_t problem_size;
};

static int complain(struct cursor *cursor, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int complain(struct cursor *cursor, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(cursor->problem, cursor->problem_size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int complain_here(struct cursor *cursor, const char *wanted)
{
	if (*cursor->at == '\0')
		return complain(cursor, "ends where %s is expected", wanted);
	return complain(cursor, "%s is expected at \"%.20s\"", wanted, cursor->at);
}

static char peek(struct cursor *cursor)
{
	while (isblank((unsigned char)*cursor->at))
		cursor->at++;
	return *cursor->at;
}

static bool accept(struct cursor *cursor, char wanted)
{
	if (peek(cursor) != wanted)
		return false;
	cursor->at++;
	return true;
}

static int read_number(struct cursor *cursor, unsigned *number)
{
	if (!isdigit((unsigned char)peek(cursor)))
		return complain_here(cursor, "a number");
	for (*number = 0; isdigit((unsigned char)*cursor->at); cursor->at++) {
		*number = *number * 10 + (*cursor->at - '0');
		if (*number >= MT_LCORES_MAX_CPU)
			return complain(cursor, "numbers end at %d", MT_LCORES_MAX_CPU - 1);
	}
	return 0;
}

/* NUMBER or NUMBER-NUMBER, in either order as EAL has it. */
static int read_range(struct cursor *cursor, struct mt_cpus *set, bool *is_range)
{
	unsigned first, last;

	if (read_number(cursor, &first) < 0)
		return -EINVAL;
	last = first;
	*is_range = accept(cursor, '-');
	if (*is_range && read_number(cursor, &last) < 0)
		return -EINVAL;
	if (first > last) {
		unsigned swap = first;

		first = last;
		last = swap;
	}
	for (unsigned i = first; i <= last; i++)
		mt_cpus_add(set, i);
	return 0;
}

/* A range, or ranges in parentheses. */
static int read_set(struct cursor *cursor, struct mt_cpus *set, bool *is_range, bool *is_group)
{
	bool ignored;

	*set = (struct mt_cpus){0};
	*is_group = accept(cursor, '(');
	*is_range = false;
	if (!*is_group)
		return read_range(cursor, set, is_range);
	do {
		if (read_range(cursor, set, &ignored) < 0)
			return -EINVAL;
	} while (accept(cursor, ','));
	if (!accept(cursor, ')'))
		return complain_here(cursor, "',' or ')'");
	return 0;
}

/* `cpus` NULL: each lcore runs on the CPU of its own number. */
static int add_lcores(struct cursor *cursor, struct mt_lcores *lcores, struct mt_cpus *seen,
	const struct mt_cpus *ids, const struct mt_cpus *cpus)
{
	for (unsigned id = 0; id < MT_LCORES_MAX_CPU; id++) {
		if (!mt_cpus_has(ids, id))
			continue;
		if (id >= MT_LCORES_MAX_ID)
			return complain(cursor,
				"lcore %u is too large, ids end at %d; map it, e.g. '1@%u'", id,
				MT_LCORES_MAX_ID - 1, id);
		if (mt_cpus_has(seen, id))
			return complain(cursor, "lcore %u is named twice", id);
		mt_cpus_add(seen, id);
		lcores->list[lcores->count].id = id;
		lcores->list[lcores->count].cpus = (struct mt_cpus){0};
		if (cpus != NULL)
			lcores->list[lcores->count].cpus = *cpus;
		else
			mt_cpus_add(&lcores->list[lcores->count].cpus, id);
		lcores->count++;
	}
	return 0;
}

/* LCORES[@CPUS]. A group without CPUs floats over the CPUs of all its numbers. */
static int read_element(struct cursor *cursor, struct mt_lcores *lcores, struct mt_cpus *seen)
{
	bool is_range, is_group, ignored, ignored_too;
	const char *start = cursor->at;
	struct mt_cpus ids, cpus;

	if (read_set(cursor, &ids, &is_range, &is_group) < 0)
		return -EINVAL;
	if (!accept(cursor, '@'))
		return add_lcores(cursor, lcores, seen, &ids, is_group ? &ids : NULL);
	/* EAL refuses it too, with no reason given. */
	if (is_range)
		return complain(cursor, "a range with '@' wants parentheses: \"(%.*s)@\"",
			(int)(cursor->at - 1 - start), start);
	if (read_set(cursor, &cpus, &ignored, &ignored_too) < 0)
		return -EINVAL;
	return add_lcores(cursor, lcores, seen, &ids, &cpus);
}

int mt_lcores_parse(const char *text, struct mt_lcores *lcores, char *problem, size_t size)
{
	struct cursor cursor = {text, problem, size};
	struct mt_cpus seen = {0};

	lcores->count = 0;
	do {
		peek(&cursor);
		if (read_element(&cursor, lcores, &seen) < 0)
			return -EINVAL;
	} while (accept(&cursor, ','));
	if (peek(&cursor) != '\0')
		return complain_here(&cursor, "',' or '@'");
	return 0;
}

int mt_lcores_parse_ids(const char *text, struct mt_cpus *ids, char *problem, size_t size)
{
	struct cursor cursor = {text, problem, size};
	bool ignored;

	*ids = (struct mt_cpus){0};
	do {
		if (read_range(&cursor, ids, &ignored) < 0)
			return -EINVAL;
	} while (accept(&cursor, ','));
	if (peek(&cursor) != '\0')
		return complain_here(&cursor, "',' or '-'");
	return 0;
}

void mt_lcores_format(const struct mt_cpus *set, char *text, size_t size)
{
	size_t used = 0;

	if (size > 0)
		text[0] = '\0';
	for (unsigned first = 0; first < MT_LCORES_MAX_CPU && used < size; first++) {
		unsigned last = first;

		if (!mt_cpus_has(set, first))
			continue;
		while (mt_cpus_has(set, last + 1))
			last++;
		used += snprintf(text + used, size - used, "%s%u", used == 0 ? "" : ",", first);
		if (last > first && used < size)
			used += snprintf(text + used, size - used, "-%u", last);
		first = last;
	}
}

void mt_lcores_online(struct mt_cpus *cpus)
{
	char text[1024] = "", problem[64];
	FILE *list = fopen("/sys/devices/system/cpu/online", "re");
	bool known = list != NULL && fgets(text, sizeof(text), list) != NULL;

	if (list != NULL)
		fclose(list);
	text[strcspn(text, "\n")] = '\0';
	if (known && mt_lcores_parse_ids(text, cpus, problem, sizeof(problem)) == 0)
		return;
	/* No sysfs, as in some sandboxes: numbers without gaps are the usual case. */
	*cpus = (struct mt_cpus){0};
	for (long i = 0; i < sysconf(_SC_NPROCESSORS_ONLN) && i < MT_LCORES_MAX_CPU; i++)
		mt_cpus_add(cpus, i);
}
