#!/bin/sh
# What fuzzing has found interesting, once more.
exec ./tests/fuzz/replay_emulator "${srcdir:-.}"/tests/fuzz/corpus/*
