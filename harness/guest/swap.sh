# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2034 # a job ends with $failed
# For the jobs: swap on a fresh zram device, on the scratch disk with zswap before it, or in
# zswap behind virtual slots, without a disk; and lines of TAP.

# zram_on COMPRESSOR: sets $id, the number of the device.
zram_on() {
	id=$(cat /sys/class/zram-control/hot_add) &&
	echo "$1" > "/sys/block/zram$id/comp_algorithm" &&
	echo "${zram_mib:-512}M" > "/sys/block/zram$id/disksize" &&
	mkswap "/dev/zram$id" >/dev/null &&
	swapon "/dev/zram$id"
}

zram_off() {
	swapoff "/dev/zram$id"
	echo "$id" > /sys/class/zram-control/hot_remove
}

zswap=/sys/module/zswap/parameters

# zswap_on COMPRESSOR
zswap_on() {
	echo "$1" > $zswap/compressor &&
	echo Y > $zswap/enabled &&
	mkswap /dev/vdb >/dev/null &&
	swapon /dev/vdb
}

zswap_off() {
	echo N > $zswap/enabled
	swapoff /dev/vdb
}

vswap=/sys/module/vswap/parameters

# vswap_on COMPRESSOR
vswap_on() {
	echo "$1" > $zswap/compressor &&
	echo Y > $zswap/enabled &&
	echo Y > $vswap/enabled
}

vswap_off() {
	echo N > $vswap/enabled
	echo N > $zswap/enabled
}

# vswap_disk_on COMPRESSOR: with a zswap that has to let the disk have most of it.
vswap_disk_on() {
	echo 5 > $zswap/max_pool_percent &&
	vswap_on "$1" &&
	mkswap /dev/vdb >/dev/null &&
	swapon /dev/vdb
}

vswap_disk_off() {
	swapoff /dev/vdb
	vswap_off
	echo 20 > $zswap/max_pool_percent
}

# overflow_on COMPRESSOR: with one that has to let it have nearly all.
overflow_on() {
	vswap_disk_on "$1" && echo 1 > $zswap/max_pool_percent
}

# result TITLE COMMAND...: a test as a line of TAP; the job ends with $failed.
n=0 failed=0
result() {
	n=$((n + 1))
	title=$1
	shift
	"$@" 2>&1 || { printf "not "; failed=1; }
	echo "ok $n $title"
}
