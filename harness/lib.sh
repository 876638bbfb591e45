# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What all harness scripts share: directories, progress lines, errors.
set -euo pipefail
export LC_ALL=C
# What make was told is for the harness, not for the kernel's makes.
unset MAKEFLAGS MFLAGS MAKELEVEL

# The tests of the harness put their own trees in place of repo and build.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # used by those that include this
repo=${REPO:-$top}
build=${BUILD:-$top/build}
mkdir -p "$build/log"

die() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# step TITLE LOG COMMAND...: runs the command, its output goes to build/log/LOG.log
step() {
	local title=$1 log=$build/log/$2.log start=$SECONDS
	shift 2
	printf '==> %s … ' "$title"
	if "$@" >"$log" 2>&1; then
		printf '(%d s)\n' $((SECONDS - start))
		return 0
	fi
	printf 'FAILED (%d s)\n' $((SECONDS - start))
	tail -n "${TAIL:-30}" "$log" >&2
	echo "the whole log: $log" >&2
	return 1
}

# lock NAME: only one script at a time; the lock goes when the script ends.
lock() {
	exec 9>"$build/.lock-$1"
	flock -n 9 || { echo "waiting for another make that uses $build ($1)"; flock 9; }
}

# result TITLE STATUS OUTPUT: a line of TAP, with the output of what failed; "1..$n" ends it.
n=0
result() {
	n=$((n + 1))
	if [ "$2" = 0 ]; then
		echo "ok $n $1"
	else
		echo "not ok $n $1"
		echo "# ${3//$'\n'/$'\n'# }"
	fi
}

# result_of TITLE COMMAND...: the command as a line of TAP.
result_of() {
	local title=$1 status=0 output
	shift
	output=$("$@" 2>&1) || status=1
	result "$title" $status "$output"
	return $status
}
