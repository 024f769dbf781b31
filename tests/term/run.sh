#!/bin/sh
# The terminal's text scripts, in one go.
exec ./tests/term/harness "${srcdir:-.}"/tests/term/*.test
