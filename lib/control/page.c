/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/page.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "output/output.h"
#include "packet/verdict.h"
#include "page_html.h"

/* Where the page wants the meanings: a string in its script. */
static const char mark[] = "\"MT_HELP\"";

static struct {
	const char *text;
	size_t length;
} page = {page_html, sizeof(page_html)};

/* {"verdicts": {NAME: {"meaning", "remedy"}}, "outputs": {REASON: MEANING}}: the same words as in
 * docs/verdicts.md and /metrics. */
static json_t *help_document(void)
{
	json_t *verdicts = json_object();
	json_t *outputs = json_object();

	for (unsigned v = MT_VERDICT_HOST + 1; v < MT_VERDICT_COUNT; v++)
		json_object_set_new(verdicts, mt_verdict_name(v),
			json_pack("{s:s, s:s}", "meaning", mt_verdict_meaning(v), "remedy",
				mt_verdict_remedy(v)));
	for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++)
		json_object_set_new(
			outputs, mt_output_drop_name(r), json_string(mt_output_drop_meaning(r)));
	return json_pack("{s:o, s:o}", "verdicts", verdicts, "outputs", outputs);
}

static void make(void)
{
	const char *hole = memmem(page_html, sizeof(page_html), mark, strlen(mark));
	json_t *document = help_document();
	/* As in a script: "</script>" cannot stand in it. */
	char *help =
		document != NULL ? json_dumps(document, JSON_COMPACT | JSON_ESCAPE_SLASH) : NULL;
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	json_decref(document);
	if (hole != NULL && help != NULL && out != NULL) {
		const char *rest = hole + strlen(mark);

		fwrite(page_html, 1, (size_t)(hole - page_html), out);
		fputs(help, out);
		fwrite(rest, 1, (size_t)(page_html + sizeof(page_html) - rest), out);
		if (fclose(out) == 0) {
			page.text = text; /* for good */
			page.length = length;
		}
	} else if (out != NULL) {
		fclose(out);
		free(text);
	}
	free(help);
}

const char *mt_page(size_t *length)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make);
	*length = page.length;
	return page.text;
}
