#include <libconfig.h>
#include <string.h>

#include "option.h"

static struct option_value value_of(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        return (struct option_value){.type = VALUE_STRING,
                                     .text = config_setting_get_string(setting)};
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return (struct option_value){.type = VALUE_INTEGER,
                                     .integer = config_setting_get_int64(setting)};
    case CONFIG_TYPE_BOOL:
        return (struct option_value){.type = VALUE_BOOLEAN,
                                     .boolean = config_setting_get_bool(setting)};
    case CONFIG_TYPE_FLOAT:
        return (struct option_value){.type = VALUE_OTHER, .text = "a fraction"};
    case CONFIG_TYPE_GROUP:
        return (struct option_value){.type = VALUE_OTHER, .text = "a group"};
    default:
        return (struct option_value){.type = VALUE_OTHER, .text = "a list"};
    }
}

static int line_of(const config_setting_t *setting)
{
    return (int)config_setting_source_line(setting);
}

static config_setting_t *element(const config_setting_t *setting, int index)
{
    return config_setting_get_elem(setting, (unsigned)index);
}

static int set_option(struct config_reader *reader, struct section_filling *filling,
                      const config_setting_t *setting)
{
    struct option_value value = value_of(setting);

    return section_set(reader, filling, config_setting_name(setting), &value, line_of(setting));
}

static int read_section(struct config_reader *reader, enum section_id id,
                        const config_setting_t *group)
{
    struct section_filling filling;

    if (section_begin(reader, id, line_of(group), &filling) != 0)
        return -1;
    for (int i = 0; i < config_setting_length(group); i++) {
        if (set_option(reader, &filling, element(group, i)) != 0)
            return -1;
    }
    return section_end(reader, &filling);
}

static int read_list(struct config_reader *reader, enum section_id id, const config_setting_t *list)
{
    const char *name = config_setting_name(list);

    if (!config_setting_is_list(list))
        return option_error(reader, line_of(list), id, NULL,
                            "expected a list of groups: %s = ( { ... }, { ... } )", name);
    for (int i = 0; i < config_setting_length(list); i++) {
        const config_setting_t *group = element(list, i);

        if (!config_setting_is_group(group))
            return option_error(reader, line_of(group), id, NULL,
                                "expected groups in the list: %s = ( { ... }, { ... } )", name);
        if (read_section(reader, id, group) != 0)
            return -1;
    }
    return 0;
}

static int read_root(struct config_reader *reader, const config_setting_t *root)
{
    struct section_filling top;

    if (section_begin(reader, SECTION_TOP, 0, &top) != 0)
        return -1;
    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *setting = element(root, i);
        const char *name = config_setting_name(setting);
        enum section_id id = section_find(reader, name);
        int rc;

        if (option_is_top(name))
            rc = set_option(reader, &top, setting);
        else if (id == SECTION_COUNT)
            rc = section_unknown(reader, name, line_of(setting));
        else if (sections[id].title)
            rc = read_list(reader, id, setting);
        else if (config_setting_is_group(setting))
            rc = read_section(reader, id, setting);
        else
            rc = option_error(reader, line_of(setting), id, NULL, "expected a group: %s = { ... }",
                              name);
        if (rc != 0)
            return -1;
    }
    return section_end(reader, &top);
}

/* libconfig ends the program when an included file cannot be read to its end. */
static int refuse_include(struct config_reader *reader, const char *text)
{
    for (int line = 1; text; line++) {
        text += strspn(text, " \t");
        if (strncmp(text, "@include", strlen("@include")) == 0)
            return option_error(reader, line, SECTION_TOP, NULL,
                                "@include is not supported: one file holds it all");
        text = strchr(text, '\n');
        if (text)
            text++;
    }
    return 0;
}

int libconfig_read(struct config_reader *reader, const char *text)
{
    config_t parsed;
    int rc;

    if (refuse_include(reader, text) != 0)
        return -1;
    config_init(&parsed);
    if (config_read_string(&parsed, text))
        rc = read_root(reader, config_root_setting(&parsed));
    else
        rc = option_error(reader, config_error_line(&parsed), SECTION_TOP, NULL, "%s",
                          config_error_text(&parsed));
    config_destroy(&parsed);
    return rc;
}
