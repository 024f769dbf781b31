#!/bin/sh
# The terminal's library is what its header says: it does no input or output,
# and takes memory only to resize. Asked of the linker's symbols.
set -eu

# Of one file of the library, or of all: what it needs of the C library. Not
# what compilers put in.
needs() {
	nm -A -u libscreen.a | sed -n "s/^[^:]*:$1: *U \([a-z].*\)/\1/p" |
		grep -Ev '^(emulator|attr|grid|cursor|ansi|row|render|marks|print)_|^(erase|modes|charset|params|parser|osc|sgr|esc|csi|width)_|^(tables|resize|reflow|reply|utf8|state)_' |
		sort -u
}

allowed='free malloc memchr memcmp memcpy memmove memset snprintf strchr strlen vsnprintf'
status=0
for symbol in $(needs '[^:]*'); do
	case " $allowed " in
	*" $symbol "*) ;;
	*) echo "the library uses $symbol"; status=1 ;;
	esac
done
for file in $(nm -A -u libscreen.a | sed -n 's/^[^:]*:\([^:]*\): *U malloc$/\1/p'); do
	case $file in
	resize.o) ;;
	*) echo "$file takes memory"; status=1 ;;
	esac
done
[ "$(needs resize.o | grep -c malloc)" = 1 ] || {
	echo "nm says nothing of resize.o"; status=1; }
exit $status
