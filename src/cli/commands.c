#include <stddef.h>

#include "appnet/cli/command.h"

/* As people meet them: what is connected, what there is, what runs here, whom to trust. */
const struct command *const commands[] = {
    &status_command,
    &wait_command,
    &run_command,
    &ca_init_command,
    &ca_issue_command,
    NULL,
};
