/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/verdict.h"

static const struct {
	const char *name;
	const char *meaning;
	const char *remedy;
} verdicts[] = {
#define X(symbol, name, meaning, remedy) [MT_VERDICT_##symbol] = {name, meaning, remedy},
	MT_VERDICTS(X)
#undef X
};

const char *mt_verdict_name(enum mt_verdict verdict)
{
	return (unsigned)verdict < MT_VERDICT_COUNT ? verdicts[verdict].name : "?";
}

const char *mt_verdict_meaning(enum mt_verdict verdict)
{
	return (unsigned)verdict < MT_VERDICT_COUNT ? verdicts[verdict].meaning : "?";
}

const char *mt_verdict_remedy(enum mt_verdict verdict)
{
	return (unsigned)verdict < MT_VERDICT_COUNT ? verdicts[verdict].remedy : "?";
}
