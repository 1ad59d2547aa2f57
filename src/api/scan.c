/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns uf_scan, which belongs to no handle: the host machine knows whether there
 * is anything of the engine's in this process, and asks the kernel if not.
 */
#include "mmu/host/host.h"
#include "userfault.h"

ssize_t uf_scan(struct uf_scan_arg *arg)
{
	return (ssize_t)ufi_host_scan((uintptr_t)arg);
}
