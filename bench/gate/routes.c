/*
 * How long it takes to find the route of a request: in a tree of so many routes, and by comparing with each template, as a list of rules would be
 * walked. One thread; requests of 4096 paths in random order, one in eight for no route. Prints one line a size.
 */
#include "core/path.h"
#include "gate/gate.h"
#include "gate/publish.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATHS  4096
#define ROUNDS 200

static char templates[1024][64], paths[PATHS][64];

static uint64_t now_ns(void)
{
        struct timespec now;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Such paths as an API of many resources has. */
static void make(unsigned count)
{
        static const char *const forms[] = {"/v1/resource-%u", "/v1/resource-%u/{id}",
                                            "/v1/resource-%u/{id}/items",
                                            "/v1/resource-%u/{id}/items/{item}"};
        static const char *const asked[] = {"/v1/resource-%u", "/v1/resource-%u/4711",
                                            "/v1/resource-%u/4711/items", "/v1/resource-%u/4711/items/17"};
        for (unsigned i = 0; i < count; i++)
                snprintf(templates[i], sizeof templates[i], forms[i % 4], i / 4);
        for (unsigned i = 0; i < PATHS; i++) {
                unsigned route = (unsigned)random() % count;
                snprintf(paths[i], sizeof paths[i], i % 8 ? asked[route % 4] : "/v2/resource-%u", route / 4);
        }
}

static void publish(struct tk_publisher *publisher, unsigned count)
{
        for (unsigned i = 0; i < count; i++) {
                struct tk_publish_route route = {.id = i + 1,
                                                 .environment_id = 1,
                                                 .method = TK_STR("GET"),
                                                 .template = tk_str_from(templates[i])};
                struct tk_publish_match match = {.route_id = i + 1,
                                                 .environment_id = 1,
                                                 .method = route.method,
                                                 .template = route.template,
                                                 .scope = TK_STR("forecast:read"),
                                                 .cost = 1};
                if (tk_publish_route(publisher, &route) != TK_OK ||
                    tk_publish_match(publisher, &match) != TK_OK)
                        exit(1);
        }
}

static double tree_ns(struct tk_gate *gate, uint32_t environment, unsigned *ret_found)
{
        struct tk_matched_route found;
        *ret_found = 0;
        uint64_t from_ns = now_ns();
        for (unsigned round = 0; round < ROUNDS; round++)
                for (unsigned i = 0; i < PATHS; i++)
                        *ret_found += tk_gate_match_route(gate, environment, TK_STR("GET"),
                                                          tk_str_from(paths[i]), &found) == TK_ROUTE_MATCHED;
        return (double)(now_ns() - from_ns) / ROUNDS / PATHS;
}

/* The first that matches, which is not even the most specific one. */
static double list_ns(unsigned count, unsigned rounds, unsigned *ret_found)
{
        *ret_found = 0;
        uint64_t from_ns = now_ns();
        for (unsigned round = 0; round < rounds; round++)
                for (unsigned i = 0; i < PATHS; i++) {
                        char canonical[TK_PATH_MAX];
                        size_t len;
                        bool ambiguous;
                        if (!tk_path_canonical(tk_str_from(paths[i]), canonical, sizeof canonical, &len,
                                               &ambiguous))
                                continue;
                        for (unsigned r = 0; r < count; r++)
                                if (tk_path_template_match(tk_str_from(templates[r]),
                                                           (struct tk_str){canonical, len})) {
                                        ++*ret_found;
                                        break;
                                }
                }
        return (double)(now_ns() - from_ns) / rounds / PATHS;
}

static void measure(unsigned count)
{
        static const uint8_t installation[16] = "routes";
        static struct tk_pepper_set peppers;
        static struct tk_key_mask mask;
        char dir[] = "/dev/shm/tollkeeper-bench-XXXXXX", path[400];
        struct tk_fault fault = {0};
        struct tk_publisher *publisher;
        struct tk_gate *gate;
        uint64_t applied;
        uint32_t environment;
        unsigned by_tree, by_list, rounds = count > 100 ? 4 : 50;
        struct tk_publish_environment of = {
                .id = 1, .api_id = 1, .api = TK_STR("weather"), .name = TK_STR("production")};
        tk_pepper_set_init(&peppers);
        if (!mkdtemp(dir) ||
            tk_publisher_open(dir, installation, 1, NULL, &publisher, &applied, &fault) != TK_OK ||
            tk_publish_environment(publisher, &of) != TK_OK ||
            tk_gate_open(dir, &peppers, &mask, &gate, &fault) != TK_OK ||
            !tk_gate_environment(gate, of.api, of.name, &environment))
                exit(1);
        make(count);
        uint64_t from_ns = now_ns();
        publish(publisher, count);
        double publish_us = (double)(now_ns() - from_ns) / count / 1000;
        struct tk_publisher_stats stats;
        tk_publisher_stats(publisher, &stats);
        double tree = tree_ns(gate, environment, &by_tree), list = list_ns(count, rounds, &by_list);
        if (by_tree / ROUNDS != by_list / rounds)
                exit(1);
        printf("%5u routes: tree %6.0f ns, list %8.0f ns a request; %5.1f us and %4.0f bytes to publish "
               "one\n",
               count, tree, list, publish_us, (double)stats.policy_bytes / count);
        tk_gate_close(gate);
        tk_publisher_close(publisher);
        DIR *entries = opendir(dir);
        for (struct dirent *entry; (entry = readdir(entries));) {
                snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
                unlink(path);
        }
        closedir(entries);
        rmdir(dir);
}

int main(void)
{
        srandom(1);
        static const unsigned counts[] = {1, 10, 100, 1000};
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
                measure(counts[i]);
        return 0;
}
