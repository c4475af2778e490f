// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into a QEMU whose guest memory is a copy-on-write mapping of a template's file in a tmpfs. It keeps the
 * file from being changed in two ways of which neither QEMU nor the kernel makes an exception for such a mapping:
 *
 * When a guest reports free pages, QEMU punches a hole into the file, then drops the mapping's own pages
 * (ram_block_discard_range in softmmu/physmem.c; later versions warn that this is dangerous, and do it too). The second
 * step gives the memory back. The first would zero the template under all its clones, so it is left out.
 *
 * When a guest touches a page where the file has a hole, the kernel first fills the hole, for good, then copies the
 * page: the template would grow to the size of all that its clones ever used. So anonymous memory is mapped over the
 * holes, which reads as zeros just the same.
 *
 * KATA_PRIVATE_RAM="<device> <inode>" names the file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Each hole that is mapped over costs the kernel a mapping (there may be 65530), and smaller ones cost little. */
#define MIN_HOLE (64 * 1024)

static unsigned long long device, inode;

__attribute__((constructor)) static void read_name(void)
{
	const char *name = getenv("KATA_PRIVATE_RAM");
	char *rest = NULL;

	if (!name)
		return;
	device = strtoull(name, &rest, 10);
	inode = strtoull(rest, NULL, 10);
}

static int is_template(int fd)
{
	struct stat file;

	return fd >= 0 && fstat(fd, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
	if ((mode & FALLOC_FL_PUNCH_HOLE) && is_template(fd))
		return 0;
	return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	return fallocate64(fd, mode, offset, length);
}

static void *map(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

/* Maps anonymous memory over the holes of a mapping. Returns -1 where the kernel does not let it. */
static int cover_holes(char *base, size_t length, int protection, int fd, off64_t start)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	const off64_t end = start + (off64_t)length;
	off64_t hole = lseek64(fd, start, SEEK_HOLE), data;

	for (; hole >= 0 && hole < end; hole = lseek64(fd, data, SEEK_HOLE)) {
		data = lseek64(fd, hole, SEEK_DATA);
		if (data < 0 || data > end)
			data = end; /* no data behind this hole */
		if (data - hole >= MIN_HOLE &&
		    map(base + (hole - start), (size_t)(data - hole), protection, flags, -1, 0) == MAP_FAILED)
			return -1;
		if (data == end)
			break;
	}
	return 0;
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	void *mapped = map(address, length, protection, flags, fd, offset);

	if (mapped == MAP_FAILED || !(flags & MAP_PRIVATE) || (flags & MAP_ANONYMOUS) || !is_template(fd))
		return mapped;
	if (cover_holes(mapped, length, protection, fd, offset) == 0)
		return mapped;
	munmap(mapped, length);
	errno = ENOMEM;
	return MAP_FAILED;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return mmap64(address, length, protection, flags, fd, offset);
}
