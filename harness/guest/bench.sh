# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # stats sets zs_...; kernel=... is on the kernel's command line
# For the jobs of make bench. A figure is a line "SAMPLE metric number", one that vswap is
# compared with "OFF metric number", a point of a curve "SERIES name x y".
. /swap.sh
zs_bench=/sys/kernel/debug/zs_bench
insmod "/modules/$kernel/zs_bench.ko" || exit

# command WORD [NUMBER]: of zs_bench
command() {
	echo "$@" > $zs_bench/run || exit
}

# Sets zs_objects, zs_bytes and so on as zs_bench tells them, which compares all objects.
stats() {
	eval "$(sed 's/^/zs_/; s/ /=/' $zs_bench/stats)"
	[ "$zs_wrong" = 0 ] || { echo "$zs_wrong objects have wrong contents"; exit 1; }
}

# ratio A B [FACTOR]
ratio() {
	awk -v a="$1" -v b="$2" -v factor="${3:-1}" 'BEGIN { printf "%.5f\n", b ? factor * a / b : 0 }'
}

# The memory of a cgroup is accounted for, as on most machines.
own_cgroup() {
	echo +memory > /sys/fs/cgroup/cgroup.subtree_control &&
	mkdir /sys/fs/cgroup/bench &&
	echo $$ > /sys/fs/cgroup/bench/cgroup.procs
}

# swap_pages DATA CODEC: swaps out, in and out and unmaps; how long each took is in the file
# phases then, all times of munmap in the file unmaps, and what the codec took in zs_bench.
# The first time makes caches that stay.
swap_pages() {
	command "$2"
	zswapbench "$1" 8 1 >/dev/null || return
	command "$2"
	zswapbench "$1" 64 1 > phases || return
	grep unmap phases >> unmaps
}

# per_page WORD PREFIX [CODEC]: a line WORD for out and in.
per_page() {
	awk -v word="$1" -v prefix="$2" -v codec="${3:+_$3}" '
		$1 != "unmap" { printf "%s %s_%s%s %.1f\n", word, prefix, $1, codec, $2 / $3 }' phases
}

# same_lists: how many free pages a CPU keeps for itself is fixed. Else it depends on what was
# before, and munmap, which frees many, takes a tenth more or less.
same_lists() {
	echo 8 > /proc/sys/vm/percpu_pagelist_high_fraction
}

# least_unmap WORD METRIC: of unmaps. It is so short that whatever else the CPU has to do
# meanwhile shows.
least_unmap() {
	awk -v line="$1 $2" '
		{ n = $2 / $3; if (!least || n < least) least = n }
		END { printf "%s %.1f\n", line, least }' unmaps
}
