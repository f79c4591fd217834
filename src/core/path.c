/*
 * Request paths (path.h): the normaliser and the template matcher that every front end uses. Pure; any
 * thread; on the decision path. Never allocates. When in doubt about how some server would read a path, it
 * says "ambiguous".
 */
#include "core/path.h"

#include <string.h>

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

/* RFC 3986 section 2.3. */
static bool is_unreserved(unsigned char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.' || c == '_' || c == '~';
}

static bool is_control(unsigned char c)
{
        return c < 0x20 || c == 0x7F;
}

/* Bytes that some server takes for a separator, a parameter, a query, a fragment, or cuts at. */
static bool raw_is_ambiguous(unsigned char c)
{
        return is_control(c) || c == ';' || c == '\\' || c == '?' || c == '#';
}

/* Escapes of bytes that mean something else to a server which decodes before it splits, or decodes twice. */
static bool escape_is_ambiguous(unsigned char c)
{
        return is_control(c) || c == '/' || c == '\\' || c == '.' || c == ';' || c == '%';
}

struct output {
        char *path;
        size_t len;
        size_t segment; /* where the segment that is being put begins */
        bool ambiguous;
};

static void put(struct output *out, char c)
{
        out->path[out->len++] = c;
}

/* The escape at the front of raw: decoded where RFC 3986 section 6.2.2.2 says so, else kept in upper case
 * (6.2.2.1). */
static bool put_escape(struct output *out, struct tk_str raw)
{
        static const char digits[] = "0123456789ABCDEF";

        int high = raw.len < 3 ? -1 : hex_value(raw.ptr[1]);
        int low = raw.len < 3 ? -1 : hex_value(raw.ptr[2]);
        if (high < 0 || low < 0)
                return false;

        unsigned char c = (unsigned char)(high << 4 | low);
        out->ambiguous |= escape_is_ambiguous(c);
        if (is_unreserved(c)) {
                put(out, (char)c);
                return true;
        }
        put(out, '%');
        put(out, digits[high]);
        put(out, digits[low]);
        return true;
}

/*
 * The segment that was put from out->segment on is complete. `.` is dropped, and `..` with its parent; the
 * path then ends in a slash. Returns whether the segment stays.
 */
static bool end_segment(struct output *out)
{
        struct tk_str segment = {out->path + out->segment, out->len - out->segment};
        bool parent = tk_str_equal(segment, TK_STR(".."));

        if (!parent && !tk_str_equal(segment, TK_STR(".")))
                return true;
        out->ambiguous = true;
        out->len = out->segment;
        if (parent && out->len > 1) {
                out->len--;
                while (out->path[out->len - 1] != '/')
                        out->len--;
        }
        return false;
}

static void put_slash(struct output *out)
{
        if (out->len == out->segment)
                out->ambiguous = true; /* an empty segment */
        if (end_segment(out))
                put(out, '/');
        out->segment = out->len;
}

static void put_raw(struct output *out, char c)
{
        out->ambiguous |= raw_is_ambiguous((unsigned char)c);
        put(out, c);
}

bool tk_path_canonical(struct tk_str raw, char *ret_path, size_t room, size_t *ret_len, bool *ret_ambiguous)
{
        struct output out = {.path = ret_path};

        if (raw.len == 0 || raw.ptr[0] != '/' || raw.len > TK_PATH_MAX || raw.len > room)
                return false;
        put(&out, '/');
        out.segment = out.len;
        for (size_t i = 1; i < raw.len; i++) {
                if (raw.ptr[i] == '/') {
                        put_slash(&out);
                } else if (raw.ptr[i] != '%') {
                        put_raw(&out, raw.ptr[i]);
                } else {
                        if (!put_escape(&out, tk_str_skip(raw, i)))
                                return false;
                        i += 2;
                }
        }
        end_segment(&out);
        *ret_len = out.len;
        *ret_ambiguous = out.ambiguous;
        return true;
}

/* The segment at the front of *rest, which begins with a slash or is empty; *rest moves past it. */
static bool next_segment(struct tk_str *rest, struct tk_str *ret_segment)
{
        if (rest->len == 0)
                return false;

        struct tk_str after_slash = tk_str_skip(*rest, 1);
        struct tk_str tail;
        tk_str_cut(after_slash, '/', ret_segment, &tail);
        *rest = tk_str_skip(after_slash, ret_segment->len);
        return true;
}

static bool is_rest(struct tk_str segment)
{
        return tk_str_equal(segment, TK_STR("**"));
}

static bool is_any(struct tk_str segment)
{
        return tk_str_equal(segment, TK_STR("*")) || (segment.len > 0 && segment.ptr[0] == '{');
}

static bool has_any_of(struct tk_str s, struct tk_str characters)
{
        for (size_t i = 0; i < s.len; i++) {
                if (memchr(characters.ptr, s.ptr[i], characters.len) != NULL)
                        return true;
        }
        return false;
}

/* `{name}`, the name of letters, digits, `_`, `.` and `-`. */
static bool is_parameter(struct tk_str segment)
{
        if (segment.len < 3 || segment.ptr[0] != '{' || segment.ptr[segment.len - 1] != '}')
                return false;
        for (size_t i = 1; i < segment.len - 1; i++) {
                if (!is_unreserved((unsigned char)segment.ptr[i]) || segment.ptr[i] == '~')
                        return false;
        }
        return true;
}

static bool segment_valid(struct tk_str segment, bool last)
{
        if (is_rest(segment))
                return last;
        if (tk_str_equal(segment, TK_STR("*")))
                return true;
        return is_parameter(segment) || !has_any_of(segment, TK_STR("{}*"));
}

static bool is_visible_ascii(struct tk_str s)
{
        for (size_t i = 0; i < s.len; i++) {
                if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7F)
                        return false;
        }
        return true;
}

static const char *segment_fault(struct tk_str segment, bool last)
{
        if (segment_valid(segment, last))
                return NULL;
        if (is_rest(segment))
                return "`**` stands for the rest of the path, so it must be the last segment";
        return "a segment is a literal, `{name}` (of letters, digits, `_`, `.`, `-`), `*`, or a last `**`, "
               "as a whole";
}

/* Literal segments are compared with canonical paths: a template that is not canonical would never match. */
static const char *form_fault(struct tk_str path_template)
{
        char canonical[TK_PATH_TEMPLATE_MAX];
        size_t len;
        bool ambiguous;

        if (path_template.len == 0 || path_template.ptr[0] != '/')
                return "it does not begin with `/`";
        if (path_template.len > TK_PATH_TEMPLATE_MAX)
                return "it is longer than 256 bytes";
        if (!is_visible_ascii(path_template))
                return "it has spaces, control characters or bytes that are not ASCII: write them as %XX";
        if (!tk_path_canonical(path_template, canonical, sizeof canonical, &len, &ambiguous))
                return "it has a `%` that two hexadecimal digits do not follow";
        if (ambiguous)
                return "it has an empty segment, `.`, `..`, `;`, `?`, `#`, a backslash, or an escape of one "
                       "of "
                       "these: such paths are never matched";
        if (!tk_str_equal(path_template, (struct tk_str){canonical, len}))
                return "it is not in canonical form: escapes are in upper case, and letters, digits, `-._~` "
                       "are not "
                       "escaped";
        return NULL;
}

const char *tk_path_template_fault(struct tk_str path_template)
{
        const char *fault = form_fault(path_template);
        struct tk_str segment;

        while (fault == NULL && next_segment(&path_template, &segment))
                fault = segment_fault(segment, path_template.len == 0);
        return fault;
}

bool tk_path_template_valid(struct tk_str path_template)
{
        return tk_path_template_fault(path_template) == NULL;
}

size_t tk_path_template_shape(struct tk_str path_template, char ret_shape[TK_PATH_SHAPE_MAX])
{
        struct tk_str segment;
        size_t len = 0;

        while (next_segment(&path_template, &segment)) {
                struct tk_str put = is_any(segment) ? TK_STR("*") : segment;

                ret_shape[len++] = '/';
                memcpy(ret_shape + len, put.ptr, put.len);
                len += put.len;
        }
        return len;
}

bool tk_path_template_match(struct tk_str path_template, struct tk_str canonical_path)
{
        struct tk_str wanted, segment;

        while (next_segment(&path_template, &wanted)) {
                if (is_rest(wanted))
                        return true;
                if (!next_segment(&canonical_path, &segment))
                        return false;
                if (is_any(wanted) ? segment.len == 0 : !tk_str_equal(wanted, segment))
                        return false;
        }
        return canonical_path.len == 0;
}
