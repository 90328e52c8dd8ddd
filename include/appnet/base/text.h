/* Text for people. */
#ifndef APPNET_BASE_TEXT_H
#define APPNET_BASE_TEXT_H

/* Puts a question mark in place of each byte that does not belong to a character of UTF-8 (RFC
 * 3629): what was cut to a size may end in half of one, and JSON takes none of it then. */
void text_repair(char *text);

#endif
