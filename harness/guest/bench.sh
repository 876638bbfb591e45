# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # stats sets zs_...; kernel=... is on the kernel's command line
# For the jobs of make bench. A figure is a line "SAMPLE metric number", a point of a curve
# "SERIES name x y".
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
