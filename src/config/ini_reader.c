#include <ini.h>
#include <string.h>

#include "option.h"

#define BLANKS " \t\r\v\f"

/* inih takes options and their values apart. Lines are handed to it by next_line, which keeps three
 * things from it: headers, since it cuts long names and says nothing of empty sections;
 * indentation, which would make an option a part of the one before; and lines longer than its
 * buffer, which it would cut. */
struct ini {
    struct config_reader *reader;
    const char *next; /* what is not read yet */
    int line;
    int failed_line; /* 0: nothing refused so far */
    bool in_section;
    struct section_filling filling;
};

static int header_error(struct ini *ini)
{
    return option_error(ini->reader, ini->line, SECTION_TOP, NULL,
                        "expected a section, such as [tunnel] or [outbound db]");
}

static int end_section(struct ini *ini)
{
    return ini->in_section ? section_end(ini->reader, &ini->filling) : 0;
}

static int begin_section(struct ini *ini, const char *name, const char *title)
{
    enum section_id id = section_find(ini->reader, name);
    struct option_value value = {.type = VALUE_WORD, .text = title};

    if (id == SECTION_COUNT)
        return section_unknown(ini->reader, name, ini->line);
    if (sections[id].title && !*title)
        return option_error(ini->reader, ini->line, id, NULL, "expected [%s NAME]", name);
    if (!sections[id].title && *title)
        return option_error(ini->reader, ini->line, id, NULL, "expected [%s] alone", name);
    if (section_begin(ini->reader, id, ini->line, &ini->filling) != 0)
        return -1;
    ini->in_section = true;
    if (!*title)
        return 0;
    return section_set(ini->reader, &ini->filling, sections[id].title, &value, ini->line);
}

/* `text` begins behind the bracket and is changed. */
static int read_header(struct ini *ini, char *text)
{
    char *end = strchr(text, ']');
    char *title;

    if (!end)
        return header_error(ini);
    *end++ = '\0';
    end += strspn(end, BLANKS);
    if (*end && *end != ';' && *end != '#')
        return header_error(ini);
    text += strspn(text, BLANKS);
    title = text + strcspn(text, BLANKS);
    if (*title)
        *title++ = '\0';
    title += strspn(title, BLANKS);
    for (end = title + strlen(title); end > title && strchr(BLANKS, end[-1]); end--)
        end[-1] = '\0';
    if (!*text)
        return header_error(ini);
    if (end_section(ini) != 0)
        return -1;
    return begin_section(ini, text, title);
}

static char *next_line(char *out, int room, void *argument)
{
    struct ini *ini = argument;
    const char *start = ini->next + strspn(ini->next, BLANKS);
    size_t length = strcspn(start, "\n");
    int rc = 0;

    if (ini->failed_line || !*ini->next)
        return NULL;
    ini->line++;
    ini->next = start + length + (start[length] == '\n');
    if (*start == ';' || *start == '#') {
        *out = '\0';
        return out;
    }
    /* For the end of the line and of the string, and one that inih's own fgets would have kept. */
    if (length + 3 > (size_t)room) {
        rc = option_error(ini->reader, ini->line, SECTION_TOP, NULL,
                          "expected a line of at most %d bytes", room - 3);
    } else {
        memcpy(out, start, length);
        out[length] = '\0';
        if (*out == '[') {
            rc = read_header(ini, out + 1);
            *out = '\0';
        }
    }
    if (rc == 0)
        return out;
    ini->failed_line = ini->line;
    return NULL;
}

static int on_option(void *argument, const char *section, const char *key, const char *text)
{
    struct ini *ini = argument;
    struct option_value value = {.type = VALUE_WORD, .text = text};
    int rc;

    (void)section;
    if (ini->failed_line)
        return 0;
    if (ini->in_section)
        rc = section_set(ini->reader, &ini->filling, key, &value, ini->line);
    else
        rc = option_error(ini->reader, ini->line, SECTION_TOP, key,
                          "expected a section first: [sidecar]");
    if (rc != 0)
        ini->failed_line = ini->line;
    return rc == 0;
}

int ini_read(struct config_reader *reader, const char *text)
{
    struct ini ini = {.reader = reader, .next = text};
    int line = ini_parse_stream(next_line, &ini, on_option, &ini);

    /* inih goes on after a line it could not read, so that something later may have been refused,
     * too. */
    if (line > 0 && (ini.failed_line == 0 || line < ini.failed_line))
        return option_error(reader, line, SECTION_TOP, NULL, "expected OPTION = VALUE");
    if (ini.failed_line)
        return -1;
    return end_section(&ini);
}
