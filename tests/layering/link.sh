#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The engine stands alone: its library, all of it, links without libc, with
# nothing undefined but the four functions that a compiler may call on its own.
#
# Usage: link.sh ENGINE.a WORK COMPILER...
set -eu

[ $# -ge 3 ] || { echo "usage: $0 ENGINE.a WORK COMPILER..." >&2; exit 2; }
lib=$1
work=$2
shift 2

dir=$(mktemp -d "$work/layering.XXXXXX")
trap 'rm -rf "$dir"' EXIT

cat >"$dir/allowed.c" <<'C'
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memcpy(void *to, const void *from, size_t n) { (void)from; (void)n; return to; }
void *memmove(void *to, const void *from, size_t n) { (void)from; (void)n; return to; }
void *memset(void *to, int byte, size_t n) { (void)byte; (void)n; return to; }
int memcmp(const void *a, const void *b, size_t n) { (void)a; (void)b; (void)n; return 0; }
C
# Where atomic operations are calls, libgcc has them, and asks for the processor's features.
cat >>"$dir/allowed.c" <<'C'
#if defined(__aarch64__)
unsigned long __getauxval(unsigned long type);
unsigned long __getauxval(unsigned long type) { (void)type; return 0; }
#endif
C

"$@" -O1 -fPIC -ffreestanding -fno-builtin -fno-stack-protector -c -o "$dir/allowed.o" "$dir/allowed.c"
"$@" -shared -nostdlib -Wl,-z,defs -Wl,--no-undefined -o "$dir/engine.so" \
	-Wl,--whole-archive "$lib" -Wl,--no-whole-archive "$dir/allowed.o" -lgcc

# The proof must be able to fail: with one symbol less it does, if the engine uses any of them.
echo 'void ufi_needs(void); void ufi_asks(void); void ufi_asks(void) { ufi_needs(); }' |
	"$@" -fPIC -c -x c -o "$dir/asks.o" -
if "$@" -shared -nostdlib -Wl,-z,defs -o "$dir/bad.so" "$dir/asks.o" 2>/dev/null; then
	echo "this linker does not mind undefined symbols: nothing is proved" >&2
	exit 1
fi
echo "the engine stands alone"
