#!/bin/sh
# What fuzzing has found interesting, once more.
set -e
for target in emulator process screen; do
	# shellcheck disable=SC2086 # a program and its arguments
	${EMULATOR-} ./tests/fuzz/replay_$target "${srcdir:-.}/tests/fuzz/corpus-$target"/*
done
