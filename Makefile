# SPDX-License-Identifier: GPL-2.0
# Builds, boots and tests the series; "make help" tells. The work is done in harness/.

export STOCK KERNEL NODES MUTATE

help:
	@echo 'make run         build the patched kernel, boot it in QEMU, swap real data out and in'
	@echo '     STOCK=1       ... on the unpatched kernel'
	@echo '     NODES=1       ... with one NUMA node, not two'
	@echo 'make check       the tests of every push'
	@echo '     MUTATE=1      ... only: does a test notice each breakage of harness/mutate?'
	@echo 'make check-full  all tests and configurations'
	@echo 'make shell       a shell in the patched kernel, with swap on zram'
	@echo 'make kernel      the patched kernel: build/x86_64/arch/x86/boot/bzImage of build/linux'
	@echo 'make stock       the unpatched one: build/stock-x86_64/arch/x86/boot/bzImage of build/stock-src'
	@echo 'make uml         the patched one for User Mode Linux: build/um/linux'
	@echo 'make export      edits made in build/linux into this repository'
	@echo 'make clean       remove build/'
	@echo
	@echo 'KERNEL=dir       your own 6.12.y tree in place of the package linux-source-6.12'

run:
	@harness/run

check:
	@harness/check

check-full:
	@harness/check full

kernel: apply
	@harness/build x86_64

uml: apply
	@harness/build um

stock:
	@harness/deps
	@harness/tree base
	@harness/build stock-x86_64

shell: kernel
	@harness/corpus
	@harness/initramfs
	@harness/qemu -i -d build/corpus.img x86_64 shell

apply:
	@harness/deps
	@harness/tree apply

export:
	@harness/tree export

clean:
	rm -rf build

.PHONY: help run check check-full kernel uml stock shell apply export clean
