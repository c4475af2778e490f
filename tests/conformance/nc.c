/*
 * nc -l -p PORT, as the suites call it: takes one connection and prints what comes. Like the nc of the image that the
 * suites expect, and other than Debian's busybox, it answers SIGTERM and SIGINT also as the first process of a
 * PID namespace.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int number)
{
    _exit(128 + number);
}

static int listen_on(unsigned short port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || listen(fd, 1) != 0) {
        perror("nc: bind");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 4 || strcmp(argv[1], "-l") != 0 || strcmp(argv[2], "-p") != 0) {
        fprintf(stderr, "usage: nc -l -p PORT\n");
        return 2;
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    int connection = accept(listen_on((unsigned short)atoi(argv[3])), NULL, NULL);
    char buffer[4096];
    ssize_t count;
    while ((count = read(connection, buffer, sizeof buffer)) > 0)
        if (write(STDOUT_FILENO, buffer, (size_t)count) < 0)
            break;
    return 0;
}
