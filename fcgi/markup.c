#include "fcgi/markup.h"

#include <string.h>

struct markup {
	const char *at, *end;
};

static bool
take(struct markup *m, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(m->end - m->at) < n || memcmp(m->at, text, n) != 0)
		return false;
	m->at += n;
	return true;
}

/* A number of so many digits. */
static bool
take_number(struct markup *m, int digits, unsigned max)
{
	const char *begin = m->at;
	unsigned n = 0;

	while (m->at < m->end && m->at - begin < digits && *m->at >= '0' &&
	       *m->at <= '9')
		n = n * 10 + (unsigned)(*m->at++ - '0');
	return m->at > begin && n <= max;
}

static bool
take_text(struct markup *m)
{
	while (m->at < m->end && *m->at != '<') {
		if (take(m, "&#")) {
			if (!take_number(m, 7, 0x10ffff) || !take(m, ";"))
				return false;
			continue;
		}
		if (*m->at != '\n' &&
		    (*m->at < ' ' || *m->at > '~' || strchr(">&\"'", *m->at)))
			return false;
		m->at++;
	}
	return true;
}

static bool
take_span(struct markup *m)
{
	return take(m, "<span class=\"f") && take_number(m, 2, 15) &&
	       take(m, " b") && take_number(m, 1, 7) && take(m, "\">") &&
	       take_text(m) && take(m, "</span>");
}

bool
markup_is_ajaxterm(const char *text, size_t len)
{
	struct markup m = {text, text + len};

	if (!take(&m, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>"
		      "<pre class=\"term\">"))
		return false;
	while (!take(&m, "</pre>"))
		if (!take_span(&m))
			return false;
	return m.at == m.end;
}

/* ---- screen/render_html.h ------------------------------------------------ */

/* In UTF-8, or what a browser shows in its place: no byte of a character is
 * one of those that are looked for. */
static bool
take_html_text(struct markup *m)
{
	while (m->at < m->end && *m->at != '<') {
		unsigned char c = (unsigned char)*m->at;

		if (c == '&') {
			if (!take(m, "&lt;") && !take(m, "&gt;") &&
			    !take(m, "&amp;") && !take(m, "&quot;"))
				return false;
			continue;
		}
		if ((c < ' ' && c != '\n') || c == 0x7f || c == '>' || c == '"')
			return false;
		m->at++;
	}
	return true;
}

/* One class, with its number where it has one. */
static bool
take_class(struct markup *m)
{
	if (take(m, "f") || take(m, "g"))
		return take_number(m, 3, 255);
	if (take(m, "u"))
		return take_number(m, 1, 5);
	return m->at < m->end && *m->at && strchr("bdikvhsowc", *m->at++);
}

static bool
take_html_span(struct markup *m)
{
	if (!take(m, "<span class=\""))
		return false;
	do {
		if (!take_class(m))
			return false;
	} while (take(m, " "));
	return take(m, "\">") && take_html_text(m) && take(m, "</span>");
}

bool
markup_is_html(const char *text, size_t len)
{
	struct markup m = {text, text + len};

	if (!take(&m, "<pre class=\"screen\">\n"))
		return false;
	while (take_html_text(&m) && !take(&m, "</pre>\n"))
		if (!take_html_span(&m))
			return false;
	return m.at == m.end;
}
