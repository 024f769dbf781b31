/* Erasing, inserting and deleting: from a character to the whole screen. */
#ifndef XENTERM_SCREEN_ERASE_H
#define XENTERM_SCREEN_ERASE_H

#include "screen/state.h"

/* selective: leaves what DECSCA protects. what: as in ED and EL. */
void erase_display(struct emulator *e, int32_t what, bool selective);
void erase_line(struct emulator *e, int32_t what, bool selective);
void erase_chars(struct emulator *e, int32_t n);

void erase_insert_chars(struct emulator *e, int32_t n);
void erase_delete_chars(struct emulator *e, int32_t n);
void erase_insert_lines(struct emulator *e, int32_t n);
void erase_delete_lines(struct emulator *e, int32_t n);
void erase_scroll_up(struct emulator *e, int32_t n);
void erase_scroll_down(struct emulator *e, int32_t n);

/* In all lines of the region, if the cursor is in it. */
void erase_insert_columns(struct emulator *e, int32_t x, int32_t n);
void erase_delete_columns(struct emulator *e, int32_t x, int32_t n);

/* DECALN: the screen full of E. */
void erase_alignment_test(struct emulator *e);

#endif
