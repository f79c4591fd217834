/*
 * Runs a fuzz target over kept inputs without libFuzzer, so that every compiler can and the unit tests do.
 *
 *     replay FOLDER     exit 0 when every file in it holds; there must be one
 */
#include "fuzz.h"

#include <dirent.h>

static void replay(const char *path)
{
        static uint8_t bytes[1 << 20];
        FILE *file = fopen(path, "rb");

        CHECK(file != NULL);
        size_t len = fread(bytes, 1, sizeof bytes, file);
        CHECK(feof(file));
        fclose(file);

        uint8_t *exact = malloc(len); /* so that ASan sees a read past the end */
        CHECK(exact != NULL || len == 0);
        for (size_t i = 0; i < len; i++)
                exact[i] = bytes[i];
        LLVMFuzzerTestOneInput(exact, len);
        free(exact);
}

int main(int argc, char **argv)
{
        CHECK(argc == 2);
        DIR *folder = opendir(argv[1]);
        const struct dirent *entry;
        unsigned count = 0;

        CHECK(folder != NULL);
        while ((entry = readdir(folder)) != NULL) {
                char path[4096];
                if (entry->d_name[0] == '.')
                        continue;
                CHECK(snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name) < (int)sizeof path);
                replay(path);
                count++;
        }
        closedir(folder);
        CHECK(count > 0);
        printf("%u inputs hold\n", count);
        return 0;
}
