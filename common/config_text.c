#define _GNU_SOURCE
#include "common/config_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sections in sections: there are two kinds of braces, so this is plenty. */
#define DEPTH_MAX 16

struct scan {
	char *at;
	unsigned line;
	unsigned open[DEPTH_MAX]; /* the lines of the braces that are open */
	unsigned depth;
};

static void
step(struct scan *s)
{
	if (*s->at == '\n')
		s->line++;
	s->at++;
}

/* A comment begins where a word could: not in the middle of a path. */
static bool
begins_comment(const struct scan *s, const char *text, const char *mark)
{
	if (strncmp(s->at, mark, strlen(mark)) != 0)
		return false;
	return s->at == text || strchr(" \t\r\n={}(),+", s->at[-1]);
}

static void
blank_line(struct scan *s)
{
	while (*s->at && *s->at != '\n')
		*s->at++ = ' ';
}

/* False: it is not closed. */
static bool
blank_block(struct scan *s)
{
	char *end = strstr(s->at + 2, "*/");

	if (!end)
		return false;
	for (end += 2; s->at < end; step(s))
		if (*s->at != '\n')
			*s->at = ' ';
	return true;
}

static bool
skip_string(struct scan *s)
{
	char quote = *s->at;

	for (step(s); *s->at && *s->at != quote; step(s))
		if (*s->at == '\\' && s->at[1])
			step(s);
	if (!*s->at)
		return false;
	step(s);
	return true;
}

static void
count_brace(struct scan *s)
{
	if (*s->at == '{') {
		if (s->depth < DEPTH_MAX)
			s->open[s->depth] = s->line;
		s->depth++;
	} else if (*s->at == '}' && s->depth > 0) {
		s->depth--;
	}
	step(s);
}

const char *
config_text_blank(char *text, unsigned *line)
{
	struct scan s = {.at = text, .line = 1};

	while (*s.at) {
		*line = s.line;
		if (begins_comment(&s, text, "#") ||
		    begins_comment(&s, text, "//")) {
			blank_line(&s);
		} else if (begins_comment(&s, text, "/*")) {
			if (!blank_block(&s))
				return "comment";
		} else if (*s.at == '"' || *s.at == '\'') {
			if (!skip_string(&s))
				return "text in quotes";
		} else {
			count_brace(&s);
		}
	}
	if (s.depth == 0)
		return NULL;
	*line = s.open[s.depth <= DEPTH_MAX ? s.depth - 1 : DEPTH_MAX - 1];
	return "brace";
}

char *
config_text_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = file ? malloc(CONFIG_TEXT_MAX + 2) : NULL;
	size_t len = 0;
	int error = errno;

	if (text) {
		len = fread(text, 1, CONFIG_TEXT_MAX + 1, file);
		text[len] = '\0';
		error = ferror(file)		? errno
			: len > CONFIG_TEXT_MAX ? EFBIG
			: strlen(text) != len	? EILSEQ
						: 0;
	}
	if (file)
		fclose(file);
	if (error && text) {
		free(text);
		text = NULL;
	}
	errno = error;
	return text;
}
