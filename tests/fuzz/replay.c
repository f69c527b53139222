/* SPDX-License-Identifier: BSD-3-Clause */
/* Goes over a corpus without libFuzzer: each file of each folder named. For any compiler. */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES = 1 << 16 };

static int replay_file(const char *path)
{
	static uint8_t buffer[INPUT_BYTES];
	FILE *file = fopen(path, "rbe");
	uint8_t *exact;
	size_t size;

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	size = fread(buffer, 1, sizeof(buffer), file);
	fclose(file);
	/* Of its own size, as libFuzzer does it. */
	exact = malloc(size != 0 ? size : 1);
	if (exact == NULL)
		return -1;
	memcpy(exact, buffer, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

/* The number of inputs, or -1. */
static int replay_folder(const char *folder)
{
	DIR *list = opendir(folder);
	struct dirent *entry;
	char path[4096];
	int count = 0;

	if (list == NULL) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return -1;
	}
	while (count >= 0 && (entry = readdir(list)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		count = replay_file(path) == 0 ? count + 1 : -1;
	}
	closedir(list);
	return count;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FOLDER...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		int count = replay_folder(argv[i]);

		if (count < 0)
			return 1;
		if (count == 0) {
			fprintf(stderr, "%s: no inputs there\n", argv[i]);
			return 1;
		}
		printf("%s: %d inputs, no finding\n", argv[i], count);
	}
	return 0;
}
