/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_choice.h"

#include <math.h>
#include <stdlib.h>

/* Gives what the poor places (below the mean) lack to them out of the rich ones. `scaled` has mean
 * 1; `work` has room for `count` places: poor ones are kept at its start, rich ones at its end. */
static void share_out(struct gen_choice *choice, double *scaled, uint32_t *work)
{
	uint32_t poor = 0;
	uint32_t rich = choice->count;

	for (uint32_t i = 0; i < choice->count; i++) {
		if (scaled[i] < 1)
			work[poor++] = i;
		else
			work[--rich] = i;
	}
	while (poor > 0 && rich < choice->count) {
		uint32_t low = work[--poor];
		uint32_t high = work[rich];

		choice->places[low] = (struct gen_alias){
			.share = (uint32_t)(scaled[low] * 0x1p32), .alias = high};
		scaled[high] -= 1 - scaled[low];
		if (scaled[high] < 1) {
			rich++;
			work[poor++] = high;
		}
	}
	/* What is left is 1 but for rounding, and means itself whatever is drawn. */
	while (poor > 0) {
		uint32_t place = work[--poor];

		choice->places[place] = (struct gen_alias){UINT32_MAX, place};
	}
	for (; rich < choice->count; rich++)
		choice->places[work[rich]] = (struct gen_alias){UINT32_MAX, work[rich]};
}

bool gen_choice_make(struct gen_choice *choice, const double *weights, uint32_t count)
{
	double *scaled = malloc(count * sizeof(*scaled));
	uint32_t *work = malloc(count * sizeof(*work));
	double sum = 0;
	bool fine;

	choice->places = malloc(count * sizeof(*choice->places));
	choice->count = count;
	fine = scaled != NULL && work != NULL && choice->places != NULL;
	if (fine) {
		for (uint32_t i = 0; i < count; i++)
			sum += weights[i];
		for (uint32_t i = 0; i < count; i++)
			scaled[i] = weights[i] * count / sum;
		share_out(choice, scaled, work);
	} else {
		gen_choice_free(choice);
	}
	free(scaled);
	free(work);
	return fine;
}

bool gen_choice_zipf(struct gen_choice *choice, uint32_t count, double exponent)
{
	double *weights = malloc(count * sizeof(*weights));
	bool fine;

	*choice = (struct gen_choice){0};
	if (weights == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++)
		weights[i] = pow(i + 1.0, -exponent);
	fine = gen_choice_make(choice, weights, count);
	free(weights);
	return fine;
}

void gen_choice_free(struct gen_choice *choice)
{
	free(choice->places);
	*choice = (struct gen_choice){0};
}
