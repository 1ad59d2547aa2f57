/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fuzzer without its engine: runs the inputs in the folders it is given, each file a test. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define REPLAY_MAX 65536

/* An input that hangs is ended, with its name as the last line. */
#define REPLAY_SECONDS 120

static int replay_file(const char *path)
{
	static uint8_t bytes[REPLAY_MAX];
	FILE *file = fopen(path, "rb");
	size_t n;

	if (!file) {
		perror(path);
		return 1;
	}
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	fprintf(stderr, "%s\n", path);
	alarm(REPLAY_SECONDS);
	LLVMFuzzerTestOneInput(bytes, n);
	alarm(0);
	return 0;
}

static int replay_folder(const char *folder, int *count)
{
	struct dirent **entry;
	int n = scandir(folder, &entry, NULL, alphasort);
	int failed = n < 0;

	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.') {
			failed |= replay_file(path);
			(*count)++;
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return failed;
}

/* It loses descriptors of messages, and cannot tell what memory can be reached. */
static bool replay_is_emulated(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && madvise(page, 4096, 4711) == 0;
}

int main(int argc, char **argv)
{
	int count = 0;
	int failed = 0;

	if (replay_is_emulated()) {
		printf("this is an emulator, which accepts advice that does not exist\n");
		return 77;
	}
	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		failed |= replay_folder(argv[i], &count);
	printf("%d inputs\n", count);
	return failed || !count;
}
