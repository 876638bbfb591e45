# SPDX-License-Identifier: GPL-2.0
# Builds, boots and tests the series; "make help" tells. The work is done in harness/.

export STOCK KERNEL NODES MUTATE FORCE PEER CONFIG HOURS SEED

help:
	@echo 'make run         build the patched kernel, boot it in QEMU, swap real data out and in'
	@echo '     STOCK=1       ... on the unpatched kernel'
	@echo '     NODES=1       ... with one NUMA node, not two'
	@echo 'make check       the tests of every push'
	@echo '     MUTATE=1      ... only: does a test notice each breakage of harness/mutate?'
	@echo 'make check-full  all tests and configurations'
	@echo 'make soak        random load while everything is switched and allocations fail: build/soak/table'
	@echo '     HOURS=n       ... for so long, 1'
	@echo '     SEED=n        ... only the guest with this seed, again'
	@echo 'make bench       what the series gains beside the unpatched kernel: build/bench/report.md'
	@echo 'make bench-PART  ... only native, icount, memory, numa, swapoff or locks'
	@echo '     PEER=dir      ... and what a third kernel tree does'
	@echo 'make shell       a shell in the patched kernel, with zswap on'
	@echo 'make kernel      the patched kernel: build/x86_64/arch/x86/boot/bzImage of build/linux'
	@echo 'make stock       the unpatched one: build/stock-x86_64/arch/x86/boot/bzImage of build/stock-src'
	@echo 'make uml         the patched one for User Mode Linux: build/um/linux'
	@echo 'make series      the whole as patches for git am, with a cover letter: build/series'
	@echo 'make deb         the patched kernel as Debian packages: build/deb/*.deb'
	@echo '     CONFIG=file ... of this configuration, not of Debian'"'"'s own'
	@echo 'make export      edits made in build/linux into this repository'
	@echo 'make apply       the series into your own tree KERNEL=dir; FORCE=1: of a 6.12.y not tested'
	@echo 'make revert      KERNEL=dir as it was before; FORCE=1: edits made since are lost'
	@echo 'make stable-diff what KERNEL=dir has changed in the files that the series replaces'
	@echo 'make clean       remove build/'
	@echo
	@echo 'KERNEL=dir       for all others: your own 6.12.y tree in place of the package'
	@echo '                 linux-source-6.12; it is copied, not changed'

run:
	@harness/run

check:
	@harness/check

check-full:
	@harness/check full

soak:
	@harness/soak

bench:
	@harness/bench/run

benches := bench-native bench-icount bench-memory bench-numa bench-swapoff bench-locks
$(benches): bench-%:
	@harness/bench/run $*

kernel: tree
	@harness/build x86_64

uml: tree
	@harness/build um

stock:
	@harness/deps
	@harness/tree base
	@harness/build stock-x86_64

shell: kernel
	@harness/corpus
	@harness/initramfs
	@harness/qemu -i -d build/corpus.img -w 1024 x86_64 shell

tree:
	@harness/deps
	@harness/tree apply

apply:
	@harness/tree install

revert:
	@harness/tree revert

stable-diff:
	@harness/tree diff

series: tree
	@harness/series make

deb: tree
	@harness/deb make

export:
	@harness/tree export

clean:
	rm -rf build

.PHONY: help run check check-full soak bench $(benches) kernel uml stock shell tree series deb apply revert stable-diff export clean
