/* Writing escape sequences: for render_ansi.c and what belongs to it. */
#ifndef XENTERM_SCREEN_ANSI_H
#define XENTERM_SCREEN_ANSI_H

#include "screen/grid.h"
#include "screen/render_ansi.h"
#include "screen/state.h"

struct ansi {
	const struct emulator *e;
	struct render r;
	struct emulator_attr attr; /* the pen there, as far as it is known */
	int32_t x;		   /* the cursor's column there; -1: unknown */
};

__attribute__((format(printf, 2, 3))) void ansi_printf(
    struct ansi *a, const char *format, ...);

/* The pen there becomes attr; with DECSCA where it is needed. */
void ansi_attr(struct ansi *a, const struct emulator_attr *attr);
void ansi_plain(struct ansi *a);
/* The same, whatever the pen there may be. */
void ansi_attr_anew(struct ansi *a, const struct emulator_attr *attr);
/* A pen, with what does not show yet. */
void ansi_pen(struct ansi *a, const struct pen *pen);

bool ansi_same_attr(
    const struct emulator_attr *a, const struct emulator_attr *b);

/* The cursor to a column, or a place of the screen, from 0. */
void ansi_column(struct ansi *a, int32_t x);
void ansi_place(struct ansi *a, int32_t x, int32_t y);

/*
 * The cursor of the normal screen behind the last column of row y, with no
 * cell changed: by way of the alternate screen, which hands its cursor over.
 * far: one further, where a lone combining character can bring it.
 */
void ansi_behind_end(struct ansi *a, int32_t y, bool far);

/* ansi_rows.c: all lines of the normal buffer, through an empty terminal. */
void ansi_normal(struct ansi *a);
/* The rows of the alternate buffer, onto an empty screen. */
void ansi_alternate(struct ansi *a);

/* ansi_modes.c: from those of a reset terminal. Origin mode moves the cursor.
 */
void ansi_modes(struct ansi *a);

/* ansi_parser.c: a sequence or a character that has only just begun. */
void ansi_unfinished(struct ansi *a);

#endif
