#include <stddef.h>

#include "appnet/cli/command.h"

/* As people meet them: what is connected, what there is, what runs here, whom to trust. */
const struct command *const commands[] = {
    &connection_list_command,
    &connection_add_command,
    &connection_remove_command,
    &inbound_available_command,
    &outbound_available_command,
    &instance_list_command,
    &instance_show_command,
    &instance_apply_command,
    &instance_remove_command,
    &token_create_command,
    &token_list_command,
    &token_revoke_command,
    &events_command,
    &status_command,
    &wait_command,
    &run_command,
    &ca_init_command,
    &ca_issue_command,
    NULL,
};
