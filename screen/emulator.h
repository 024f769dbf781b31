/*
 * A terminal: bytes in, a screen out.
 *
 * It behaves as xterm.js does, cell by cell (docs/terminal.md has the few
 * places where it does not, and why).  It is pure: it does no input or output,
 * knows nothing of Xen, and takes no memory while it works through bytes.
 *
 * The whole state is one flat block of memory without pointers in it.  Copy
 * the block, and go on from the copy: that is a checkpoint.
 */
#ifndef XENTERM_EMULATOR_H
#define XENTERM_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EMULATOR_SCROLLBACK 2000 /* lines, unless set otherwise */

/* The smallest and the largest screen. Narrower than 2 columns, a wide
 * character would fit nowhere. */
#define EMULATOR_ROWS_MIN  1
#define EMULATOR_ROWS_MAX  1000
#define EMULATOR_COLS_MIN  2
#define EMULATOR_COLS_MAX  1000
#define EMULATOR_LINES_MAX 100000

/* The title is cut off after so many characters. */
#define EMULATOR_TITLE_MAX 256

/* A cell keeps so many combining characters; more of them are dropped. */
#define EMULATOR_MARKS_MAX 31

/* Names what is in a block: to be raised with every change of it, or of what
 * its numbers mean.  A block of another layout must not be used. */
#define EMULATOR_LAYOUT 1

struct emulator;

/* What a block of memory must have room for. */
struct emulator_limits {
	uint32_t rows, cols;	 /* the largest screen */
	uint32_t scrollback;	 /* lines above the screen */
	size_t scrollback_bytes; /* and their memory; 0: for all lines */
};

/* Receives what the terminal answers to the guest: DA1, DA2, DSR 5 and 6. */
struct emulator_replies {
	void (*reply)(void *user, const char *bytes, size_t len);
	void *user;
};

/* The bytes of a block for these limits; 0 when they are out of range. */
size_t emulator_size(const struct emulator_limits *limits);

/*
 * Makes a terminal of rows x cols, which are brought into the limits, in a
 * block of emulator_size() bytes, aligned as malloc() aligns.  The memory may
 * hold anything; pages of it that are not needed yet are not touched.
 */
struct emulator *emulator_init(void *block,
    const struct emulator_limits *limits, uint32_t rows, uint32_t cols);

/* The bytes of the block e lies in: so many make a copy. */
size_t emulator_block_size(const struct emulator *e);

/* Works through bytes. replies may be NULL: then nothing is answered. */
void emulator_write(struct emulator *e, const void *bytes, size_t len,
    const struct emulator_replies *replies);

/*
 * Another size, with xterm.js' rules: lines that had wrapped are wrapped anew.
 * Takes working memory for the time of the call.  -ENOMEM when there is none,
 * -EINVAL for a size beyond the limits; the terminal is then as it was.
 */
int emulator_resize(struct emulator *e, uint32_t rows, uint32_t cols);

uint32_t emulator_rows(const struct emulator *e);
uint32_t emulator_cols(const struct emulator *e);
/* Lines above the screen. */
uint32_t emulator_history(const struct emulator *e);
/* As the guest named it: at most EMULATOR_TITLE_MAX characters, UTF-8,
 * without C0 and C1 controls. */
const char *emulator_title(const struct emulator *e);

/*
 * Each emulator_write() or emulator_resize() that changes something on the
 * screen makes a new generation, and each row knows the last one that changed
 * it.  The cursor counts as part of the rows it leaves and enters.
 */
uint64_t emulator_generation(const struct emulator *e);
/* Those to come are greater than this one, if it is greater than the last. */
void emulator_number_from(struct emulator *e, uint64_t generation);
uint64_t emulator_row_generation(const struct emulator *e, uint32_t row);

/* --- reading cells ------------------------------------------------------- */

enum emulator_flag {
	EMULATOR_BOLD = 1,
	EMULATOR_DIM = 2,
	EMULATOR_ITALIC = 4,
	EMULATOR_UNDERLINE = 8,
	EMULATOR_BLINK = 16,
	EMULATOR_INVERSE = 32,
	EMULATOR_INVISIBLE = 64,
	EMULATOR_STRIKE = 128,
	EMULATOR_OVERLINE = 256,
	EMULATOR_PROTECTED = 512
};

/* A colour is mode << 24 | value: a palette index, or 0xRRGGBB. */
enum emulator_colour_mode {
	EMULATOR_DEFAULT = 0,
	EMULATOR_PALETTE16 = 1,
	EMULATOR_PALETTE256 = 2,
	EMULATOR_RGB = 3
};

enum emulator_line_style {
	EMULATOR_LINE_NONE,
	EMULATOR_LINE_SINGLE,
	EMULATOR_LINE_DOUBLE,
	EMULATOR_LINE_CURLY,
	EMULATOR_LINE_DOTTED,
	EMULATOR_LINE_DASHED
};

struct emulator_attr {
	uint32_t fg, bg, line; /* colours: text, ground, underline */
	uint16_t flags;	       /* of enum emulator_flag */
	uint8_t style;	       /* of enum emulator_line_style */
};

struct emulator_cell {
	uint32_t chars[1 + EMULATOR_MARKS_MAX];
	uint8_t count; /* of chars; 0: never written to, or erased */
	uint8_t width; /* 2: wide; 0: the second half of a wide one */
	struct emulator_attr attr;
};

/*
 * The cells of a row: 0 is the first of the screen, -1 the line above it.
 * emulator_row_length() leaves out empty cells at the end.
 */
uint32_t emulator_row_length(const struct emulator *e, int32_t row);
bool emulator_row_wrapped(const struct emulator *e, int32_t row);
void emulator_cell(const struct emulator *e, int32_t row, uint32_t col,
    struct emulator_cell *cell);

/* --- reading the rest ---------------------------------------------------- */

enum emulator_mouse {
	EMULATOR_MOUSE_NONE,
	EMULATOR_MOUSE_X10,
	EMULATOR_MOUSE_VT200,
	EMULATOR_MOUSE_DRAG,
	EMULATOR_MOUSE_ANY
};

enum emulator_mouse_encoding {
	EMULATOR_MOUSE_DEFAULT,
	EMULATOR_MOUSE_SGR,
	EMULATOR_MOUSE_SGR_PIXELS
};

enum emulator_cursor_style {
	EMULATOR_CURSOR_UNSET,
	EMULATOR_CURSOR_BLOCK,
	EMULATOR_CURSOR_UNDERLINE,
	EMULATOR_CURSOR_BAR
};

struct emulator_modes {
	bool application_cursor;
	bool application_keypad;
	bool bracketed_paste;
	bool insert;
	bool newline;
	bool origin;
	bool reverse_wraparound;
	bool send_focus;
	bool synchronized;
	bool wraparound;
	bool cursor_hidden;
	bool cursor_blink_option; /* mode ?12 */
	int8_t cursor_blink;	  /* DECSCUSR; -1: not set */
	uint8_t cursor_style;	  /* of enum emulator_cursor_style */
	uint8_t mouse;		  /* of enum emulator_mouse */
	uint8_t mouse_encoding;	  /* of enum emulator_mouse_encoding */
};

const struct emulator_modes *emulator_modes(const struct emulator *e);
bool emulator_on_alternate(const struct emulator *e);
/* x equals the number of columns when the next character will wrap. */
void emulator_cursor(const struct emulator *e, uint32_t *x, uint32_t *y);

#endif
