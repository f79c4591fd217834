/*
 * Lays out tables and records. Two passes: all cells are made and measured, then printed. Main thread only.
 */
#include "cli/table.h"

#include "cli/cell.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define GAP         2 /* columns between cells */
#define COLUMN_MIN  6 /* a column is not cut below this */
#define COLUMNS_MAX 16

/* ---- one cell ---- */

/* How many bytes of the text fit into `width` columns. */
static size_t bytes_within(const char *text, unsigned width)
{
        mbstate_t state = {0};
        size_t bytes = 0, left = strlen(text);
        unsigned used_columns = 0;
        while (left > 0) {
                wchar_t c;
                size_t used = mbrtowc(&c, text + bytes, left, &state);
                if (used == 0 || used > left)
                        break;
                int columns = wcwidth(c);
                used_columns += columns < 0 ? 1 : (unsigned)columns;
                if (used_columns > width)
                        break;
                bytes += used;
                left -= used;
        }
        return bytes;
}

/* The text, cut with an ellipsis to `width`, and padded to it unless it is the last of its line. */
static void print_cell(const struct tk_cli_cell *cell, unsigned width, bool last)
{
        fputs(tk_cli_colour_on(cell->colour), stdout);
        unsigned printed = cell->width;
        if (cell->width <= width) {
                fputs(cell->text, stdout);
        } else {
                size_t bytes = bytes_within(cell->text, width - 1);
                fwrite(cell->text, 1, bytes, stdout);
                fputs("…", stdout);
                printed = width;
        }
        fputs(tk_cli_colour_off(cell->colour), stdout);
        if (!last)
                printf("%*s", (int)(width - printed + GAP), "");
}

/* ---- tables ---- */

struct layout {
        const struct tk_cli_column *columns[COLUMNS_MAX]; /* those that are shown */
        unsigned widths[COLUMNS_MAX];
        size_t count;
        struct tk_cli_cell *cells; /* row by row, the head first */
};

static void choose_columns(struct layout *layout, const struct tk_cli_view *view)
{
        for (size_t i = 0; i < view->count && layout->count < COLUMNS_MAX; i++)
                if (view->columns[i].where & TK_CLI_IN_TABLE)
                        layout->columns[layout->count++] = &view->columns[i];
}

static bool make_cells(struct tk_arena *arena, struct layout *layout, const json_t *items, size_t rows)
{
        layout->cells = tk_arena_alloc(arena, sizeof(*layout->cells) * layout->count * (rows + 1));
        if (!layout->cells)
                return false;
        for (size_t i = 0; i < layout->count; i++) {
                const char *title = layout->columns[i]->title;
                layout->cells[i] = (struct tk_cli_cell){
                        .text = title, .width = tk_cli_width(title), .colour = TK_CLI_BOLD};
        }
        for (size_t row = 0; row < rows; row++) {
                struct tk_cli_cell *cells = layout->cells + (row + 1) * layout->count;
                for (size_t i = 0; i < layout->count; i++)
                        if (!tk_cli_cell_make(arena, layout->columns[i], json_array_get(items, row), false,
                                              &cells[i]))
                                return false;
        }
        return true;
}

static void measure(struct layout *layout, size_t rows)
{
        for (size_t cell = 0; cell < layout->count * (rows + 1); cell++) {
                unsigned *width = &layout->widths[cell % layout->count];
                if (layout->cells[cell].width > *width)
                        *width = layout->cells[cell].width;
        }
}

static unsigned total_width(const struct layout *layout)
{
        unsigned total = 0;
        for (size_t i = 0; i < layout->count; i++)
                total += layout->widths[i] ? layout->widths[i] + GAP : 0;
        return total - GAP;
}

/* The last column that is only shown where there is room, as an index; 0 when there is none: the first always stays. */
static size_t dispensable(const struct layout *layout)
{
        size_t at = layout->count - 1;
        while (at > 0 && (layout->widths[at] == 0 || !(layout->columns[at]->where & TK_CLI_IF_ROOM)))
                at--;
        return at;
}

static size_t widest(const struct layout *layout)
{
        size_t at = 1;
        for (size_t i = 2; i < layout->count; i++)
                if (layout->widths[i] > layout->widths[at])
                        at = i;
        return at;
}

/*
 * Make the lines fit: leave out what can be, then cut the widest. A column of width 0 is left out. The first column stays
 * whole: it is what other commands are given.
 */
static void fit(struct layout *layout, unsigned terminal_width)
{
        if (terminal_width == 0 || layout->count < 2)
                return;
        for (size_t at; total_width(layout) > terminal_width && (at = dispensable(layout)) != 0;)
                layout->widths[at] = 0;
        for (unsigned total = total_width(layout); total > terminal_width; total--) {
                size_t at = widest(layout);
                if (layout->widths[at] <= COLUMN_MIN)
                        return;
                layout->widths[at]--;
        }
}

static void print_row(const struct layout *layout, const struct tk_cli_cell *cells)
{
        size_t last = layout->count - 1;
        while (layout->widths[last] == 0)
                last--;
        for (size_t i = 0; i <= last; i++)
                if (layout->widths[i] > 0)
                        print_cell(&cells[i], layout->widths[i], i == last);
        putchar('\n');
}

bool tk_cli_table_print(struct tk_arena *arena, const struct tk_cli_view *view, const json_t *items)
{
        struct layout layout = {0};
        size_t rows = json_array_size(items);
        choose_columns(&layout, view);
        if (!make_cells(arena, &layout, items, rows))
                return false;
        measure(&layout, rows);
        fit(&layout, tk_cli_terminal_columns());
        for (size_t row = 0; row <= rows; row++)
                print_row(&layout, layout.cells + row * layout.count);
        return true;
}

/* ---- records ---- */

static unsigned label_width(const struct tk_cli_view *view)
{
        unsigned width = 0;
        for (size_t i = 0; i < view->count; i++) {
                unsigned title = tk_cli_width(view->columns[i].title);
                if (view->columns[i].where & TK_CLI_IN_RECORD && title > width)
                        width = title;
        }
        return width;
}

static void print_label(const char *title, unsigned width)
{
        printf("%s", tk_cli_colour_on(TK_CLI_DIM));
        for (const char *c = title; *c; c++)
                putchar(tolower((unsigned char)*c));
        printf("%s%*s", tk_cli_colour_off(TK_CLI_DIM), (int)(width - strlen(title) + GAP), "");
}

bool tk_cli_record_print(struct tk_arena *arena, const struct tk_cli_view *view, const json_t *object)
{
        unsigned width = label_width(view);
        for (size_t i = 0; i < view->count; i++) {
                const struct tk_cli_column *column = &view->columns[i];
                struct tk_cli_cell cell;
                if (!(column->where & TK_CLI_IN_RECORD))
                        continue;
                if (!tk_cli_cell_make(arena, column, object, true, &cell))
                        return false;
                if (cell.empty && column->where & TK_CLI_OPTIONAL)
                        continue;
                print_label(column->title, width);
                print_cell(&cell, cell.width, true);
                putchar('\n');
        }
        return true;
}
