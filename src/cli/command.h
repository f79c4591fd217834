/*
 * What a command is: the tables from which main.c dispatches, args.c parses, help.c explains and request.c asks the
 * daemon. Each noun's table is in the file of its name; commands.c lists them. Nothing here changes at run time.
 */
#ifndef TK_CLI_COMMAND_H
#define TK_CLI_COMMAND_H

#include "cli/exit.h"
#include "cli/options.h"
#include "cli/settings.h"
#include "core/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tk_cli_run;

/* How a member of a reply is shown to people. */
enum tk_cli_format {
        TK_CLI_AS_TEXT, /* strings, numbers, booleans */
        TK_CLI_AS_STATE,
        TK_CLI_AS_TIME,      /* null is shown as "-" */
        TK_CLI_AS_EXPIRY,    /* null is shown as "never" */
        TK_CLI_AS_SECONDS,   /* a number of seconds to come; null is shown as "never" */
        TK_CLI_AS_LIST,      /* of strings */
        TK_CLI_AS_LIMITS,    /* of definitions: "requests 100/min" */
        TK_CLI_AS_ALLOWANCE, /* the whole element: "100/min, burst 200" */
        TK_CLI_AS_NAMED,     /* an object with name and id */
        TK_CLI_AS_OBJECT,    /* JSON on one line */
        TK_CLI_AS_SUBJECT,   /* the whole element, an audit entry: what it is about */
        TK_CLI_AS_CHANGES,   /* the whole element, an audit entry: what it changed */
};

enum tk_cli_where {
        TK_CLI_IN_RECORD = 1, /* shown where one object is */
        TK_CLI_IN_TABLE = 2,  /* and where many are listed */
        TK_CLI_OPTIONAL = 4,  /* left out of a record when it is empty */
        TK_CLI_IF_ROOM = 8,   /* left out of a table on a terminal that is too narrow */
};

struct tk_cli_column {
        const char *title;  /* as the table's head; a record shows it in lower case */
        const char *member; /* dots lead into objects; NULL: the element itself */
        enum tk_cli_format format;
        unsigned where;
};

/* The columns of a noun; the first one names the object. */
struct tk_cli_view {
        const struct tk_cli_column *columns;
        size_t count;
        const char *empty; /* what to say when a list has nothing */
};

struct tk_cli_command {
        const char *verb;      /* NULL: the noun alone is the command */
        const char *alias;     /* another word for the verb, or NULL */
        const char *argument;  /* the one argument that it takes, [in brackets] when it may be left out */
        const char *summary;   /* one line, lower case, no full stop */
        const char *notes;     /* further lines of help, or NULL */
        const char *example;   /* lines that work as they stand against a daemon with the demo */
        tk_cli_flags options;  /* TK_CLI_HAS() of each flag */
        tk_cli_flags required; /* those without which it makes no sense */
        bool settings;         /* takes the flags of settings.h as well */
        const char *method;
        const char *
                path; /* {} is the argument, {api} is --api, {environment} is --env; an argument that is not in the path is `name` */
        const char *done;    /* past tense of a change: "revoked" */
        bool create_missing; /* the body says "create_missing": true */
        int (*run)(const struct tk_cli_run *run);
};

struct tk_cli_noun {
        const char *name, *alias;
        const char *summary;
        const struct tk_cli_command *commands;
        size_t count;
        const struct tk_cli_view *view; /* NULL where nothing is listed */
};

/* In the order of the help; NULL ends it. */
extern const struct tk_cli_noun *const tk_cli_nouns[];

/* One option as it was given. */
struct tk_cli_given {
        enum tk_cli_option option;
        const char *value; /* NULL for flags */
};

/* One command as it was typed. */
struct tk_cli_run {
        const char *program; /* argv[0] */
        const struct tk_cli_noun *noun;
        const struct tk_cli_command *command;
        const char *argument; /* NULL when it takes none */
        const struct tk_cli_given *given;
        size_t given_count;
        struct tk_setting_given *settings;
        size_t setting_count;
        struct tk_arena *arena; /* until the program ends */
};

#endif
