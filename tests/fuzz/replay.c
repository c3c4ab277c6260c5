/*
 * replay.c - the main() of a fuzz target that is built without a fuzzer.
 *
 * Runs the target once over each file of its corpus, so that what a fuzzer once
 * found is tested in every build.  fuzz_NAME finds tests/fuzz/corpus/NAME under
 * $srcdir by itself; files given as arguments are run instead.
 */
#include <dirent.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *path)
{
	FILE *file = fopen(path, "re");
	struct stat status;
	uint8_t *data;
	size_t size;

	if (file == NULL || fstat(fileno(file), &status) != 0)
		err(1, "%s", path);
	size = (size_t)status.st_size;
	/* Exactly as large as the file, so that a sanitizer sees one octet too far. */
	data = malloc(size > 0 ? size : 1);
	if (data == NULL || fread(data, 1, size, file) != size)
		err(1, "%s", path);
	fclose(file);
	/* A crash should say where it was. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay_folder(const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_visible, alphasort);

	if (count < 0)
		err(1, "%s", folder);
	for (int i = 0; i < count; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
			err(1, NULL);
		replay_file(path);
		free(path);
		free(entries[i]);
	}
	free(entries);
	return count;
}

int main(int argc, char **argv)
{
	const char *source = getenv("srcdir");
	const char *name = strrchr(argv[0], '/');
	char *folder;
	int count;

	for (int i = 1; i < argc; i++)
		replay_file(argv[i]);
	if (argc > 1)
		return 0;
	name = name == NULL ? argv[0] : name + 1;
	if (strncmp(name, "fuzz_", 5) != 0)
		errx(1, "%s: not called fuzz_NAME", name);
	if (asprintf(&folder, "%s/tests/fuzz/corpus/%s", source == NULL ? "." : source, name + 5) <
	    0)
		err(1, NULL);
	count = replay_folder(folder);
	if (count == 0)
		errx(1, "%s: no files", folder);
	printf("%d files\n", count);
	free(folder);
	return 0;
}
