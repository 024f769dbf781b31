#!/bin/sh
# The terminals' speed on the recordings of each size, and on a hostile stream.
# $1: the program, $2: the folder of the recordings.
set -eu
program=$1 corpus=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for size in 24x80 50x132; do
	for file in "$corpus"/*."$size".gz; do
		zcat "$file"
	done >"$work/$size"
	"$program" "recorded-$size" "${size%x*}" "${size#*x}" "$work/$size"
done
"$program" hostile 24 80
