// SPDX-License-Identifier: Apache-2.0
/*
 * Stands in for the agent, to find out what the transport itself carries: no protocol, no JavaScript.
 * Each command is one byte: 'o' sends TOTAL bytes to the host, 'i' takes TOTAL bytes and answers with one,
 * 'e' answers with one at once.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOTAL (64L << 20)
#define PORT 1024

static char block[256 * 1024];

/* The first virtio-serial port, once the host has opened it. */
static int open_port(void)
{
	char path[280] = "";
	struct dirent *entry;
	DIR *ports = opendir("/sys/class/virtio-ports");

	while (ports && !path[0] && (entry = readdir(ports)))
		if (entry->d_name[0] != '.')
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
	return path[0] ? open(path, O_RDWR) : -1;
}

static int accept_vsock(void)
{
	static int listener = -1;
	const struct sockaddr_vm any = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = PORT };

	if (listener < 0) {
		listener = socket(AF_VSOCK, SOCK_STREAM, 0);
		if (bind(listener, (const struct sockaddr *)&any, sizeof(any)) != 0 || listen(listener, 1) != 0)
			return -1;
	}
	return accept(listener, NULL, NULL);
}

/* A port says "end of file" while no host is connected: then poll(2) waits for one. */
static ssize_t take(int fd, size_t size, int is_port)
{
	ssize_t count;

	while ((count = read(fd, block, size)) == 0 && is_port) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		poll(&wait, 1, 10);
	}
	return count;
}

static void serve(int fd, int is_port)
{
	ssize_t count;

	while (take(fd, 1, is_port) == 1) {
		char command = block[0];

		for (long left = command == 'o' ? TOTAL : 0; left > 0; left -= count)
			if ((count = write(fd, block, left < (long)sizeof(block) ? left : (long)sizeof(block))) <= 0)
				return;
		for (long left = command == 'i' ? TOTAL : 0; left > 0; left -= count)
			if ((count = take(fd, left < (long)sizeof(block) ? left : (long)sizeof(block), is_port)) <= 0)
				return;
		if (command != 'o' && write(fd, "k", 1) != 1)
			return;
	}
}

int main(void)
{
	int port = open_port(), fd;

	if (port >= 0)
		serve(port, 1);
	while ((fd = accept_vsock()) >= 0) {
		serve(fd, 0);
		close(fd);
	}
	return 1;
}
