#!/bin/sh
# What fuzzing has found interesting, once more.
set -e
for target in emulator process screen; do
	./tests/fuzz/replay_$target "${srcdir:-.}/tests/fuzz/corpus-$target"/*
done
