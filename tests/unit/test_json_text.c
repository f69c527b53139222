/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts from outside become strings of JSON documents, whatever their bytes are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/json_text.h"

static void expect(const char *text, const char *expected)
{
	json_t *string = mt_json_text(text);

	assert_non_null(string);
	assert_string_equal(json_string_value(string), expected);
	json_decref(string);
}

static void valid_texts_stay(void **state)
{
	(void)state;
	expect("", "");
	expect("plain \"text\"\n", "plain \"text\"\n");
	expect("\xc3\xa4\xe7\xb6\xb2\xf0\x9f\x90\x9f", "\xc3\xa4\xe7\xb6\xb2\xf0\x9f\x90\x9f");
	/* The first and last of each length, around the surrogates, the last of all. */
	expect("\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
		"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	expect("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80");
}

static void null_is_null(void **state)
{
	(void)state;
	assert_true(json_is_null(mt_json_text(NULL)));
}

static void broken_sequences_are_mended(void **state)
{
	(void)state;
	expect("a\xe7\xb6", "a?"); /* cut at the end */
	expect("a\xe7", "a?");
	expect("\xf0\x9f\x90 b", "? b");
	expect("a\xe7\xb6\"", "a?\"");
	expect("\xe7\xe7\xb6\xb2", "?\xe7\xb6\xb2");
	expect("\x80\xbf x", "? x");      /* continues nothing */
	expect("\xff\xfe", "??");         /* never in UTF-8 */
	expect("\xc0\x80\xc1\xbf", "??"); /* overlong */
	expect("\xe0\x9f\xbf\xf0\x8f\xbf\xbf", "??");
	expect("\xed\xa0\x80\xed\xbf\xbf", "??");         /* surrogates */
	expect("\xf4\x90\x80\x80\xf5\x80\x80\x80", "??"); /* above U+10FFFF */
}

/* As the daemon's messages are: a text of the configuration, cut by bytes. */
static void every_cut_is_mended(void **state)
{
	static const char name[] = "\xe7\xb6\xb2\xc3\xa4\xf0\x9f\x90\x9f\xe8\xb7\xaf";

	(void)state;
	for (int length = 0; length <= (int)strlen(name); length++) {
		char text[64];
		json_t *document;

		snprintf(text, sizeof(text), "no filter \"%.*s\"", length, name);
		document = json_pack("{s:o}", "error", mt_json_text(text));
		assert_non_null(document);
		json_decref(document);
	}
}

/* The judge is jansson, which refuses what is no UTF-8. */
static void any_bytes_become_a_string(void **state)
{
	uint32_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		char text[9];
		json_t *string, *valid;

		for (unsigned i = 0; i < sizeof(text) - 1; i++) {
			random = random * UINT32_C(1664525) + UINT32_C(1013904223);
			/* Mostly what UTF-8 is made of beyond ASCII. */
			text[i] = (char)(random >> 24 | (random & 0x300) >> 2);
		}
		text[sizeof(text) - 1] = '\0';
		valid = json_string(text);
		string = mt_json_text(text);
		assert_non_null(string);
		if (valid != NULL)
			assert_string_equal(json_string_value(string), text);
		mt_json_text_mend(text);
		assert_string_equal(json_string_value(string), text);
		json_decref(valid);
		json_decref(string);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_texts_stay),
		cmocka_unit_test(null_is_null),
		cmocka_unit_test(broken_sequences_are_mended),
		cmocka_unit_test(every_cut_is_mended),
		cmocka_unit_test(any_bytes_become_a_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
