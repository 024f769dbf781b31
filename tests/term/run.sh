#!/bin/sh
# The terminal's text scripts, in one go.
# shellcheck disable=SC2086 # a program and its arguments
exec ${EMULATOR-} ./tests/term/harness "${srcdir:-.}"/tests/term/*.test
