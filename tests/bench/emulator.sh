#!/bin/sh
# The terminals' speed on the recordings of each size, and on a hostile stream:
# median [lowest..highest] of the rounds, ratio: ours to the faster of the
# others. And the memory of one console with its scrollback full.
# $1: the program, $2: the folder of the recordings. ROUNDS: 5 unless set.
set -eu
program=$1 corpus=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for size in 24x80 50x132; do
	for file in "$corpus"/*."$size".gz; do
		zcat "$file"
	done >"$work/$size"
	"$program" -r "${ROUNDS:-5}" "recorded-$size" "${size%x*}" \
		"${size#*x}" "$work/$size"
done
"$program" -r "${ROUNDS:-5}" hostile-24x80 24 80
