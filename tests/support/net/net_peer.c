/*
 * net_peer: both ends of the network tests and figures, as one static program.
 *
 *   net_peer serve PORT [WORD]       TCP and UDP, IPv4 and IPv6, until killed; says WORD, or "ready", when it listens
 *   net_peer get HOST PORT BYTES     receives that many bytes; prints MB/s and whether all were right
 *   net_peer put HOST PORT BYTES     sends them
 *   net_peer echo HOST PORT          one byte there and back; prints "echo"
 *   net_peer udp HOST PORT           the same by a datagram
 *   net_peer rr HOST PORT COUNT      round trips of a byte: prints the median in microseconds
 *   net_peer conn HOST PORT RATE S   short connections at a rate for S seconds: prints how many came back, and failed
 *   net_peer flood HOST PORT S       datagrams as fast as they go, for S seconds
 *
 * The bytes of a transfer count up, so that the receiver can check each. A connection says in its first byte what it
 * wants: E echo, G get, P put; the last two followed by a length of eight bytes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, BACKLOG = 1024, MAX_ROUNDS = 100000, TIMEOUT_S = 30 };

static unsigned char buffer[BUFFER];

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* A byte that repeats after a prime number of bytes, so that a lost block shows. */
static unsigned char byte_at(uint64_t at) { return (unsigned char)(at % 251); }

static int read_all(int fd, void *into, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = read(fd, (char *)into + done, length - done);
        if (n <= 0)
            return 0;
        done += (size_t)n;
    }
    return 1;
}

static int send_counted(int fd, uint64_t length)
{
    for (uint64_t at = 0; at < length;) {
        size_t want = length - at < BUFFER ? (size_t)(length - at) : BUFFER;
        unsigned char first = byte_at(at);
        for (size_t i = 0; i < want; i++) {
            buffer[i] = first;
            first = first == 250 ? 0 : first + 1;
        }
        for (size_t done = 0; done < want;) {
            ssize_t n = write(fd, buffer + done, want - done);
            if (n <= 0)
                return 0;
            done += (size_t)n;
        }
        at += want;
    }
    return 1;
}

static int receive_counted(int fd, uint64_t length)
{
    for (uint64_t at = 0; at < length;) {
        size_t want = length - at < BUFFER ? (size_t)(length - at) : BUFFER;
        ssize_t n = read(fd, buffer, want);
        if (n <= 0)
            return 0;
        unsigned char expected = byte_at(at);
        for (ssize_t i = 0; i < n; i++) {
            if (buffer[i] != expected)
                return 0;
            expected = expected == 250 ? 0 : expected + 1;
        }
        at += (uint64_t)n;
    }
    return 1;
}

/* ---- server ---- */

static void serve_one(int fd)
{
    unsigned char kind;
    uint64_t length;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!read_all(fd, &kind, 1))
        exit(0);
    if (kind == 'E') {
        ssize_t n;
        while ((n = read(fd, buffer, BUFFER)) > 0)
            if (write(fd, buffer, (size_t)n) != n)
                break;
        exit(0);
    }
    if (!read_all(fd, &length, sizeof length))
        exit(0);
    if (kind == 'G')
        send_counted(fd, length);
    else {
        unsigned char right = (unsigned char)receive_counted(fd, length);
        if (write(fd, &right, 1) != 1)
            exit(1);
    }
    exit(0);
}

static int listen_on(int type, int port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    int no = 0, yes = 1, fd = socket(AF_INET6, type, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) != 0)
        die("bind");
    if (type == SOCK_STREAM && listen(fd, BACKLOG) != 0)
        die("listen");
    return fd;
}

/* Short connections of one echo are answered here: a process for each would measure fork(2). */
static void serve(int port, const char *word)
{
    struct pollfd waits[2] = {{.fd = listen_on(SOCK_STREAM, port), .events = POLLIN},
                              {.fd = listen_on(SOCK_DGRAM, port), .events = POLLIN}};
    signal(SIGCHLD, SIG_IGN);
    puts(word);
    fflush(stdout);
    for (;;) {
        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[1].revents) {
            struct sockaddr_in6 peer;
            socklen_t size = sizeof peer;
            ssize_t n = recvfrom(waits[1].fd, buffer, BUFFER, 0, (struct sockaddr *)&peer, &size);
            if (n == 1)
                sendto(waits[1].fd, buffer, 1, 0, (struct sockaddr *)&peer, size);
        }
        if (waits[0].revents) {
            int fd = accept(waits[0].fd, NULL, NULL);
            unsigned char first[2];
            ssize_t peeked = fd < 0 ? -1 : recv(fd, first, 2, MSG_PEEK);
            if (peeked == 2 && first[0] == 'C') {
                if (read_all(fd, first, 2) && write(fd, first + 1, 1) == 1)
                    shutdown(fd, SHUT_WR);
            } else if (fd >= 0 && fork() == 0)
                serve_one(fd);
            if (fd >= 0)
                close(fd);
        }
    }
}

/* ---- client ---- */

/* Address of either family, as numbers. */
static socklen_t address_of(const char *host, const char *port, struct sockaddr_storage *into)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)into;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)into;
    memset(into, 0, sizeof *into);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)atoi(port));
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
        return 0;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)atoi(port));
    return sizeof *v6;
}

static int dial(const char *host, const char *port, int type)
{
    struct sockaddr_storage peer;
    socklen_t size = address_of(host, port, &peer);
    int fd = socket(peer.ss_family, type | SOCK_CLOEXEC, 0), one = 1;
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (type == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&peer, size) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void transfer(char kind, const char *host, const char *port, uint64_t length)
{
    unsigned char request[9] = {(unsigned char)kind}, right;
    int fd = dial(host, port, SOCK_STREAM);
    if (fd < 0)
        die("connect");
    memcpy(request + 1, &length, sizeof length);
    double start = now();
    if (write(fd, request, sizeof request) != sizeof request)
        die("write");
    if (kind == 'G')
        right = (unsigned char)receive_counted(fd, length);
    else if (!send_counted(fd, length) || !read_all(fd, &right, 1))
        die("write");
    printf("%.1f MB/s %s\n", length / 1e6 / (now() - start), right ? "right" : "WRONG");
    exit(right ? 0 : 1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void round_trips(const char *host, const char *port, int count)
{
    static double took[MAX_ROUNDS];
    int fd = dial(host, port, SOCK_STREAM);
    if (fd < 0 || count > MAX_ROUNDS || write(fd, "E", 1) != 1)
        die("connect");
    for (int i = 0; i < count; i++) {
        char byte = 'x';
        double start = now();
        if (write(fd, &byte, 1) != 1 || !read_all(fd, &byte, 1))
            die("echo");
        took[i] = (now() - start) * 1e6;
    }
    qsort(took, (size_t)count, sizeof *took, compare);
    printf("%.0f us median, %.0f us p99\n", took[count / 2], took[count * 99 / 100]);
}

static int short_connection(const char *host, const char *port)
{
    char byte;
    int fd = dial(host, port, SOCK_STREAM);
    int right = fd >= 0 && write(fd, "Cx", 2) == 2 && read_all(fd, &byte, 1) && byte == 'x';
    if (fd >= 0)
        close(fd);
    return right;
}

/* A rate of 0 is as fast as they go, one after the other. */
static void connections(const char *host, const char *port, double rate, double seconds)
{
    long good = 0, bad = 0;
    double start = now();
    while (now() - start < seconds) {
        if (short_connection(host, port))
            good++;
        else
            bad++;
        double due = rate > 0 ? start + (good + bad) / rate : 0, ahead = due - now();
        if (ahead > 0)
            usleep((useconds_t)(ahead * 1e6));
    }
    printf("%ld good %ld bad %.0f /s\n", good, bad, good / (now() - start));
    exit(bad > 0);
}

static void datagram(const char *host, const char *port)
{
    char byte;
    int fd = dial(host, port, SOCK_DGRAM);
    if (fd < 0 || write(fd, "u", 1) != 1 || read(fd, &byte, 1) != 1)
        die("udp");
    puts("udp");
}

static void flood(const char *host, const char *port, double seconds)
{
    long sent = 0;
    int fd = dial(host, port, SOCK_DGRAM);
    for (double start = now(); now() - start < seconds;)
        sent += send(fd, buffer, 1400, 0) > 0;
    printf("%ld datagrams\n", sent);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 3)
        return 2;
    const char *verb = argv[1], *host = argv[2], *port = argc > 3 ? argv[3] : "";
    double number = argc > 4 ? atof(argv[4]) : 0, more = argc > 5 ? atof(argv[5]) : 0;
    if (strcmp(verb, "serve") == 0)
        serve(atoi(host), *port ? port : "ready");
    else if (strcmp(verb, "get") == 0)
        transfer('G', host, port, (uint64_t)number);
    else if (strcmp(verb, "put") == 0)
        transfer('P', host, port, (uint64_t)number);
    else if (strcmp(verb, "rr") == 0)
        round_trips(host, port, (int)number);
    else if (strcmp(verb, "conn") == 0)
        connections(host, port, number, more);
    else if (strcmp(verb, "udp") == 0)
        datagram(host, port);
    else if (strcmp(verb, "flood") == 0)
        flood(host, port, number);
    else if (strcmp(verb, "echo") == 0) {
        if (!short_connection(host, port))
            die("echo");
        puts("echo");
    }
    return 0;
}
