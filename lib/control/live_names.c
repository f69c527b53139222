/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/live_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_vni(const void *a, const void *b)
{
	const struct mt_live_name *x = a, *y = b;

	return x->vni < y->vni ? -1 : x->vni > y->vni;
}

int mt_live_names_copy(
	struct mt_live_names *names, const struct mt_session_spec *sessions, unsigned count)
{
	*names = (struct mt_live_names){0};
	if (count == 0)
		return 0;
	names->list = calloc(count, sizeof(*names->list));
	if (names->list == NULL)
		return -ENOMEM;
	for (unsigned s = 0; s < count; s++) {
		struct mt_live_name *name;

		if (sessions[s].name == NULL)
			continue;
		name = &names->list[names->count++];
		name->vni = sessions[s].vni;
		snprintf(name->session.name, sizeof(name->session.name), "%s", sessions[s].name);
		snprintf(name->session.description, sizeof(name->session.description), "%s",
			sessions[s].description != NULL ? sessions[s].description : "");
	}
	qsort(names->list, names->count, sizeof(*names->list), by_vni);
	return 0;
}

void mt_live_names_free(struct mt_live_names *names)
{
	free(names->list);
	*names = (struct mt_live_names){0};
}

bool mt_live_names_describe(void *context, uint32_t vni, struct mt_output_session *session)
{
	const struct mt_live_names *names = context;
	const struct mt_live_name key = {.vni = vni};
	const struct mt_live_name *found = NULL;

	if (names->count > 0)
		found = bsearch(&key, names->list, names->count, sizeof(key), by_vni);
	if (found == NULL)
		return false;
	*session = found->session;
	return true;
}

/* In the configuration itself: the copies of long names are cut. */
const struct mt_session_spec *mt_live_names_find(
	const struct mt_session_spec *sessions, unsigned count, const char *name)
{
	for (unsigned s = 0; s < count; s++) {
		if (sessions[s].name != NULL && strcmp(sessions[s].name, name) == 0)
			return &sessions[s];
	}
	return NULL;
}
